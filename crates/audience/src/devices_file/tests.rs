use super::*;
use common::device::{Environment, Target};
use proptest::prelude::*;

const NOW: UnixMs = UnixMs(77);
const HEAD: &str = "user_id,platform,token,locale\n";

fn apns(n: usize) -> String {
    format!("{n:064x}")
}

type Read = (Vec<NumberedRow>, Vec<BadRow>, ImportFacts);

fn read(format: Option<RowFormat>, text: &[u8], cut: usize) -> Result<Read, ListError> {
    let mut reader = DeviceReader::new(format, None, NOW)?;
    let (mut rows, mut bad) = (vec![], vec![]);
    let mut on = |row| match row {
        Ok(row) => rows.push(row),
        Err(b) => bad.push(b),
    };
    for chunk in text.chunks(cut) {
        reader.feed(chunk, &mut on)?;
    }
    let facts = reader.finish(&mut on)?;
    Ok((rows, bad, facts))
}

fn whole_error(text: &str) -> String {
    read(None, text.as_bytes(), 1000).unwrap_err().to_string()
}

/// The complaint about one line behind good ones.
fn complaint(head: &str, line: &str) -> String {
    let columns = head.trim_end().split(',').count();
    let good = |n| format!("u{n},apns,{}{}\n", apns(n), ",".repeat(columns - 3));
    let text = format!("{head}{}{}{line}\n", good(1), good(2));
    let (rows, bad, _) = read(None, text.as_bytes(), 1000).unwrap();
    assert_eq!((rows.len(), bad.len()), (2, 1), "{bad:?}");
    bad[0].to_string()
}

#[test]
fn every_column_in_any_order() {
    let fcm = "abcdefghij:KLMNOPQRST_-1";
    let text = format!(
        "locale,token,platform,user_id,timezone,opted_out,registered_at,app,environment,target_kind\n\
         pt_BR,{},apns,\"u,1\",America/Sao_Paulo,yes,1770593465,com.example.app,sandbox,\n\
         ,{fcm},FCM,u2,,,2026-02-08T23:31:05.120Z,,,token\n\nde,fid1,fcm,u3,,0,,,production,fid\n",
        apns(1).to_uppercase()
    );
    for cut in [1, 1000] {
        let (rows, bad, facts) = read(None, text.as_bytes(), cut).unwrap();
        assert_eq!((bad.len(), facts.rows, facts.format), (0, 3, RowFormat::Csv));
        let [one, two, three] = [0, 1, 2].map(|n| &rows[n].row);
        assert_eq!((rows[2].line, &*one.user_id, one.opted_out), (5, "u,1", Some(true)));
        let d = &one.device;
        assert_eq!((&*d.locale, &*d.timezone, &*d.app), ("pt-BR", "America/Sao_Paulo", "com.example.app"));
        assert_eq!((d.registered_at, d.environment), (UnixMs(1_770_593_465_000), Environment::Sandbox));
        assert_eq!((d.target.text(), two.opted_out), (apns(1), None));
        assert_eq!(
            (&two.device.target, two.device.registered_at.0),
            (&Target::FcmToken(fcm.into()), 1_770_593_465_120)
        );
        assert_eq!((&three.device.target, three.device.registered_at), (&Target::FcmFid("fid1".into()), NOW));
        assert_eq!(three.opted_out, Some(false));
    }
}

#[test]
fn json_rows() {
    let text = format!(
        "{{\"user_id\":\"u1\",\"platform\":\"apns\",\"token\":\"{}\",\"opted_out\":true,\"registered_at\":1770593465}}\n\
         {{\"user_id\":\"u2\",\"platform\":\"apns\",\"token\":\"{}\",\"locale\":\"de\",\"registered_at\":\"1970-01-01T00:00:01Z\",\"app\":null}}\n\
         {{\"user_id\":\"u2\",\"platform\":\"apns\",\"token\":12345678}}\n",
        apns(1),
        apns(2)
    );
    let (rows, bad, facts) = read(None, text.as_bytes(), 10).unwrap();
    assert_eq!(facts.format, RowFormat::Ndjson);
    assert_eq!(
        (rows[0].row.device.registered_at.0, rows[1].row.device.registered_at.0),
        (1_770_593_465_000, 1000)
    );
    assert_eq!((rows[0].row.opted_out, &*rows[1].row.device.locale), (Some(true), "de"));
    assert_eq!(bad[0].to_string(), "line 3: line: has a value of the wrong type at byte 50");
    let unknown = [text.as_bytes(), b"{\"user_id\":\"u\",\"optedout\":true}\n"].concat();
    let message = read(None, &unknown, 10).unwrap().1[1].to_string();
    assert!(message.starts_with("line 4: line: unknown field `optedout`"), "{message}");
}

#[test]
fn faults_of_a_line_name_the_field_and_quote_no_token() {
    let full = "user_id,platform,token,registered_at,locale,timezone,opted_out,app,environment,target_kind\n";
    let token = apns(3);
    for (head, line, wanted) in [
        (HEAD, format!(",apns,{token},"), "line 4: user_id: is empty"),
        (
            HEAD,
            format!("u,windows,{token},"),
            "line 4: platform: `windows` is not one of apns, fcm, ios, android",
        ),
        (HEAD, format!("u,{token},apns,"), "line 4: platform: `…` is not one of apns, fcm, ios, android"),
        (
            HEAD,
            format!("u,apns,{token}zz,"),
            "line 4: token: an APNs token is 64 to 200 hexadecimal digits; this has 66 characters",
        ),
        (HEAD, "u,fcm,short,".into(), "line 4: token: an FCM target is 20 to 1024 characters; this has 5"),
        (
            HEAD,
            format!("u,apns,{token},d!"),
            "line 4: locale: `d!` is not a language tag such as `de` or `pt-BR`",
        ),
        (HEAD, format!("u,apns,{token}"), "line 4: line: has 3 fields, the header has 4"),
        (HEAD, "u\0,apns,x,".into(), "line 4: line: has a NUL byte at byte 2"),
        (
            full,
            format!("u,apns,{token},soon,,,,,,"),
            "line 4: registered_at: is neither RFC 3339, such as 2026-02-08T23:31:05Z, nor Unix time in seconds or milliseconds",
        ),
        (
            full,
            format!("u,apns,{token},,,a b,,,,"),
            "line 4: timezone: is not an IANA time zone such as Europe/Berlin",
        ),
        (
            full,
            format!("u,apns,{token},,,,maybe,,,"),
            "line 4: opted_out: `maybe` is not one of true, false, 1, 0, yes, no",
        ),
        (
            full,
            format!("u,apns,{token},,,,,a b,,"),
            "line 4: app: is not a bundle id or package name such as com.example.app",
        ),
        (
            full,
            format!("u,apns,{token},,,,,,test,"),
            "line 4: environment: `test` is not one of production, sandbox",
        ),
        (full, format!("u,apns,{token},,,,,,,fid"), "line 4: target_kind: `fid` exists at FCM only"),
    ] {
        assert_eq!(complaint(head, &line), wanted);
    }
}

#[test]
fn faults_of_the_whole_file() {
    assert_eq!(whole_error(""), "the list is empty: it has 0 lines and no entry");
    assert!(
        whole_error("user_id,platform,token,local\n")
            .starts_with("line 1: unknown column `local`; known are user_id")
    );
    assert_eq!(whole_error("user_id,platform,token\n"), "line 1: the header has no column `locale`");
    assert_eq!(
        whole_error("user_id,platform,token,locale,token\n"),
        "line 1: the header has two columns `token`"
    );
    assert!(
        whole_error(&format!("{HEAD}a\nb\n"))
            .starts_with("this does not look like a list of devices: 2 of the first 2")
    );
    assert!(whole_error(&format!("{HEAD}\"a\n")).starts_with("line 2: a quote is opened"));
}

proptest! {
    #[test]
    fn rubbish(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'"'), Just(b','), any::<u8>()], 0..300), cut in 1usize..40, head in any::<bool>()) {
        let bytes = if head { [HEAD.as_bytes(), &bytes].concat() } else { bytes };
        prop_assert_eq!(read(None, &bytes, cut).is_ok(), read(None, &bytes, 1000).is_ok());
    }
}
