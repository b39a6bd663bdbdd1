//! A list of testers: NDJSON with the fields of an import's lines, and `person` instead of `user_id`. Small, so that every
//! fault ends it: a list that is not all good is not taken.

use super::BadRow;
use super::row::{Raw, Rows, bad};
use crate::users::{json_fault, text_of};
use common::device::{BadField, Device};
use common::limits::{TESTER_TOKENS_BYTES_MAX, TESTERS_MAX};
use common::test_send::Tester;
use common::time::UnixMs;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    person: Cow<'a, str>,
    #[serde(borrow)]
    platform: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    locale: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    app: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    environment: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    target_kind: Option<Cow<'a, str>>,
}

/// Reads a whole list.
///
/// # Errors
/// The first line that can't be taken, with its field; `line` when it is about the line as a whole. Never quotes a token.
pub fn testers(text: &[u8]) -> Result<Vec<Tester>, BadRow> {
    let mut rows = Rows::new(UnixMs(0));
    let (mut found, mut places, mut bytes) = (Vec::new(), HashMap::new(), 0);
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut last = 1;
    for (line, content) in (1..).zip(text.split(|b| *b == b'\n')) {
        if content.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        last = line;
        let at = |fault: BadField| BadRow { line, field: fault.field, why: fault.why };
        let (person, device) = row(content, &mut rows).map_err(at)?;
        if let Some(first) = places.insert(device.target.clone(), line) {
            return Err(at(bad(
                "token",
                format!("is the one of line {first}: a device stands on a list once"),
            )));
        }
        let tester = Tester::new(&person, &device);
        bytes += tester.token.len();
        found.push(tester);
        if found.len() > TESTERS_MAX {
            return Err(at(bad(
                "line",
                format!("is one too many: a list has at most {TESTERS_MAX} devices"),
            )));
        }
        if bytes > TESTER_TOKENS_BYTES_MAX {
            let why = format!(
                "is too much: the tokens of a list have at most {TESTER_TOKENS_BYTES_MAX} bytes together"
            );
            return Err(at(bad("token", why)));
        }
    }
    if found.is_empty() {
        let why = "a list has at least one device: one JSON object a line with person, platform and token"
            .to_owned();
        return Err(BadRow { line: last, field: "line", why });
    }
    Ok(found)
}

fn row(content: &[u8], rows: &mut Rows) -> Result<(String, Device), BadField> {
    let line = text_of(content).map_err(|why| bad("line", why))?;
    let o: Object<'_> = serde_json::from_str(line).map_err(|e| bad("line", json_fault(&e)))?;
    let checked = rows.check(&Raw {
        user_id: &o.person,
        platform: &o.platform,
        token: &o.token,
        locale: o.locale.as_deref().unwrap_or(""),
        app: o.app.as_deref().unwrap_or(""),
        environment: o.environment.as_deref().unwrap_or(""),
        target_kind: o.target_kind.as_deref().unwrap_or(""),
        ..Raw::default()
    });
    let named = |fault: BadField| if fault.field == "user_id" { bad("person", fault.why) } else { fault };
    checked.map(|row| (row.user_id.into(), row.device)).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::device::{Environment, Platform, TargetKind};

    fn apns(n: usize) -> String {
        format!(r#"{{"person":"Ann's iPhone","platform":"apns","token":"{n:064x}","locale":"de_DE"}}"#)
    }

    fn fault(text: &str) -> String {
        testers(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_list_of_both_kinds() {
        let pixel = r#"{"person":"Bo","platform":"android","token":"fid-1","target_kind":"fid","environment":"sandbox","app":"com.example"}"#;
        let text = format!("\u{feff}{}\r\n\n{pixel}\n", apns(1));
        let list = testers(text.as_bytes()).unwrap();
        assert_eq!(
            (list[0].person.as_str(), list[0].platform, list[0].locale.as_str()),
            ("Ann's iPhone", Platform::Apns, "de-DE")
        );
        assert_eq!(
            (list[1].target_kind, list[1].environment, list[1].app.as_str()),
            (TargetKind::Fid, Environment::Sandbox, "com.example")
        );
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn what_is_wrong_has_its_line_and_field_and_no_token() {
        let good = apns(1);
        let secret = "z".repeat(64);
        let with = |rest: &str| fault(&format!("{good}\n{{{rest}}}"));
        for (text, wanted) in [
            (with(r#""platform":"apns","token":"1""#), "line 2: line: missing field `person`"),
            (with(r#""person":" ","platform":"apns","token":"1""#), "line 2: person: "),
            (
                with(&format!(r#""person":"a","platform":"apns","token":"{secret}""#)),
                "line 2: token: an APNs token is",
            ),
            (
                with(r#""person":"a","platform":"pager","token":"1""#),
                "line 2: platform: `pager` is not one of",
            ),
            (
                with(r#""person":"a","platform":"fcm","token":"abcdefghij:KLMNOPQRST_-1","locale":"d e""#),
                "line 2: locale: ",
            ),
            (
                with(
                    r#""person":"a","platform":"fcm","token":"abcdefghij:KLMNOPQRST_-1","environment":"test""#,
                ),
                "line 2: environment: ",
            ),
            (
                with(r#""person":"a","platform":"apns","token":"1","opted_out":true"#),
                "line 2: line: unknown field `opted_out`",
            ),
            (format!("{good}\n\n{good}"), "line 3: token: is the one of line 1"),
            (String::new(), "line 1: line: a list has at least one device"),
            ("[]".to_owned(), "line 1: line: "),
        ] {
            let found = if text.starts_with("line ") { text } else { fault(&text) };
            assert!(found.starts_with(wanted) && !found.contains("zzz"), "{found}, not {wanted}");
        }
        let many: Vec<_> = (0..=TESTERS_MAX).map(apns).collect();
        assert!(fault(&many.join("\n")).starts_with("line 101: line: is one too many"));
        let long = |n: usize| format!(r#"{{"person":"a","platform":"fcm","token":"{n:01000}"}}"#);
        let long: Vec<_> = (0..80).map(long).collect();
        assert!(fault(&long.join("\n")).contains("70000 bytes together"));
        assert!(fault("\u{0}\u{1}").starts_with("line 1: line: "));
        assert!(testers(&[0xff, 0xfe]).is_err());
    }
}
