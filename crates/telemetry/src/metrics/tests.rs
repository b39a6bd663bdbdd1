//! The table as a whole: its names, its closed labels, and that docs/metrics.md says the same.

use super::*;
use crate::cells::Label;
use std::collections::BTreeSet;
use std::fmt::Write;

#[test]
fn names_are_unique_and_none_is_a_label() {
    let names: BTreeSet<_> = ALL.iter().map(|m| m.about().name).collect();
    assert_eq!(names.len(), ALL.len());
    let labels: BTreeSet<_> = ALL.iter().flat_map(|m| m.labels()).copied().chain(["service"]).collect();
    // In the Embedded Metric Format metrics and dimensions are members of the same object.
    assert_eq!(names.intersection(&labels).count(), 0);
    for name in names.iter().chain(&labels) {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
    }
}

#[test]
fn every_combination_of_labels_has_its_own_cell() {
    for metric in ALL {
        let values = metric.label_values();
        let combinations: usize = values.iter().map(Vec::len).product();
        assert_eq!(metric.read().len(), combinations, "{}", metric.about().name);
        assert!(combinations <= 300, "{} would be too many", metric.about().name);
    }
    assert_eq!(Answered::Ambiguous.value(), "ambiguous");
    let mut cells = BTreeSet::new();
    for gateway in Gateway::ALL {
        for answered in Answered::ALL {
            let cell = (*gateway, *answered).cell();
            assert!(cells.insert(cell));
            assert_eq!(<(Gateway, Answered)>::values(cell), [gateway.value(), answered.value()]);
        }
    }
    assert_eq!(cells.len(), <(Gateway, Answered)>::CELLS);
}

/// Nothing that identifies a person, a device or a key can be a label's value: all are written down here.
#[test]
fn label_values_are_plain_words() {
    for metric in ALL {
        for value in metric.label_values().concat() {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"_-./{}".contains(&b);
            assert!(!value.is_empty() && value.len() < 80 && value.bytes().all(good), "{value}");
        }
    }
}

#[test]
fn outcomes_keep_their_names() {
    use common::outcome::Outcome;
    for outcome in Outcome::ALL.iter().filter(|o| matches!(o.class(), common::outcome::Class::Rejected)) {
        let label = Answered::refused(*outcome).value();
        let other = match outcome {
            Outcome::GatewayUnavailable => "unavailable",
            Outcome::QuotaExceeded => "throttled",
            Outcome::Unsendable => "unknown_answer",
            _ => outcome.label(),
        };
        assert_eq!(label, other);
    }
}

const BEGIN: &str = "<!-- begin of the table: `UPDATE_DOCS=1 cargo test -p telemetry docs` writes it -->\n";
const END: &str = "<!-- end of the table -->\n";

fn table() -> String {
    let mut out =
        String::from("| name | kind, unit | labels | CloudWatch | meaning |\n|---|---|---|---|---|\n");
    for metric in ALL {
        let about = metric.about();
        let labels: Vec<_> = metric.labels().iter().map(|l| format!("`{l}`")).collect();
        let unit = format!("{:?}", about.unit).to_lowercase();
        let cloudwatch = if about.target == Target::Both { "yes" } else { "–" };
        let (kind, labels) = (metric.kind(), labels.join(", "));
        let _ =
            writeln!(out, "| `{}` | {kind}, {unit} | {labels} | {cloudwatch} | {} |", about.name, about.help);
    }
    out.push_str("\n| label | values |\n|---|---|\n");
    let mut known = BTreeSet::new();
    for metric in ALL {
        for (label, values) in metric.labels().iter().zip(metric.label_values()) {
            let values: Vec<_> = values.iter().map(|v| format!("`{v}`")).collect();
            let row = format!("| `{label}` | {} |", values.join(", "));
            if known.insert(row.clone()) {
                let _ = writeln!(out, "{row}");
            }
        }
    }
    out
}

#[test]
fn docs_list_every_metric_and_label() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("docs/metrics.md");
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (written, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).expect("written");
        return;
    }
    assert_eq!(
        written,
        table(),
        "docs/metrics.md differs from the table: UPDATE_DOCS=1 cargo test -p telemetry docs"
    );
}
