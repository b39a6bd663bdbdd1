//! What people really feed it: each gets an error that says what and where, and nothing is half-done.

use super::support::{Stage, devices, read};

#[test]
fn bad_audiences_leave_the_campaign_as_it_was() {
    let stage = Stage::new(&[]);
    let devices = stage.file("devices.csv", devices(10));
    stage.good(&["devices", "import", devices.to_str().unwrap()]);
    stage.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    let long = "x".repeat(10 << 20);
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty.csv", Vec::new(), "empty"),
        ("header.csv", b"name,age\nu1,3\n".to_vec(), "user_id"),
        ("long.csv", format!("user_id\n{long}\n").into_bytes(), "line 2"),
        ("cut.csv.gz", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b], "gzip"),
        ("not.csv.gz", b"user_id\nu1\n".to_vec(), "gzip"),
        ("rubbish.csv", vec![0xff, 0xfe, 0, 1, 2, 3], ""),
    ];
    for (name, content, says) in cases {
        let file = stage.file(name, content);
        let error = stage.bad(&["campaign", "upload", "c", file.to_str().unwrap()]);
        assert!(error.to_lowercase().contains(says), "{name}: {error}");
        assert_eq!(stage.state(), "draft", "{name}");
    }
}

#[test]
fn bad_lines_are_dropped_with_their_numbers_and_the_rest_goes_on() {
    let stage = Stage::new(&[]);
    let list = stage.file("devices.csv", devices(10));
    stage.good(&["devices", "import", list.to_str().unwrap()]);
    stage.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    let mut lines = b"user_id\nu1\nu2\nu1\nghost\nu3\nu4\nu5\n".to_vec();
    lines.extend_from_slice(b"bad\xffutf8\nnul\0byte\nu6\n");
    let file = stage.file("users.csv", lines);
    let uploaded = stage.good(&["campaign", "upload", "c", file.to_str().unwrap()]);
    let bad = uploaded["facts"]["bad_lines"].as_array().unwrap();
    assert_eq!([&bad[0]["line"], &bad[1]["line"]], [9, 10], "{uploaded}");
    let snapshot = stage.good(&["campaign", "status", "c"])["campaign"]["snapshot"].clone();
    assert_eq!(
        (snapshot["uploaded"].as_u64(), snapshot["users"].as_u64()),
        (Some(10), Some(6)),
        "{snapshot}"
    );
    let dropped = &snapshot["dropped"];
    assert_eq!(
        (&dropped["duplicate"], &dropped["unknown"], &dropped["bad_line"]),
        (&1.into(), &1.into(), &2.into())
    );
    let why = stage.good(&["receipts", "c", "ghost"]);
    assert_eq!(
        (why["dropped"]["line"].as_u64(), why["dropped"]["reason"].as_str()),
        (Some(5), Some("unknown"))
    );
}

#[test]
fn malformed_devices_are_named_by_line_and_field() {
    let stage = Stage::new(&[]);
    let good = devices(20);
    let file = stage.file(
        "d.csv",
        format!("{good}u7,apns,nothex,en,\nu8,windows,abc,en,\n,apns,{},en,\n", "a".repeat(64)),
    );
    let out = stage.run(&["devices", "import", file.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "bad lines are not a success: {error}");
    assert!(error.is_empty(), "{error}");
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((answer["taken"].as_u64(), answer["bad_lines"].as_u64()), (Some(20), Some(3)));
    let bad: Vec<_> =
        answer["bad"].as_array().unwrap().iter().map(|b| (b["line"].as_u64(), b["field"].as_str())).collect();
    assert_eq!(bad, [(Some(22), Some("token")), (Some(23), Some("platform")), (Some(24), Some("user_id"))]);
    assert!(!answer.to_string().contains("nothex"), "a token is quoted");
    let wrong = stage.file("w.csv", "user,platform\nu1,apns\n");
    assert!(stage.bad(&["devices", "import", wrong.to_str().unwrap()]).contains("user_id"));
}

#[test]
fn content_that_cannot_be_sent_is_refused() {
    let stage = Stage::new(&[]);
    let create = |args: &[&str]| stage.bad(&[&["campaign", "create", "--name", "c"], args].concat());
    assert!(create(&[]).contains("nothing to send"));
    assert!(create(&["--title", &"x".repeat(4097)]).contains("4096"));
    let odd = stage.file("odd.json", r#"{"texts":{"not a locale":{"title":"x"}},"default_locale":"en"}"#);
    assert!(create(&["--content", odd.to_str().unwrap()]).contains("locale"));
    assert!(create(&["--title", "x", "--shards", "1001"]).contains("shards"));
    assert!(create(&["--title", "x", "--deadline", "0s"]).contains("deadline"));
    assert!(stage.bad(&["campaign", "press", "nothing"]).contains("no campaign"));
    assert!(stage.bad(&["campaign", "upload", "c", "/nonexistent/file"]).contains("no campaign"));
}

#[test]
fn sample_configuration_is_read_and_faults_are_named() {
    let docs = read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md").as_ref());
    let sample = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let up = |text: &str| {
        let file = dir.path().join("owl.toml");
        std::fs::write(&file, text).unwrap();
        let out = super::support::owl().args(["up", "--config"]).arg(&file).output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    // The keys of the sample are known; the files that it names are not there, and both faults are told at once.
    let error = up(sample);
    assert!(error.contains("key_file") && error.contains("service_account_file"), "{error}");
    let error = up("listne = \"127.0.0.1:1\"\n");
    assert!(error.contains("listne"), "{error}");
}

/// Programs get the whole problem, with its stable type.
#[test]
fn a_refusal_is_told_to_programs_too() {
    let stage = Stage::new(&[]);
    stage.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    let error = stage.bad(&["campaign", "press", "c"]);
    let problem: serde_json::Value = serde_json::from_str(error.lines().last().unwrap()).unwrap();
    assert_eq!(
        (problem["status"].as_u64(), problem["type"].as_str()),
        (Some(409), Some("/problems/not_armed")),
        "{error}"
    );
}
