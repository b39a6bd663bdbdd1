//! What the page has and a terminal must have too: who was left out, and the whole report.

use super::support::{Stage, devices, owl, read, wait_until};

#[test]
fn who_was_left_out_is_listed_with_line_and_reason() {
    let stage = Stage::new(&[]);
    let list = stage.file("devices.csv", devices(10));
    stage.good(&["devices", "import", list.to_str().unwrap()]);
    stage.good(&["campaign", "create", "--name", "c", "--title", "Hi"]);
    assert!(stage.bad(&["campaign", "dropped", "c"]).contains("snapshot"));
    let mut lines = b"user_id\nu1\nu2\nu1\nghost\nu3\n".to_vec();
    (0..12).for_each(|_| lines.extend_from_slice(b"nul\0byte\n"));
    (0..30).for_each(|n| lines.extend_from_slice(format!("nobody{n}\n").as_bytes()));
    let file = stage.file("users.csv", lines);
    let said = stage.words(&["campaign", "upload", "c", file.to_str().unwrap()]);
    assert!(said.contains("12 of 47 lines can't be used; the others are:"), "{said}");
    assert!(said.contains("    line 7: `nul\u{fffd}byte`: "), "{said}");
    assert!(said.contains("    line 16: ") && !said.contains("    line 17: "), "{said}");
    assert!(said.contains("and 2 more: `owl campaign dropped"), "{said}");

    let said = stage.words(&["campaign", "dropped", "c", "--reason", "duplicate"]);
    assert!(said.contains("duplicate  u1: stands on line 2 already"), "{said}");
    assert!(said.contains("left out: 1 (1 duplicate)") && !said.contains("ghost"), "{said}");
    let said = stage.words(&["campaign", "dropped", "c", "--limit", "3"]);
    assert_eq!(said.lines().filter(|line| line.starts_with("line ")).count(), 3, "{said}");
    assert!(said.contains("41 of them are not listed here: --limit 44 lists all"), "{said}");

    let out = stage.run(&["campaign", "dropped", "c"]);
    let text = String::from_utf8(out.stdout).unwrap();
    let all: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ghost = all.iter().find(|line| line["user"] == "ghost").unwrap();
    assert_eq!((all.len(), &ghost["line"], ghost["reason"].as_str()), (44, &5.into(), Some("unknown")));
    let wrong = owl().args(["campaign", "dropped", "c", "--reason", "lost"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("give one of bad_line, duplicate"));
}

#[test]
fn the_report_has_the_timeline_and_who_did_what_in_words_and_as_csv() {
    let stage = Stage::new(&[]);
    let none = stage.dir.path().join("none.csv");
    stage.good(&["campaign", "create", "--name", "empty", "--title", "Hi"]);
    let ask = ["--server", &stage.server(), "campaign", "report", "empty", "--csv", none.to_str().unwrap()];
    let out = owl().args(ask).output().unwrap();
    assert_eq!((out.status.code(), none.exists()), (Some(1), false), "a file without a report");
    assert!(String::from_utf8_lossy(&out.stderr).contains("has no snapshot yet"));
    stage.armed(200, &[]);
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    let said = stage.words(&["campaign", "report", "c"]);
    let parts =
        ["\ntimeline\n", "created by ", "snapshot built", "pressed by ", "every device has its outcome"];
    let more = [
        "slowest workers",
        " 200 devices; half within ",
        "\nwho did what\n",
        "builder from -: campaign.build",
    ];
    for part in parts.into_iter().chain(more).chain(["campaign.press: armed -> sending"]) {
        assert!(said.contains(part), "`{part}` in {said}");
    }

    let file = stage.dir.path().join("c.csv");
    // Each says when it was made.
    let rows =
        |text: &str| text.lines().filter(|l| !l.contains("made_at")).map(str::to_owned).collect::<Vec<_>>();
    let mut kept = String::new();
    // Between the two the dead tokens may have been taken out of the table, which is an entry of its own.
    wait_until("a file and an output that say the same", || {
        stage.words(&["campaign", "report", "c", "--csv", file.to_str().unwrap()]);
        kept = read(&file);
        rows(&kept) == rows(&stage.words(&["campaign", "report", "c", "--csv", "-"]))
    });
    assert!(
        kept.contains("devices,,accepted,200\r\n") && kept.contains("who_did_what,,campaign.build,"),
        "{kept}"
    );
    let both = stage.bad(&["campaign", "report", "c", "--csv", "-"]);
    assert!(both.contains("one of the two"), "{both}");
    let nowhere = stage.dir.path().join("no/such/c.csv");
    let out =
        owl().args(["--server", &stage.server(), "campaign", "report", "c", "--csv"]).arg(nowhere).output();
    assert_eq!(out.unwrap().status.code(), Some(1));
}
