use super::*;
use crate::fleet::Expect;

fn stamp(by: &str, at: i64) -> Stamp {
    Stamp::new(by, UnixMs(at))
}

fn change(decision: Decision) -> Campaign {
    match decision {
        Decision::Change(next) => *next,
        other => unreachable!("expected a change, got {other:?}"),
    }
}

fn snapshot() -> SnapshotRef {
    SnapshotRef {
        id: SnapshotId([1; 32]),
        uploaded: 1,
        users: 1,
        devices: BTreeMap::new(),
        batches: 1,
        dropped: BTreeMap::new(),
        dropped_devices: BTreeMap::new(),
        built_at: UnixMs(2),
        build_ms: 1,
    }
}

/// A campaign in each state, reached by real actions.
pub(crate) fn in_state(state: State) -> Campaign {
    let upload = || Upload { object: "o".into(), format: ListFormat::Plain, bytes: 1, stamp: stamp("e", 1) };
    let arm = |c: &Campaign| change(c.arm(stamp("s", 3), Expect::default(), BTreeMap::new()));
    let draft = Campaign::new("n", Content::english("a", "b"), Options::default(), stamp("e", 0));
    let building = change(draft.upload(upload()));
    let ready = change(building.build_done(snapshot()));
    let sending = || change(arm(&ready).press(stamp("m", 10)));
    let stopping = || change(sending().abort(stamp("m", 11)));
    match state {
        State::Draft => draft,
        State::Failed => change(building.build_failed("no")),
        State::Building => building,
        State::Armed => arm(&ready),
        State::Ready => ready,
        State::Sending => sending(),
        State::Stopping => stopping(),
        State::Stopped => change(stopping().stopped(UnixMs(12), Books::default())),
        State::Done => change(sending().done(UnixMs(12), Books::default())),
    }
}

/// One letter a cell: c = changes, s = same answer, r = refused. Columns as in [`State::ALL`]:
/// draft, building, failed, ready, armed, sending, stopping, stopped, done.
const TABLE: [(&str, &str); 8] = [
    ("edit", "cccc rrrrr"),
    ("upload", "crcc rrrrr"),
    ("arm", "rrrc srrrr"),
    ("disarm", "rrrs crrrr"),
    ("canary", "rrrr crrrr"),
    ("press", "rrrr cssrs"),
    ("abort", "rcrr ccssr"),
    ("resume", "rrrr rrrcr"),
];

#[test]
fn every_cell_of_the_state_table() {
    for (action, row) in TABLE {
        for (state, expected) in State::ALL.iter().zip(row.chars().filter(|c| *c != ' ')) {
            let c = in_state(*state);
            assert_eq!(c.state, *state);
            let now = stamp("x", 20);
            let upload = Upload { object: "p".into(), format: ListFormat::Csv, bytes: 2, stamp: now.clone() };
            let decision = match action {
                "edit" => c.edit(Some("new".into()), None, None),
                "upload" => c.upload(upload),
                "arm" => c.arm(now, Expect::default(), BTreeMap::new()),
                "disarm" => c.disarm(),
                "canary" => c.canary(now),
                "press" => c.press(now),
                "abort" => c.abort(now),
                _ => c.resume(now),
            };
            let got = match &decision {
                Decision::Change(next) => {
                    assert_eq!(next.version, c.version + 1);
                    'c'
                }
                Decision::Same => 's',
                Decision::Refuse(no) => {
                    assert!(!no.detail.is_empty());
                    'r'
                }
            };
            assert_eq!(got, expected, "{action} in {state:?}: {decision:?}");
        }
    }
}

#[test]
fn epochs_rise_with_canary_press_abort_and_resume_and_the_first_presser_stays() {
    let armed = in_state(State::Armed);
    let canary = change(armed.canary(stamp("a", 5)));
    assert_eq!((canary.epoch, canary.live_run().map(|r| r.kind)), (Epoch(1), Some(RunKind::Canary)));
    let pressed = change(canary.press(stamp("b", 6)));
    assert_eq!((pressed.epoch, pressed.live_run().map(|r| r.kind)), (Epoch(2), Some(RunKind::Press)));
    let stopping = change(pressed.abort(stamp("c", 7)));
    assert_eq!((stopping.epoch, stopping.live_run()), (Epoch(3), None));
    let stopped = change(stopping.stopped(UnixMs(8), Books::default()));
    let resumed = change(stopped.resume(stamp("d", 9)));
    assert_eq!((resumed.epoch, resumed.live_run().map(|r| r.kind)), (Epoch(4), Some(RunKind::Resume)));
    assert_eq!(resumed.pressed, Some(stamp("b", 6)));
    assert_eq!(resumed.runs.last().map(|r| r.deadline_at), Some(UnixMs(9 + 600_000)));
}

#[test]
fn a_canary_binds_the_audience_and_a_record_survives_json() {
    let canary = change(in_state(State::Armed).canary(stamp("a", 5)));
    let ready = change(canary.disarm());
    let upload = Upload { object: "p".into(), format: ListFormat::Csv, bytes: 2, stamp: stamp("e", 6) };
    assert!(matches!(ready.upload(upload), Decision::Refuse(Refusal { code: RefusalCode::Sent, .. })));
    let back: Campaign = serde_json::from_str(&serde_json::to_string(&canary).unwrap()).unwrap();
    assert_eq!(back, canary);
}

#[test]
fn one_process_takes_the_dead_tokens_out_and_another_when_it_died() {
    let at = |c: &Campaign, ms: i64| match c.write_back_begins(UnixMs(ms)) {
        Decision::Change(next) => Some(*next),
        Decision::Same => None,
        Decision::Refuse(no) => panic!("{no}"),
    };
    assert!(at(&in_state(State::Sending), 0).is_none());
    let begun = at(&in_state(State::Done), 1_000).unwrap();
    let much_later = 1_000 + i64::try_from(crate::limits::REMOVING_MAX.as_millis()).unwrap();
    assert!(at(&begun, 2_000).is_none() && at(&begun, much_later - 1).is_none());
    assert!(at(&begun, much_later).is_some());
    let Decision::Change(failed) = begun.write_back_failed() else { panic!("nothing changed") };
    assert!(at(&failed, 2_000).is_some());
    let Decision::Change(done) = begun.written_back(7) else { panic!("nothing changed") };
    assert!(at(&done, much_later).is_none());
}
