//! `owl rehearse`, small.

use super::support::owl;
use common::limits::CLAIM_LEASE;
use loadtest::rehearse::{READY, Scenario, What};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

fn rehearse(out: &Path, args: &[&str]) -> Output {
    owl().args(["rehearse", "--json", "--out"]).arg(out).args(args).output().unwrap()
}

pub(super) fn figures(out: &Output) -> Value {
    let text = String::from_utf8_lossy(&out.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

/// A ready scenario with times that nobody misses: a debug build beside other tests is measured here, and no machine.
fn unhurried(dir: &Path, name: &str) -> String {
    let (usual, _) = loadtest::rehearse::ready(name).unwrap().split_once("[objectives]").unwrap();
    let path = dir.join(format!("{name}.toml"));
    std::fs::write(&path, format!("{usual}[objectives]\nreceipt = '60s'\np99 = '60s'\nlast = '60s'\n"))
        .unwrap();
    path.to_str().unwrap().to_owned()
}

pub(super) fn file(dir: &Path, kind: &str) -> std::path::PathBuf {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    all.into_iter().find(|path| path.extension().is_some_and(|e| e == kind)).unwrap()
}

#[test]
fn a_small_rehearsal_passes_names_its_bottleneck_and_leaves_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let smoke = unhurried(dir.path(), "smoke");
    let out = rehearse(dir.path(), &[&smoke, "--users", "3000"]);
    let figures = figures(&out);
    assert_eq!(out.status.code(), Some(0), "{figures}");
    let press = &figures["presses"][0];
    assert_eq!((figures["passed"].as_bool(), press["users"].as_u64()), (Some(true), Some(3_000)));
    assert!(press["limits"]["sentences"][0].as_str().unwrap().starts_with("Bottleneck"), "{press}");
    for step in ["dispatched", "expanded", "claimed", "sent", "accepted", "answered", "completed"] {
        assert!(press["steps"][step]["times"]["last_ms"].is_i64(), "{step}: {press}");
    }
    let page = std::fs::read_to_string(file(dir.path(), "html")).unwrap();
    assert!(page.contains("<svg") && page.contains("Passed"), "the page shows pictures and the verdict");
    // The same again, against what was just measured.
    let baseline = file(dir.path(), "json");
    let again = tempfile::tempdir().unwrap();
    let out = rehearse(again.path(), &[&smoke, "--users", "3000", "--baseline", baseline.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0));
    let compared = self::figures(&out)["compared"].as_array().unwrap().len();
    assert!(compared > 3, "{compared} figures are compared");
}

/// Of 10,500 devices 5,250 are FCM's, fewer than the gateways take in a minute: nobody is answered 429, and how long it takes is the
/// push worker's own pacing.
#[test]
fn the_push_worker_paces_itself_by_the_quota_that_a_scenario_gives_it() {
    let dir = tempfile::tempdir().unwrap();
    let quota = unhurried(dir.path(), "quota");
    let out = rehearse(dir.path(), &[&quota, "--users", "10000"]);
    let (figures, said) = (figures(&out), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{said}\n{figures}");
    // The preflight's sentence is made of what the worker itself reports.
    assert!(said.contains("gateway_quota: at 1000/s, fcm's 5250 devices take about 6 s"), "{said}");
    let counted = &figures["presses"][0]["counted"];
    assert_eq!((&counted["accepted"], &counted["seen"]), (&10_500.into(), &10_500.into()));
    // Half a second's worth may leave at once, and a batch may borrow.
    let last = &figures["presses"][0]["steps"]["accepted"]["times"]["last_ms"];
    assert!(last.as_i64().is_some_and(|ms| ms >= 4_000), "{last}");
}

/// Who wakes within its lease still holds what it held, and nothing would be proven.
#[test]
fn whoever_hangs_in_a_ready_scenario_wakes_after_its_leases() {
    let ready = READY.iter().flat_map(|(_, text)| Scenario::parse(text).unwrap().faults);
    let hangs: Vec<_> = ready.filter(|fault| fault.what == What::Freeze).collect();
    assert!(!hangs.is_empty());
    assert!(hangs.iter().all(|fault| fault.lasts.is_some_and(|lasts| lasts.0 > CLAIM_LEASE)), "{hangs:?}");
}

/// A process that hangs, is killed, is ended, and somebody who stops: nobody is lost, and doubles are counted.
#[test]
fn a_bad_night_is_survived_and_what_was_asked_and_missed_is_status_one() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("night.toml");
    let text = "
        about = 'small and bad'
        audience.users = 6_000
        gateways = { round_trip_ms = 300, dead_share = 0.02 }
        fleet = { lanes = 1, devices_in_flight = 500 }
        fault = [
            { at = '5%', do = 'gateways', set = { unavailable_share = 0.3 }, for = '500ms' },
            { at = '15%', do = 'freeze', for = '1s' },
            { at = '30%', do = 'kill' },
            { at = '40%', do = 'press-again' },
            { at = '50%', do = 'stop', for = '100ms' },
            { at = '70%', do = 'terminate' },
        ]
        objectives = { doubled_in_flight = true, unreached = 1_000, last = '1ms' }";
    std::fs::write(&scenario, text).unwrap();
    let out = rehearse(dir.path(), &[scenario.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1), "`last` can't hold: {}", String::from_utf8_lossy(&out.stderr));
    let press = &figures(&out)["presses"][0];
    let broken: Vec<_> = press["judged"].as_array().unwrap().iter().filter(|j| j["holds"] == false).collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0]["objective"], "last");
    assert!(press["happened"].as_array().unwrap().len() >= 11, "{press}");
    let said = press["happened"].to_string();
    assert!(said.contains("already pressed by ") && said.contains("nothing was sent twice"), "{said}");
}

#[test]
fn what_is_no_scenario_is_said_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("bad.toml");
    std::fs::write(&scenario, "about = 'x'\n[audience]\nuser = 3\n").unwrap();
    let said = |args: &[&str]| {
        let out = rehearse(dir.path(), args);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    assert!(said(&[scenario.to_str().unwrap()]).contains("line 3: unknown field `user`"));
    assert!(said(&["smok"]).contains("there are smoke, "));
    assert!(said(&["smoke", "--users", "0"]).contains("audience.users must be 1 to"));
    assert!(said(&["smoke", "--baseline", scenario.to_str().unwrap()]).contains("holds no figures"));
    assert_eq!(owl().arg("rehearse").output().unwrap().status.code(), Some(2));
}
