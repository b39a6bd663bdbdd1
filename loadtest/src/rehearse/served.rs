//! Rehearsals against services that run already: what of a scenario can't be done to them, and what the page says of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::What;
use super::page::{count, escaped};
use super::scenario::line;

/// The services that a rehearsal was run against, where it did not start them itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Where their API is.
    pub url: String,
    /// Interim workers that were alive before the last press.
    pub interim_workers: u64,
    /// Push workers that were; all of them had stand-in gateways.
    pub push_workers: u64,
    /// Workers by the version that they report.
    pub versions: BTreeMap<String, u64>,
    /// Stand-in gateways whose journals were read, by their admin addresses; with none, lost and doubled are by the ledger's books.
    pub journals: Vec<String>,
    /// What else has to be known to judge the figures, in plain sentences.
    pub notes: Vec<String>,
}

impl Served {
    /// For the page.
    pub(super) fn paragraph(&self) -> String {
        let versions =
            self.versions.iter().map(|(version, n)| format!("{} of {}", count(*n), escaped(version)));
        let mut out = format!(
            "<p>Against services that ran already: {}, with {} interim workers and {} push workers (by version: {}).</p><ul>",
            escaped(&self.url),
            count(self.interim_workers),
            count(self.push_workers),
            versions.collect::<Vec<_>>().join(", "),
        );
        for note in &self.notes {
            // Writing into a String does not fail.
            let _ = write!(out, "<li>{}", escaped(note));
        }
        out.push_str("</ul>");
        out
    }
}

/// Where in the text those settings stand that need a process of our own, or gateways that can be set.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    fleet: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default, rename = "fault")]
    faults: Vec<FaultPlace>,
}

#[derive(Deserialize)]
struct FaultPlace {
    #[serde(rename = "do")]
    what: Spanned<What>,
}

/// What in this scenario can't be done to services that run already, each with its line. `gateways`: whether the stand-ins can
/// be set.
///
/// # Errors
/// When it is no scenario at all.
pub fn not_for_a_server(text: &str, gateways: bool) -> Result<Vec<String>, String> {
    let places: Places = toml::from_str(text).map_err(|e| e.message().to_owned())?;
    let mut wrong = Vec::new();
    for (name, value) in &places.fleet {
        let line = line(text, value.span().start);
        wrong.push(format!(
            "line {line}: fleet.{name} is for roles that `owl rehearse` starts itself; with --server the services keep their own configuration: leave it out"
        ));
    }
    for (number, fault) in (1..).zip(&places.faults) {
        let why = match fault.what.get_ref() {
            What::Kill | What::Terminate | What::Freeze => {
                "is done to a process that `owl rehearse` starts itself; with --server no process is touched: leave it out, or do it by hand while it sends"
            }
            What::DeafGateways | What::Gateways if !gateways => {
                "changes the stand-in gateways: say with --gateways where their admin listener is"
            }
            _ => continue,
        };
        let (line, label) = (line(text, fault.what.span().start), fault.what.get_ref().label());
        wrong.push(format!("line {line}: fault {number} (`{label}`) {why}"));
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "about = 'x'\nfleet.lanes = 1\n\n[[fault]]\nat = '1%'\ndo = 'kill'\n[[fault]]\nat = '2%'\ndo = 'press-again'\n\
        [[fault]]\nat = '3%'\nfor = '1s'\ndo = 'deaf-gateways'\n";

    #[test]
    fn what_needs_a_process_of_our_own_is_named_with_its_line() {
        let wrong = not_for_a_server(TEXT, true).expect("a scenario");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].starts_with("line 2: fleet.lanes is for roles"), "{wrong:?}");
        assert!(wrong[1].starts_with("line 6: fault 1 (`kill`) is done to a process"), "{wrong:?}");
        let wrong = not_for_a_server(TEXT, false).expect("a scenario");
        assert!(wrong[2].starts_with("line 13: fault 3 (`deaf-gateways`) changes the stand-in"), "{wrong:?}");
    }

    #[test]
    fn its_paragraph_names_the_server_and_escapes_what_it_is_told() {
        let served = Served {
            url: "<b>".to_owned(),
            push_workers: 1_200,
            versions: [("0.1.0".to_owned(), 1_200)].into(),
            notes: vec!["a & b".to_owned()],
            ..Served::default()
        };
        let html = served.paragraph();
        assert!(html.contains("&lt;b&gt;") && html.contains("a &amp; b") && !html.contains("<b>"), "{html}");
        assert!(html.contains("1,200 push workers (by version: 1,200 of 0.1.0)"), "{html}");
    }
}
