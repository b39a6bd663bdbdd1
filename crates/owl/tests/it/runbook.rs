//! What docs/runbook.md tells people to type: each line that begins with `owl` is run, in order, against a running system.
//! A line with a dagger needs an account, and is left out; the alarms of the Terraform module each have their row.

use super::support::{Stage, audience, devices, owl, read, token, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands in the fenced blocks, comments cut off.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && line.starts_with("owl ") && !line.contains('\u{2020}') {
            found.push(line.split(" # ").next().unwrap_or(line).trim().to_owned());
        }
    }
    found
}

/// Splits a command line as a shell would, as far as the runbook goes: single quotes, and one `> file`.
fn words(line: &str) -> (Vec<String>, Option<String>) {
    let (line, file) = match line.split_once(" > ") {
        Some((line, file)) => (line, Some(file.trim().to_owned())),
        None => (line, None),
    };
    let mut words = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        match n % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    (words, file)
}

/// Whether a rehearsal came to its verdict and missed nothing but times: this machine has more to do, and this is no release.
fn only_slow(out: &Output) -> bool {
    let text = String::from_utf8_lossy(&out.stdout);
    let figures: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_default();
    let judged = figures.pointer("/presses/0/judged").and_then(Value::as_array).cloned().unwrap_or_default();
    let missed: Vec<_> =
        judged.iter().filter(|j| j["holds"] != true).map(|j| j["objective"].clone()).collect();
    let times = ["receipt", "p99", "last"];
    out.status.code() == Some(1)
        && figures["failed"].is_null()
        && !missed.is_empty()
        && missed.iter().all(|name| times.iter().any(|t| name == t))
}

#[test]
fn every_line_works_in_order() {
    let stage = Stage::new(&[]);
    let file = stage.file("devices.csv", devices(500));
    stage.good(&["devices", "import", file.to_str().unwrap()]);
    stage.file("users.csv", audience(500));
    let tester = format!("{{\"person\":\"Ann\",\"platform\":\"apns\",\"token\":\"{}\"}}\n", token(0));
    stage.file("testers.jsonl", tester);
    let all = commands(&read(&repository().join("docs/runbook.md")));
    assert!(all.len() > 15, "{all:?}");
    for line in &all {
        // The rehearsal of the runbook is larger than a test needs.
        let (words, file) = words(&line.replace("--users 200000 ", "--users 50000 "));
        let run = || {
            let mut command = owl();
            // As the runbook has it: typed, --server would have a rehearsal sent there.
            command.current_dir(stage.dir.path()).env("OWL_SERVER", stage.server()).args(&words[1..]);
            command.args((words[1] == "rehearse").then_some("--json")).output().unwrap()
        };
        let mut out = run();
        if words[1] == "preflight" {
            // It is red, as people would see it, until the workers have loaded the snapshot.
            wait_until("green lights", || {
                out = run();
                out.status.success()
            });
        }
        let error = String::from_utf8_lossy(&out.stderr);
        let good = out.status.success() || (words[1] == "rehearse" && only_slow(&out));
        assert!(good, "`{line}` of the runbook: {error}");
        if let Some(name) = file {
            stage.file(&name, &out.stdout);
        }
    }
    assert_eq!(stage.summary().accepted_devices, 500);
}

/// The keys of the module's alarms, as far as they stand there in full.
fn alarm_keys(module: &str, metrics: &str) -> Vec<String> {
    let key = |line: &str| {
        let (key, rest) = line.trim().split_once(" = ")?;
        (rest.trim() == "{" && key.contains('-')).then(|| key.to_owned())
    };
    let outcome = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    let (_, outcomes) = metrics.split_once("error_percent = {\n").unwrap();
    let (outcomes, _) = outcomes.split_once('}').unwrap();
    module.lines().filter_map(key).chain(outcomes.lines().filter_map(outcome)).collect()
}

#[test]
fn every_alarm_has_its_row() {
    let module = repository().join("deploy/terraform/modules/alarms");
    let keys = alarm_keys(&read(&module.join("main.tf")), &read(&module.join("metrics.tf")));
    assert!(keys.iter().any(|k| k == "api-not-ready") && keys.iter().any(|k| k == "throttled"), "{keys:?}");
    let runbook = read(&repository().join("docs/runbook.md"));
    for key in keys {
        assert!(runbook.contains(&format!("`{key}`")), "docs/runbook.md has no row for the alarm `{key}`");
    }
}
