//! `owl demo`, small.

use super::support::owl;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

const KEYS: &str = "users devices accepted rejected expired aborted ambiguous pending doubled_at_most gateway_unique \
    gateway_duplicates gateway_missing fifo_envelopes batches press_receipt_ms first_ms p50_ms p95_ms p99_ms last_ms \
    pushes_per_s cpu_seconds gateway_cpu_seconds peak_rss_bytes snapshot_build_ms preload_ms";

fn demo(args: &[&str]) -> Value {
    let out = owl().args(["demo", "--json"]).args(args).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_demo_proves_itself_and_has_every_key() {
    let result = demo(&["--users", "2000"]);
    for key in KEYS.split_whitespace() {
        assert!(result[key].is_number(), "{key}: {result}");
    }
    let n = |key: &str| result[key].as_u64().unwrap();
    assert_eq!((n("users"), n("devices"), n("accepted")), (2_000, 2_100, 2_100));
    assert_eq!((n("gateway_unique"), n("gateway_duplicates"), n("gateway_missing")), (2_100, 0, 0));
    assert_eq!((n("fifo_envelopes"), n("pending"), n("doubled_at_most")), (50, 0, 0));
}

#[test]
fn an_empty_payload_and_dead_tokens() {
    let result = demo(&[
        "--users",
        "1000",
        "--empty-payload",
        "--dead-share",
        "0.1",
        "--shards",
        "3",
        "--batch-users",
        "7",
    ]);
    let n = |key: &str| result[key].as_u64().unwrap();
    assert!(n("rejected") > 50 && n("accepted") + n("rejected") == n("devices"), "{result}");
    assert_eq!((n("gateway_missing"), n("fifo_envelopes")), (0, 3));
}

#[test]
fn a_crowd_presses_at_once_and_watches() {
    let result = demo(&["--users", "2000", "--presses", "200", "--watchers", "20"]);
    let n = |pointer: &str| result.pointer(pointer).and_then(Value::as_u64).unwrap();
    assert_eq!((n("/crowd/pressed/first"), n("/crowd/pressed/after")), (1, 199), "{result}");
    assert_eq!((n("/crowd/watched/watchers"), n("/crowd/watched/cut_off")), (20, 0), "{result}");
    assert!(n("/crowd/watched/events") >= 20, "{result}");
    assert_eq!((n("/fifo_envelopes"), n("/gateway_duplicates"), n("/gateway_missing")), (50, 0, 0));
}

/// Stopped at several points, by gateways that read nothing at that time: what the ledger says is what the gateways saw, and
/// what is resumed is the rest.
#[test]
fn stopped_anywhere_ledger_and_gateways_agree_and_the_rest_is_sent_once() {
    let result = demo(&["--users", "60000", "--stop-at", "3,30", "--round-trip-ms", "30", "--slow-reader"]);
    let n = |key: &str| result[key].as_u64().unwrap();
    let stops = result["stops"].as_array().unwrap();
    assert_eq!(stops.len(), 2, "{result}");
    assert!(stops.iter().all(|stop| stop["differ"] == 0 && stop["late_requests"] == 0), "{result}");
    assert!(stops[0]["accepted"].as_u64().unwrap() < n("devices"), "{result}");
    // A gateway that does not read is cut off from what it has not got: that is ambiguous.
    assert!(n("gateway_missing") <= n("ambiguous"), "{result}");
    assert_eq!(n("gateway_duplicates"), 0, "{result}");
}

/// The gateways answer slowly, so that the blast lasts long enough to be killed in.
#[test]
fn killed_in_mid_blast_nobody_is_forgotten_and_doubles_are_counted() {
    let result = demo(&["--users", "60000", "--kill-at", "10", "--round-trip-ms", "400"]);
    let n = |key: &str| result[key].as_u64().unwrap();
    assert!((6_000..n("devices")).contains(&n("killed_at")), "{result}");
    assert_eq!((n("gateway_missing"), n("pending")), (0, 0), "{result}");
    assert!(n("gateway_duplicates") <= n("doubled_at_most"), "{result}");
}

#[test]
fn own_files_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (devices, audience) = (dir.path().join("d.csv"), dir.path().join("a.csv"));
    std::fs::write(&devices, super::support::devices(50)).unwrap();
    std::fs::write(&audience, super::support::audience(60)).unwrap();
    let (devices, audience) = (devices.to_str().unwrap(), audience.to_str().unwrap());
    let result = demo(&["--devices", devices, "--audience", audience]);
    assert_eq!((result["users"].as_u64(), result["accepted"].as_u64()), (Some(50), Some(50)));
}

/// Early, with nothing but the scratch directory, and in mid-blast: nothing stays, and nobody.
#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    for (until, users) in [("demo:", "2000"), ("press", "30000")] {
        let temporary = tempfile::tempdir().unwrap();
        let args = ["demo", "--round-trip-ms", "400", "--users", users];
        let mut demo = owl()
            .args(args)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with(until)), "{until}");
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1, "{until}");
        let pid = demo.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        // Whoever it started has the same standard error: it ends when all of them have ended.
        let mut said = String::new();
        demo.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(demo.wait().unwrap().code(), Some(130), "{until}: {said}");
        assert!(said.contains("owl: interrupted"), "{said}");
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{until}");
    }
}

#[test]
fn wrong_usage_has_status_two() {
    for args in
        [&["demo", "--users", "0"][..], &["demo", "--devices", "x"], &["nonsense"], &["campaign", "press"]]
    {
        assert_eq!(owl().args(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}
