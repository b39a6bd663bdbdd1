//! `owl rehearse --server`: against an `owl up` that runs already, and its stand-ins.

use super::rehearse::{figures, file};
use super::support::{Process, Stage, owl, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn rehearse(mut program: Command, server: &str, dir: &Path, args: &[&str]) -> Output {
    program.args(["rehearse", "--json", "--server", server, "--out"]).arg(dir).args(args).output().unwrap()
}

/// Pressed, it is sent for as long as a test needs.
const SLOW: &str = "about = 'x'\naudience.users = 2_000\ngateways = { round_trip_ms = 9_000 }\ncampaign.keep_pressing_for = '10m'\n";

/// Gateways, and an `owl up` whose push worker has said that it sends to them.
fn stage(flags: &[&str]) -> Stage {
    let stage = Stage::new(flags);
    wait_for_a_push_worker(&stage.server());
    stage
}

/// Waits until one has said that it sends to stand-ins.
fn wait_for_a_push_worker(server: &str) {
    wait_until("a push worker", || {
        let out = owl().args(["--json", "--server", server, "fleet", "status"]).output().unwrap();
        let fleet: Value = serde_json::from_slice(&out.stdout).unwrap();
        fleet["workers"].as_array().unwrap().iter().any(|w| w["role"] == "push" && w["rehearsal"] == true)
    });
}

/// A rehearsal on this stage that goes on until somebody ends it, with these stand-ins.
fn begin(stage: &Stage, dir: &Path, scenario: &str, gateways: &[&str]) -> Child {
    let scenario = stage.file("long.toml", scenario);
    let mut program = owl();
    program.args(["rehearse", "--json", "--server", &stage.server(), "--out"]).arg(dir).arg(scenario);
    for admin in gateways {
        program.args(["--gateways", admin]);
    }
    program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Two processes of stand-ins that nothing is sent to.
fn idle_gateways(dir: &Path) -> [Process; 2] {
    ["one", "two"].map(|name| {
        let mut gateways = owl();
        gateways.args(["gateways", "--exit-on-stdin-close", "--dir"]).arg(dir.join(name));
        Process::start(&mut gateways)
    })
}

fn admin(gateways: &Process) -> &str {
    gateways.first["admin"].as_str().unwrap()
}

fn send_signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn campaigns(stage: &Stage) -> Vec<Value> {
    stage.good(&["campaign", "list"])["campaigns"].as_array().unwrap().clone()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn services_that_run_are_pressed_and_held_against_their_stand_ins() {
    let stage = stage(&["--round-trip-ms", "7"]);
    let scenario = stage.file(
        "night.toml",
        "about = 'small, elsewhere'
         audience.users = 30_000
         gateways = { round_trip_ms = 400, dead_share = 0.02 }
         campaign.presses = 2
         fault = [
             { at = '5%', do = 'press-again' },
             { at = '10%', do = 'stop', for = '100ms' },
             { at = '20%', do = 'gateways', set = { unavailable_share = 0.2 }, for = '300ms' },
         ]
         objectives = { unreached = 3_000 }",
    );
    let dir = tempfile::tempdir().unwrap();
    let args = [scenario.to_str().unwrap(), "--gateways", &stage.info.admin];
    let out = rehearse(owl(), &stage.server(), dir.path(), &args);
    let figures = figures(&out);
    assert_eq!(out.status.code(), Some(0), "{}\n{figures}", said(&out));
    let presses = figures["presses"].as_array().unwrap();
    assert_eq!((figures["passed"].as_bool(), presses.len()), (Some(true), 2));
    let counted = &presses[1]["counted"];
    assert!(counted["seen"].as_u64().unwrap() > 25_000, "the journal was read: {counted}");
    let happened = presses[1]["happened"].to_string();
    assert!(happened.contains("already pressed") && happened.contains("resumed"), "{happened}");
    let server = &figures["server"];
    assert_eq!((&server["url"], &server["push_workers"]), (&Value::from(stage.server()), &Value::from(1)));
    assert_eq!(server["versions"][env!("CARGO_PKG_VERSION")], 2);
    let page = std::fs::read_to_string(file(dir.path(), "html")).unwrap();
    assert!(page.contains("Against services that ran already") && page.contains("CPU: not measured"));
    // The stand-ins were only borrowed.
    assert_eq!(stage.behaviour()["round_trip_ms"], 7);
}

#[test]
fn interrupted_it_names_the_campaign_that_goes_on_and_gives_the_stand_ins_back() {
    let stage = stage(&["--round-trip-ms", "7"]);
    let dir = tempfile::tempdir().unwrap();
    let child = begin(&stage, dir.path(), SLOW, &[stage.info.admin.as_str()]);
    wait_until("a press", || campaigns(&stage).iter().any(|c| c["state"] == "sending"));
    assert_eq!(stage.behaviour()["round_trip_ms"], 9_000);
    send_signal(&child, Signal::INT);
    let out = child.wait_with_output().unwrap();
    let said = said(&out);
    let named = |c: &Value| said.contains(&format!("campaign abort {}` stops it", c["id"].as_str().unwrap()));
    assert_eq!(out.status.code(), Some(130), "{said}");
    assert!(campaigns(&stage).iter().any(named), "{said}");
    assert!(said.contains("behave as before again"), "{said}");
    assert_eq!(stage.behaviour()["round_trip_ms"], 7);
}

/// The first Ctrl-C has the stand-ins set back, which takes as long as those that do not answer are waited for; who presses it once
/// more hears what may be left.
#[test]
fn interrupted_twice_it_says_that_the_stand_ins_may_stay_as_they_are() {
    let stage = stage(&["--round-trip-ms", "7"]);
    let dir = tempfile::tempdir().unwrap();
    let idle = idle_gateways(dir.path());
    let [one, two] = &idle;
    let child = begin(&stage, dir.path(), SLOW, &[stage.info.admin.as_str(), admin(one), admin(two)]);
    wait_until("a press", || campaigns(&stage).iter().any(|c| c["state"] == "sending"));
    idle.iter().for_each(|gateways| send_signal(&gateways.child, Signal::STOP));
    send_signal(&child, Signal::INT);
    wait_until("the first of them to be set back", || stage.behaviour()["round_trip_ms"] == 7);
    send_signal(&child, Signal::INT);
    let out = child.wait_with_output().unwrap();
    let said = said(&out);
    assert_eq!(out.status.code(), Some(130), "{said}");
    assert!(said.contains("The stand-ins may still behave as the scenario says: start them anew."), "{said}");
}

/// While stand-ins that do not answer are still to be set back, the rehearsal itself goes no further.
#[test]
fn interrupted_before_the_press_nobody_is_pressed_and_all_stand_ins_that_stay_are_named() {
    let stage = stage(&[]);
    let dir = tempfile::tempdir().unwrap();
    let idle = idle_gateways(dir.path());
    let [one, two] = &idle;
    let scenario = "about = 'x'\naudience.users = 60_000\ngateways = { round_trip_ms = 9_000 }\n";
    let child = begin(&stage, dir.path(), scenario, &[stage.info.admin.as_str(), admin(one), admin(two)]);
    wait_until("a campaign", || !campaigns(&stage).is_empty());
    idle.iter().for_each(|gateways| send_signal(&gateways.child, Signal::STOP));
    let pressed = || campaigns(&stage).iter().any(|c| c["pressed"].is_object());
    assert!(!pressed(), "there was no time to interrupt it");
    send_signal(&child, Signal::INT);
    let out = child.wait_with_output().unwrap();
    let said = said(&out);
    assert_eq!(out.status.code(), Some(130), "{said}");
    let (_, last) =
        said.split_once("Not all stand-ins behave as before again").unwrap_or_else(|| panic!("{said}"));
    assert!(idle.iter().all(|gateways| last.contains(admin(gateways))), "{said}");
    assert!(!pressed(), "{said}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no page: {said}");
}

/// Apple's devices are one process's and Google's another's, so each journal has what the other has not; in either order.
#[test]
fn stand_ins_in_several_processes_are_read_as_one() {
    let stage = Stage::of_gateways(&[]);
    let other = Stage::of_gateways(&["--round-trip-ms", "9"]);
    let config = {
        let (apns, fcm) = (&stage.info, &other.info);
        let sections = serde_json::json!({
            "apns": {
                "kind": "rehearsal",
                "endpoint": apns.endpoint(&apns.apns),
                "ca_file": apns.ca_file,
                "key_file": apns.apns_key_file,
                "key_id": apns.apns_key_id,
                "team_id": apns.apns_team_id,
                "topic": apns.apns_topic,
            },
            "fcm": {
                "kind": "rehearsal",
                "endpoint": fcm.endpoint(&fcm.fcm),
                "ca_file": fcm.ca_file,
                "service_account_file": fcm.fcm_service_account_file,
                "project": fcm.fcm_project,
            },
        });
        stage.file("owl.toml", toml::to_string(&sections).unwrap())
    };
    let up = Process::start(
        owl()
            .args(["--json", "up", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(stage.data_dir())
            .arg("--config")
            .arg(config),
    );
    let server = up.first["listening"].as_str().unwrap();
    wait_for_a_push_worker(server);
    let scenario = stage.file("two.toml", "about = 'x'\naudience.users = 2_000\ngateways.dead_share = 0.1\n");
    let (mine, others) = (&stage.info.admin, &other.info.admin);
    for [first, second] in [[mine, others], [others, mine]] {
        let dir = tempfile::tempdir().unwrap();
        let args = [scenario.to_str().unwrap(), "--gateways", first, "--gateways", second];
        let out = rehearse(owl(), server, dir.path(), &args);
        let figures = figures(&out);
        assert_eq!(out.status.code(), Some(0), "{}\n{figures}", said(&out));
        let counted = &figures["presses"][0]["counted"];
        assert_eq!(
            (&counted["lost"], &counted["doubled"], &counted["strangers"]),
            (&0.into(), &0.into(), &0.into())
        );
        assert_eq!(counted["seen"], counted["accepted"]);
        let each = [stage.accepted(), other.accepted()];
        assert!(each.iter().all(|n| *n > 0), "{each:?}");
        assert_eq!(counted["seen"].as_u64(), Some(each.iter().sum()));
        assert_eq!(figures["server"]["journals"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            (stage.behaviour()["dead_share"].as_f64(), other.behaviour()["round_trip_ms"].as_i64()),
            (Some(0.0), Some(9))
        );
    }
}

#[test]
fn without_the_journal_it_is_judged_by_the_books_and_says_so() {
    let stage = stage(&[]);
    let scenario = stage.file(
        "books.toml",
        "about = 'x'\naudience.users = 1_000\ngateways.dead_share = 0.5\nobjectives.cpu_us_per_push = 50.0\n\
         campaign.resend_ambiguous = true\n",
    );
    let dir = tempfile::tempdir().unwrap();
    let out = rehearse(owl(), &stage.server(), dir.path(), &[scenario.to_str().unwrap()]);
    let figures = figures(&out);
    assert_eq!(out.status.code(), Some(1), "{figures}");
    let press = &figures["presses"][0];
    let broken: Vec<_> = press["judged"].as_array().unwrap().iter().filter(|j| j["holds"] == false).collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(
        (&broken[0]["objective"], &broken[0]["measured"]),
        (&"cpu_us_per_push".into(), &"not measured".into())
    );
    assert_eq!((&press["by_books"], &press["counted"]["accepted"]), (&true.into(), &1_050.into()));
    let notes = figures["server"]["notes"].to_string();
    assert!(notes.contains("journal was not looked at") && notes.contains("was not set"), "{notes}");
    assert_eq!(campaigns(&stage)[0]["options"]["resend_ambiguous"], true);
}

#[test]
fn where_a_phone_might_be_reached_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // No gateways at all: nobody says that they are stand-ins.
    let mut up = owl();
    up.args(["--json", "up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    let up = Process::start(&mut up);
    let server = up.first["listening"].as_str().unwrap();
    let ask = |args: &[&str]| -> Value {
        let out = owl().args(["--json", "--server", server]).args(args).output().unwrap();
        serde_json::from_slice(&out.stdout).unwrap()
    };
    wait_until("a push worker", || ask(&["fleet", "status"])["workers"].to_string().contains("push"));
    let out = rehearse(owl(), server, dir.path(), &["smoke", "--users", "100"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        said(&out).contains("1 of 1 push workers") && said(&out).contains("\"rehearsal\""),
        "{}",
        said(&out)
    );
    assert_eq!(ask(&["devices", "count"])["users"], 0);
    assert_eq!(ask(&["campaign", "list"])["campaigns"].as_array().map(Vec::len), Some(0));
    assert!(file_names(dir.path()).iter().all(|name| name == "data"), "no page of what was not rehearsed");
}

fn file_names(dir: &Path) -> Vec<String> {
    let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    all.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn what_needs_a_process_of_its_own_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kill.toml");
    let text =
        "about = 'x'\n[fleet]\nlanes = 1\nfcm_quota_per_minute = 600\n[[fault]]\nat = '1%'\ndo = 'kill'\n";
    std::fs::write(&path, text).unwrap();
    // Nobody is asked: there is nobody.
    let refused = |args: &[&str]| {
        let out = rehearse(owl(), "http://127.0.0.1:9", dir.path(), args);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        said(&out)
    };
    let text = refused(&[path.to_str().unwrap()]);
    assert!(text.contains("line 3: fleet.lanes") && text.contains("line 7: fault 1 (`kill`)"), "{text}");
    assert!(
        text.contains("line 4: fleet.fcm_quota_per_minute is for roles that `owl rehearse` starts"),
        "{text}"
    );
    let text = refused(&["smoke", "--gateways", "https://x/y"]);
    assert!(text.contains("`https://x/y` is not the address of an admin listener"), "{text}");
    let here = owl().args(["rehearse", "smoke", "--gateways", "http://127.0.0.1:9"]).output().unwrap();
    assert!(said(&here).contains("say --server too"), "{}", said(&here));
}

/// A load-tester has silent campaigns, and devices that somebody else imported.
#[test]
fn a_load_tester_rehearses_with_devices_that_somebody_imported() {
    let stage = stage(&[]);
    let made = stage.good(&["token", "create", "--name", "nightly", "--role", "load-tester"]);
    let tester = || {
        let mut program = owl();
        program.env("OWL_TOKEN", made["token"].as_str().unwrap());
        program
    };
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let args = [args, &["--gateways", &stage.info.admin]].concat();
        rehearse(tester(), &stage.server(), dir.path(), &args)
    };
    let shows = stage.file("shows.toml", "about = 'x'\naudience.users = 300\n");
    let out = run(&[shows.to_str().unwrap()]);
    assert!(said(&out).contains("silent = true"), "{}", said(&out));
    let silent = stage.file("silent.toml", "about = 'x'\naudience.users = 300\ncampaign.silent = true\n");
    let silent = silent.to_str().unwrap();
    let out = run(&[silent]);
    assert_eq!(out.status.code(), Some(1));
    let failed = figures(&out)["failed"].to_string();
    assert!(failed.contains("--print-devices"), "{failed}");
    let devices = owl().args(["rehearse", silent, "--print-devices"]).output().unwrap();
    let csv = stage.file("devices.csv", devices.stdout);
    stage.good(&["devices", "import", csv.to_str().unwrap()]);
    let out = run(&[silent]);
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
    assert_eq!(figures(&out)["presses"][0]["counted"]["seen"], 315);
}
