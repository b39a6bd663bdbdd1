//! Test sends as people make them: before the evening, to a few phones, and the evening does not notice.

use super::support::{Stage, token, wait_until};
use loadtest::gateways::{Behaviour, Fate};
use serde_json::{Value, json};

/// Devices of the audience's own users: a test and the press go to the same phones.
fn list(users: impl Iterator<Item = usize>) -> String {
    let line = |u: usize| json!({ "person": format!("Person {u}"), "platform": "apns", "token": token(u), "locale": "en" });
    users.map(|u| line(u).to_string() + "\n").collect()
}

fn put(stage: &Stage, name: &str, text: &str) {
    let file = stage.file(&format!("{name}.jsonl"), text);
    stage.good(&["testers", "put", name, file.to_str().unwrap()]);
}

/// A test whose answer may be "no".
fn test(stage: &Stage, args: &[&str]) -> Value {
    let out = stage.run(&[&["campaign", "test", "c"], args].concat());
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
}

/// How many notifications each of these users' phones took.
fn taken(stage: &Stage, users: std::ops::Range<usize>) -> Vec<u32> {
    let journal = stage.journal();
    users.map(|u| journal.lookup_token(&token(u)).map_or(0, |e| u32::from(e.accepted))).collect()
}

/// How many of these tests reached a person's phone, and how many may have.
fn tests_of(reports: &[Value], person: &str) -> (u32, u32) {
    let (mut sure, mut maybe) = (0, 0);
    for report in reports {
        let device = report["devices"].as_array().unwrap().iter().find(|d| d["person"] == person).unwrap();
        match device["verdict"].as_str() {
            Some("accepted") => sure += 1,
            Some("no_answer") => maybe += 1,
            None if report["state"] == "lost" => maybe += 1,
            _ => {}
        }
    }
    (sure, maybe)
}

#[test]
fn testers_get_it_before_and_everybody_once_on_the_evening() {
    let stage = Stage::new(&[]);
    stage.armed(500, &[]);
    put(&stage, "team", &list(0..5));
    let dry = stage.good(&["campaign", "test", "c", "--list", "team", "--dry-run"]);
    assert_eq!((dry["state"].as_str(), dry["good"].as_u64()), (Some("done"), Some(5)), "{dry}");
    assert!(dry["devices"][0]["sentence"].as_str().unwrap().contains("Apple has no dry run"), "{dry}");
    let rendered = stage.good(&["campaign", "test", "c", "--dry-run"]);
    assert_eq!(rendered["rendered"].as_array().unwrap().len(), 2);
    assert_eq!(stage.accepted(), 0, "a dry run reaches nobody");
    for round in 1..=2 {
        let real = stage.good(&["campaign", "test", "c", "--list", "team"]);
        assert_eq!((real["good"].as_u64(), real["rehearsal"].as_bool()), (Some(5), Some(true)), "{real}");
        let device = &real["devices"][0];
        assert!(
            device["gateway_id"].as_str().is_some_and(|id| id.len() > 20) && device["ms"].is_u64(),
            "{device}"
        );
        assert_eq!(taken(&stage, 0..6), [round, round, round, round, round, 0], "a test may be repeated");
    }
    assert_eq!(stage.state(), "armed");
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    let books = stage.good(&["campaign", "report", "c"])["books"].clone();
    assert_eq!((books["devices"].as_u64(), books["accepted"].as_u64()), (Some(500), Some(500)), "{books}");
    assert_eq!(stage.accepted(), 500);
    assert_eq!(taken(&stage, 0..5), [3; 5], "two tests and the real one");
    assert_eq!(taken(&stage, 5..500), [1; 495], "nobody else got more than one");
    let refused = stage.bad(&["campaign", "test", "c", "--list", "team"]);
    assert!(refused.contains("is finished"), "{refused}");
    let trail = stage.good(&["audit", "--campaign", "c"]).to_string();
    assert!(trail.contains("campaign.test") && !trail.contains(&token(0)), "{trail}");
}

#[test]
fn tests_while_it_is_pressed_change_nothing() {
    let stage = Stage::new(&["--round-trip-ms", "150"]);
    stage.armed(4_000, &[]);
    put(&stage, "team", &list(0..3));
    let asked: Vec<_> = std::thread::scope(|scope| {
        let tests: Vec<_> =
            (0..4).map(|_| scope.spawn(|| stage.run(&["campaign", "test", "c", "--list", "team"]))).collect();
        stage.good(&["campaign", "press", "c"]);
        tests.into_iter().map(|t| t.join().unwrap()).collect()
    });
    stage.wait_for_state("done");
    let books = stage.good(&["campaign", "report", "c"])["books"].clone();
    assert_eq!(books["accepted"].as_u64(), Some(4_000), "{books}");
    // Each test was before the press, came too late, or was ended by it halfway: it says so of each device.
    let reports: Vec<Value> =
        asked.iter().filter_map(|out| serde_json::from_slice(&out.stdout).ok()).collect();
    for (user, taken) in taken(&stage, 0..3).into_iter().enumerate() {
        let (sure, maybe) = tests_of(&reports, &format!("Person {user}"));
        assert!((1 + sure..=1 + sure + maybe).contains(&taken), "{taken} of {sure} and {maybe}: {reports:?}");
    }
    assert!(taken(&stage, 3..4_000).iter().all(|n| *n == 1));
}

#[test]
fn dead_and_foreign_tokens_and_gateways_that_are_away_are_said() {
    let flags = ["--dead-share", "0.3", "--mismatched-share", "0.3"];
    let mut stage = Stage::new(&flags);
    stage.armed(10, &[]);
    let behaviour = Behaviour { dead_share: 0.3, mismatched_share: 0.3, ..Behaviour::default() };
    let fate = |u: &usize| {
        let target = common::device::Target::parse(
            common::device::Platform::Apns,
            common::device::TargetKind::Token,
            &token(*u),
        );
        behaviour.fate(target.unwrap().hash())
    };
    let of = |wanted: Fate| (0..200).find(|u| fate(u) == wanted).unwrap();
    let users = [of(Fate::Alive), of(Fate::Dead), of(Fate::Mismatched)];
    put(&stage, "mixed", &list(users.into_iter()));
    let report = test(&stage, &["--list", "mixed"]);
    let verdicts: Vec<_> =
        report["devices"].as_array().unwrap().iter().map(|d| d["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accepted", "unregistered", "token_not_for_topic"], "{report}");
    let words = |n: usize, key: &str| report["devices"][n][key].as_str().unwrap().to_owned();
    assert_eq!(
        (words(1, "reason"), words(2, "reason")),
        ("Unregistered".into(), "DeviceTokenNotForTopic".into())
    );
    assert!(
        words(1, "sentence").contains("the token is dead") && words(2, "sentence").contains("another app")
    );
    // The tester's dead token is the list's affair: the campaign's device table is not touched.
    assert_eq!(stage.good(&["devices", "count"])["users"].as_u64(), Some(10));
    stage.end_gateways();
    let away = test(&stage, &["--list", "mixed"]);
    let sentence = away["devices"][0]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("not sent: Apple was not reached ("), "{away}");
    assert_eq!((away["state"].as_str(), away["good"].as_u64()), (Some("done"), Some(0)));
}

#[test]
fn rubbish_is_refused_in_plain_words() {
    let stage = Stage::new(&[]);
    stage.armed(10, &[]);
    let file = stage.file("bad.jsonl", "{\"person\":\"Ann\",\"platform\":\"apns\",\"token\":\"xyz\"}\n");
    let said = stage.bad(&["testers", "put", "team", file.to_str().unwrap()]);
    assert!(said.contains("token") && said.contains("line 1"), "{said}");
    let said = stage.bad(&["testers", "put", "a/b", file.to_str().unwrap()]);
    assert!(said.contains("no name of a list"), "{said}");
    assert!(stage.bad(&["testers", "show", "team"]).contains("no list of testers"));
    assert!(stage.bad(&["campaign", "test", "c", "--list", "team"]).contains("no list of testers"));
    assert!(stage.bad(&["testers", "put", "team", "/nonexistent"]).contains("cannot read"));
    wait_until("the trail", || {
        stage.good(&["audit", "--campaign", "c"]).to_string().contains("refused: not_found")
    });
}
