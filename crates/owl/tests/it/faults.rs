//! docs/faults.md names tests and rehearsals: each of them must exist, and where there is none, a reason.

use super::support::read;
use loadtest::rehearse::{Scenario, ScenarioError};
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of its table, cut into cells.
fn rows() -> Vec<Vec<String>> {
    let document = read(&repository().join("docs/faults.md"));
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault "));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// All of a crate's Rust, its tests included.
fn sources(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if !path.ends_with("target") => sources(&path, all),
            false if path.extension().is_some_and(|e| e == "rs") => all.push(path),
            _ => {}
        }
    }
}

/// Whether `crate::file::name` is a test: a function of this name under `#[test]` (or tokio's), in such a file of such a crate.
fn is_test(name: &str) -> bool {
    let parts: Vec<_> = name.split("::").collect();
    let [of, file, name] = parts[..] else { return false };
    let dir = if of == "loadtest" { repository().join(of) } else { repository().join("crates").join(of) };
    let mut all = Vec::new();
    if dir.is_dir() {
        sources(&dir, &mut all);
    }
    let in_file = |path: &PathBuf| {
        // `log/tests.rs` and `breaker.rs` with its tests inside are both called by the module's name.
        let is_named = |p: &Path| p.file_stem().is_some_and(|stem| stem == file);
        is_named(path) || (path.ends_with("tests.rs") && path.parent().is_some_and(is_named))
    };
    all.into_iter().filter(in_file).any(|path| {
        let text = read(&path);
        let (mut under_test, mut found) = (false, false);
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
                under_test = true;
            } else if let Some((_, rest)) = line.split_once("fn ") {
                found |= under_test && rest.starts_with(&format!("{name}("));
                under_test = false;
            }
        }
        found
    })
}

#[test]
fn every_test_that_the_menu_names_exists() {
    let rows = rows();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in &rows {
        let [fault, _, _, tests, _] = &row[..] else { panic!("a row of {} cells: {row:?}", row.len()) };
        let named: Vec<_> = quoted(tests).filter(|name| name.contains("::")).collect();
        assert!(
            !named.is_empty() || tests.starts_with("none: "),
            "{fault} has neither a test nor a reason: {tests}"
        );
        for name in named {
            assert!(is_test(name), "docs/faults.md, {fault}: there is no test `{name}`");
        }
    }
    assert!(
        !is_test("owl::faults::sources") && !is_test("owl::faults::nothing"),
        "this test would find anything"
    );
}

/// Whether a scenario can say this: a fault by its name, or a setting such as `gateways.connections_max = 8`.
fn can_be_rehearsed(said: &str) -> bool {
    if said.contains(" = ") {
        return Scenario::parse(&format!("about = 'x'\n{said}\n")).is_ok();
    }
    let scenario = Scenario::parse(&format!("about = 'x'\n[[fault]]\nat = '1%'\ndo = '{said}'\n"));
    // Some want `for` or `set` besides: that is said of a fault that is known.
    matches!(scenario, Ok(_) | Err(ScenarioError::Settings(_)))
}

#[test]
fn every_fault_can_be_rehearsed_as_the_menu_says_or_it_says_why_not() {
    for row in rows() {
        let (fault, rehearsal) = (&row[0], &row[4]);
        assert!(
            rehearsal.starts_with("none: ") || quoted(rehearsal).next().is_some(),
            "docs/faults.md, {fault} has neither a rehearsal nor a reason: {rehearsal}"
        );
        for said in quoted(rehearsal) {
            assert!(can_be_rehearsed(said), "docs/faults.md, {fault}: no scenario can say `{said}`");
        }
    }
    let never = ["nothing", "kill -9", "gateways.nothing = 1", "gateways.connections_max = 'many'"];
    assert_eq!(never.map(can_be_rehearsed), [false; 4], "this test would take anything");
}
