//! `kill -9` of the real program in the middle of a blast, again and again; SIGTERM; two on one directory.

use super::support::{Stage, audience, owl, token, wait_until};

const USERS: usize = 6_000;
const KILLS: u64 = 20;

/// Kills at 20 instants spread over the sending, restarts each time, and lets it finish: by the gateways' journal nobody
/// is lost, and doubles are no more than were counted. The gateways answer late, so that at each instant some batches are
/// claimed and not sent, and some are sent and not completed.
#[test]
fn killed_twenty_times_nobody_is_lost_and_doubles_are_counted() {
    let mut stage = Stage::new(&["--round-trip-ms", "40"]);
    stage.armed(USERS, &["--batch-users", "10", "--shards", "7"]);
    stage.good(&["campaign", "press", "c"]);
    for kill in 1..=KILLS {
        // 8 %, 12 %, … 88 % of the devices have been accepted.
        let wanted = USERS as u64 * (4 + kill * 4) / 100;
        wait_until(&format!("{wanted} accepted"), || stage.accepted() >= wanted || stage.state() == "done");
        stage.take_up().kill();
        stage.up();
    }
    stage.wait_for_state("done");
    let report = stage.good(&["campaign", "report", "c"]);
    let books = &report["books"];
    let n = |key: &str| books[key].as_u64().unwrap();
    let terms = ["accepted", "rejected", "expired", "aborted", "ambiguous", "pending"];
    assert_eq!(n("devices"), USERS as u64);
    assert_eq!(terms.iter().map(|t| n(t)).sum::<u64>(), USERS as u64, "{books}");
    assert_eq!(n("pending") + n("expired") + n("aborted") + n("rejected"), 0, "{books}");
    let journal = stage.journal();
    let (mut doubles, mut lost) = (0, 0);
    for user in 0..USERS {
        let accepted = journal.lookup_token(&token(user)).map_or(0, |e| u64::from(e.accepted));
        doubles += accepted.saturating_sub(1);
        lost += u64::from(accepted == 0);
    }
    // What was written and never answered is not sent again by default: it is ambiguous, and counted.
    assert!(lost <= n("ambiguous"), "{lost} lost, {books}");
    assert!(doubles <= n("doubled_at_most"), "{doubles} doubles, {books}");
}

#[test]
fn sigterm_drains_and_what_is_left_goes_out_after_a_restart() {
    let mut stage = Stage::new(&["--round-trip-ms", "40"]);
    stage.armed(2_000, &["--batch-users", "10"]);
    stage.good(&["campaign", "press", "c"]);
    wait_until("some accepted", || stage.accepted() > 100);
    assert_eq!(stage.take_up().terminate(), Some(0));
    stage.up();
    stage.wait_for_state("done");
    let summary = stage.summary();
    assert_eq!(
        (summary.accepted_devices, summary.duplicates),
        (2_000, 0),
        "a drained worker leaves no doubt"
    );
}

/// Somebody presses, again and again, while all roles are replaced as a deploy does it: each answer is a receipt or a sentence, the
/// first receipt is the only one that says `pressed`, and everybody is sent to once.
#[test]
fn a_press_during_a_deploy_is_pressed_once_or_says_so() {
    let mut stage = Stage::new(&["--round-trip-ms", "40"]);
    stage.armed(2_000, &["--batch-users", "10"]);
    let server = stage.server();
    let press = |server: &str| {
        let out = owl().args(["--json", "--server", server, "campaign", "press", "c"]).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        let receipt: Option<serde_json::Value> = serde_json::from_slice(&out.stdout).ok();
        assert!(receipt.is_some() || error.starts_with("owl: "), "neither a receipt nor a sentence: {error}");
        (receipt, error)
    };
    let old = stage.take_up();
    let (mut said, status) = std::thread::scope(|scope| {
        let pressing = scope.spawn(|| {
            let mut said = Vec::new();
            // The last one finds nobody there.
            while said.last().is_none_or(|(receipt, _): &(Option<serde_json::Value>, _)| receipt.is_some()) {
                said.push(press(&server));
            }
            said
        });
        let status = old.terminate();
        (pressing.join().unwrap(), status)
    });
    assert_eq!(status, Some(0));
    let (_, error) = said.last().unwrap();
    assert!(error.contains(&server), "it names what can't be reached: {error}");
    stage.up();
    said.push(press(&stage.server()));
    let receipts: Vec<_> = said.into_iter().filter_map(|(receipt, _)| receipt).collect();
    // The answer to the press that counted may have been cut off with its process: then nobody reads `pressed`.
    assert!(receipts.iter().filter(|r| r["result"] == "pressed").count() <= 1, "{receipts:?}");
    assert!(receipts.iter().all(|r| r["at"] == receipts[0]["at"]), "{receipts:?}");
    stage.wait_for_state("done");
    let summary = stage.summary();
    assert_eq!((summary.accepted_devices, summary.duplicates), (2_000, 0));
}

#[test]
fn a_second_owl_on_the_same_data_says_so() {
    let stage = Stage::new(&[]);
    let out =
        owl().args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(stage.data_dir()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(error.contains("another owl"), "{error}");
}

/// A build that dies is taken up again by the next process.
#[test]
fn a_build_survives_kill_nine() {
    let mut stage = Stage::new(&[]);
    let devices = stage.file("devices.csv", super::support::devices(20_000));
    let users = stage.file("users.csv", audience(20_000));
    stage.good(&["devices", "import", devices.to_str().unwrap()]);
    stage.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    stage.good(&["campaign", "upload", "c", users.to_str().unwrap(), "--no-wait"]);
    stage.take_up().kill();
    stage.up();
    stage.wait_for_state("ready");
    let campaign = &stage.good(&["campaign", "status", "c"])["campaign"];
    assert_eq!(campaign["snapshot"]["users"], 20_000);
}
