//! The model of fleets, as people run it.

use super::support::owl;
use serde_json::Value;

/// Read when the test runs: it is written by a command that needs the program.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scaling.md");

fn said(args: &[&str]) -> (bool, String, String) {
    let output = owl().args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// What the documentation shows is what the command prints, to the last digit: the model is the same everywhere.
#[test]
fn the_documentation_shows_what_is_printed() {
    let docs = std::fs::read_to_string(DOCS).unwrap();
    let after = docs.split("<!-- printed:").nth(1).unwrap();
    let block = after.split("```\n").nth(1).unwrap();
    let (command, shown) = block.split_once('\n').unwrap();
    let args: Vec<&str> = command.strip_prefix("$ owl ").unwrap().split(' ').collect();
    let (good, printed, why) = said(&args);
    assert!(good, "{why}");
    assert_eq!(printed.trim_end(), shown.trim_end(), "`cargo xtask scaling --no-measure` writes it anew");
}

#[test]
fn json_has_every_fleet_and_measured_costs_replace_assumed_ones() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("demo.json");
    std::fs::write(&file, "{\"devices\": 210000, \"cpu_us_per_push\": 1.5}").unwrap();
    let from = file.to_str().unwrap();
    let (good, printed, why) =
        said(&["--json", "fleet", "predict", "--users", "50000", "--push-workers", "2,20", "--from", from]);
    assert!(good, "{why}");
    let all: Value = serde_json::from_str(&printed).unwrap();
    let fleets = all["fleets"].as_array().unwrap();
    assert_eq!(fleets.iter().map(|f| f["push_workers"].as_u64()).collect::<Vec<_>>(), [Some(2), Some(20)]);
    assert!(fleets.iter().all(|f| f["accepted"]["count"] == 52_500 && f["usd_event"].as_f64() > Some(0.0)));
    assert_eq!(all["figures"]["push_cpu_us"]["value"], 1.5);
}

#[test]
fn what_can_not_be_predicted_is_refused_with_the_flag() {
    for (args, why) in [
        (["--users", "0", "--push-workers", "2"], "--users"),
        (["--users", "5", "--push-workers", "0"], "--push-workers"),
        (["--users", "5", "--android-share", "1.5"], "android-share"),
        (["--users", "5", "--from", "/nonexistent"], "cannot read"),
    ] {
        let (good, _, said) = said(&[&["fleet", "predict"], &args[..]].concat());
        assert!(!good && said.contains(why), "{args:?}: {said}");
    }
}
