//! A night as people live it: presses, abort, resume, canary, receipts, dead tokens.

use super::support::{Stage, token, wait_until};

#[test]
fn pressed_by_several_people_it_is_sent_once() {
    let stage = Stage::new(&[]);
    stage.armed(1_000, &[]);
    let server = stage.server();
    let press = |name: &str| {
        let made = stage.good(&["token", "create", "--name", name, "--role", "marketer"]);
        let out = super::support::owl()
            .env("OWL_TOKEN", made["token"].as_str().unwrap())
            .args(["--json", "--server", &server, "campaign", "press", "c"])
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap()
    };
    let names: Vec<String> = (0..8).map(|i| format!("marketer {i}")).collect();
    let receipts: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = names.iter().map(|n| scope.spawn(|| press(n))).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let pressed: Vec<_> = receipts.iter().filter(|r| r["result"] == "pressed").collect();
    assert_eq!(pressed.len(), 1);
    assert!(
        receipts.iter().all(|r| r["by"] == pressed[0]["by"] && r["at"] == pressed[0]["at"]),
        "{receipts:?}"
    );
    stage.wait_for_state("done");
    let again = press("late");
    assert_eq!((again["result"].as_str(), again["state"].as_str()), (Some("already_pressed"), Some("done")));
    let report = stage.good(&["campaign", "report", "c"]);
    assert_eq!(report["fifo_envelopes"], 50);
    let summary = stage.summary();
    assert_eq!((summary.accepted_devices, summary.duplicates), (1_000, 0));
}

#[test]
fn aborted_in_the_middle_the_counts_are_the_gateways_and_resume_sends_the_rest() {
    let stage = Stage::new(&["--round-trip-ms", "2000"]);
    stage.armed(30_000, &[]);
    stage.good(&["campaign", "press", "c"]);
    wait_until("some accepted", || stage.accepted() > 200);
    let stopping = stage.good(&["campaign", "abort", "c"]);
    assert!(["stopping", "stopped"].contains(&stopping["state"].as_str().unwrap()));
    stage.wait_for_state("stopped");
    let books = stage.good(&["campaign", "report", "c"])["books"].clone();
    let n = |key: &str| books[key].as_u64().unwrap();
    // A gateway that stood still for half a second was cut off, and what it may have got is in doubt: it is not sent again.
    let (accepted, ambiguous) = (n("accepted"), n("ambiguous"));
    assert!((accepted..=accepted + ambiguous).contains(&stage.accepted()), "{books}");
    assert!(accepted + ambiguous < 30_000, "the stop came too late to show anything: {books}");
    assert_eq!(n("aborted"), 30_000 - accepted - ambiguous, "{books}");
    assert!(stage.bad(&["campaign", "press", "c"]).contains("resume"));
    stage.good(&["campaign", "resume", "c"]);
    stage.wait_for_state("done");
    let summary = stage.summary();
    assert!((30_000 - ambiguous..=30_000).contains(&summary.accepted_devices), "{summary:?}: {books}");
    assert_eq!(summary.duplicates, 0);
}

#[test]
fn a_canary_sends_a_little_and_the_press_the_rest() {
    let stage = Stage::new(&[]);
    stage.armed(3_000, &["--batch-users", "1", "--shards", "5"]);
    stage.good(&["campaign", "canary", "c"]);
    wait_until("the canary", || stage.accepted() >= 30);
    assert!(stage.accepted() < 300);
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    let summary = stage.summary();
    assert_eq!((summary.accepted_devices, summary.duplicates), (3_000, 0));
}

#[test]
fn dead_tokens_are_counted_written_back_and_explained() {
    let stage = Stage::new(&["--dead-share", "0.2"]);
    stage.armed(500, &[]);
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    wait_until("the write-back", || {
        stage.good(&["campaign", "report", "c"])["campaign"]["tokens_removed"].as_u64().is_some()
    });
    let report = stage.good(&["campaign", "report", "c"]);
    let dead = report["books"]["rejected"].as_u64().unwrap();
    assert!((50..200).contains(&dead), "{report}");
    assert_eq!(report["campaign"]["tokens_removed"].as_u64(), Some(dead));
    let journal = stage.journal();
    let is_dead = |u: &usize| journal.lookup_token(&token(*u)).is_some_and(|e| e.rejected > 0);
    let (dead_user, live_user) = ((0..500).find(is_dead).unwrap(), (0..500).find(|u| !is_dead(u)).unwrap());
    let outcome = |user: usize| {
        let receipt = stage.good(&["receipts", "c", &format!("u{user}")]);
        receipt["devices"][0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!((outcome(dead_user).as_str(), outcome(live_user).as_str()), ("unregistered", "accepted"));
    let nobody = stage.good(&["receipts", "c", "nobody"]);
    assert!(nobody["sentence"].as_str().unwrap().contains("not in the uploaded audience"));
}

#[test]
fn at_the_deadline_what_is_left_expires_and_is_counted() {
    let stage = Stage::new(&["--round-trip-ms", "400"]);
    stage.armed(4_000, &["--batch-users", "10", "--deadline", "2s"]);
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    let books = stage.good(&["campaign", "report", "c"])["books"].clone();
    let n = |key: &str| books[key].as_u64().unwrap();
    assert_eq!(n("accepted") + n("expired") + n("ambiguous"), 4_000, "{books}");
    assert!(
        n("accepted") <= stage.accepted() && stage.accepted() <= n("accepted") + n("ambiguous"),
        "{books}"
    );
}
