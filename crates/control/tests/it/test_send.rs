//! Test sends, as the service sees them: asked for, taken or not, and put into words.

use super::slow::SlowToSend;
use super::stage::{Stage, who};
use common::campaign::{Decision, Options, Refusal, State};
use common::content::Content;
use common::device::{Environment, Platform, TargetKind};
use common::ids::WorkerId;
use common::limits::{RECEIVES_MAX, TEST_DONE_WITHIN, TEST_TAKEN_WITHIN};
use common::ports::{Audit, Backend, Put, PutMode, Queue};
use common::test_send::{ListName, Outcomes, Taken, TestEnvelope, TestId, Tester, Told, Verdict, keys};
use contract::memory::Call;
use control::{Control, ControlError, Leave, RedriveRequest, TestReport, TestRequest, TestState, Who};
use std::sync::Arc;
use std::time::Duration;

fn tester(person: &str, platform: Platform, environment: Environment) -> Tester {
    let token = match platform {
        Platform::Apns => format!("{:064x}", person.len()),
        Platform::Fcm => format!("fcm-token:APA91b{:032x}", person.len()),
    };
    let (person, locale, app) = (person.to_owned(), "de-AT".to_owned(), String::new());
    Tester { person, platform, target_kind: TargetKind::Token, token, locale, app, environment }
}

fn name() -> ListName {
    "marketing".parse().unwrap()
}

fn to_list(dry_run: bool) -> TestRequest {
    TestRequest { list: Some(name()), dry_run }
}

/// Ann, Bo and one whose phone has a development build.
async fn with_list(stage: &Stage) {
    let devices = vec![
        tester("Ann", Platform::Apns, Environment::Production),
        tester("Cleo's old phone", Platform::Apns, Environment::Sandbox),
        tester("Bo", Platform::Fcm, Environment::Production),
    ];
    stage.control.put_testers(&who("marta"), name(), devices).await.unwrap();
}

async fn ask(stage: &Stage, dry_run: bool) -> (TestId, TestReport) {
    let report = stage.control.test(&who("marta"), stage.id, &to_list(dry_run)).await.unwrap();
    (report.test.unwrap(), report)
}

async fn look(stage: &Stage, test: TestId) -> TestReport {
    stage.control.test_report(stage.id, test).await.unwrap()
}

/// As a worker does.
async fn take(stage: &Stage, test: TestId) -> Put {
    let taken = Taken { worker: Some(WorkerId(7)), at: stage.clock.now() };
    let bytes = serde_json::to_vec(&taken).unwrap();
    let objects = stage.parts.backend().objects;
    objects.put(&keys::taken(stage.id, test), bytes.into(), PutMode::IfAbsent).await.unwrap()
}

fn told(place: u16, verdict: Verdict) -> Told {
    Told { place, verdict, status: Some(200), reason: None, gateway_id: Some("id".into()), ms: Some(12) }
}

async fn tell(stage: &Stage, test: TestId, devices: Vec<Told>, refused: Option<&str>) {
    let refused = refused.map(str::to_owned);
    let trouble = vec![(Platform::Fcm, "no connection".to_owned())];
    let outcomes =
        Outcomes { worker: WorkerId(7), at: stage.clock.now(), rehearsal: false, refused, trouble, devices };
    let bytes = serde_json::to_vec(&outcomes).unwrap();
    let objects = stage.parts.backend().objects;
    objects.put(&keys::outcomes(stage.id, test), bytes.into(), PutMode::Replace).await.unwrap();
}

fn refusal(error: ControlError) -> String {
    match error {
        ControlError::Refused(Refusal { code, .. }) => code.to_string(),
        other => other.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_is_asked_for_taken_and_told() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    let before = stage.campaign().await;
    let (test, first) = ask(&stage, false).await;
    assert_eq!((first.state, first.devices.len(), first.good), (TestState::Waiting, 3, 0));
    assert_eq!(first.devices[1].verdict, Some(Verdict::LeftOut));
    assert!(first.devices[1].sentence.contains("sandbox"), "{first:?}");
    assert_eq!(first.devices[0].device.text, "en", "the text that a device of this locale gets");
    let body = stage.parts.batches.bodies().remove(0);
    let envelope = TestEnvelope::decode(&body).unwrap();
    assert_eq!((envelope.test, envelope.dry_run, envelope.views().count()), (test, false, 2));
    assert_eq!(envelope.locales, ["de-AT"]);
    assert_eq!(take(&stage, test).await, Put::Stored);
    assert_eq!(look(&stage, test).await.state, TestState::Sending);
    tell(&stage, test, vec![told(0, Verdict::Accepted), told(1, Verdict::NotSent)], None).await;
    let done = look(&stage, test).await;
    assert_eq!((done.state, done.good), (TestState::Done, 1));
    assert_eq!(done.sentence, "1 of 3 devices accepted by Apple and Google");
    assert_eq!((done.devices[0].gateway_id.as_deref(), done.devices[0].ms), (Some("id"), Some(12)));
    let [ann, cleo, bo] = &done.devices[..] else { panic!("{done:?}") };
    assert!(ann.sentence.starts_with("accepted by Apple") && cleo.verdict == Some(Verdict::LeftOut));
    assert_eq!(bo.sentence, "not sent: Google was not reached (no connection)");
    // No token is shown, and none stands in the records.
    let asked = stage.parts.objects.peek(&keys::asked(stage.id, test)).unwrap();
    for text in [serde_json::to_string(&done).unwrap(), String::from_utf8_lossy(&asked).into_owned()] {
        assert!(!text.contains("APA91b") && !text.contains(&"0".repeat(40)), "{text}");
    }
    assert_eq!(stage.campaign().await, before, "the record is not touched");
    stage.control.flush_audit().await;
    let trail = stage.parts.audit.list(10).await.unwrap();
    let entry = trail.iter().find(|e| e.action == "campaign.test").unwrap();
    assert_eq!((entry.by.as_str(), entry.campaign), ("marta", Some(stage.id)));
    assert_eq!(entry.result, format!("test {test} to list `marketing`: 3 devices"));
}

#[tokio::test(start_paused = true)]
async fn when_no_worker_takes_it_none_ever_will() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    let (test, _) = ask(&stage, false).await;
    tokio::time::advance(TEST_TAKEN_WITHIN).await;
    assert_eq!(look(&stage, test).await.state, TestState::Waiting, "a worker's clock may be behind");
    tokio::time::advance(Duration::from_secs(2)).await;
    let over = look(&stage, test).await;
    assert_eq!(over.state, TestState::NotTaken);
    assert!(over.sentence.contains("no push worker took it within 15 s"), "{}", over.sentence);
    assert!(over.is_over() && over.devices[0].sentence == "nothing was sent to it");
    assert_eq!(take(&stage, test).await, Put::Exists, "a worker that comes now");
    // The other way round: a worker was faster than whoever looks.
    let (test, _) = ask(&stage, false).await;
    assert_eq!(take(&stage, test).await, Put::Stored);
    tokio::time::advance(TEST_TAKEN_WITHIN + Duration::from_secs(2)).await;
    assert_eq!(look(&stage, test).await.state, TestState::Sending);
    tokio::time::advance(TEST_DONE_WITHIN).await;
    let lost = look(&stage, test).await;
    assert_eq!(lost.state, TestState::Lost);
    assert!(lost.sentence.contains("may have got it"), "{}", lost.sentence);
    tell(&stage, test, vec![], Some("the content was changed")).await;
    let late = look(&stage, test).await;
    assert_eq!(
        (late.state, late.sentence.as_str()),
        (TestState::Done, "nothing was sent: the content was changed")
    );
}

/// A worker's clock may be behind: what it is sending is not called lost, so that nobody sends it again.
#[tokio::test(start_paused = true)]
async fn a_test_is_not_lost_because_a_workers_clock_is_behind() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    let (test, _) = ask(&stage, false).await;
    let taken = Taken { worker: Some(WorkerId(7)), at: stage.clock.now().minus(TEST_DONE_WITHIN) };
    let bytes = serde_json::to_vec(&taken).unwrap();
    let objects = stage.parts.backend().objects;
    objects.put(&keys::taken(stage.id, test), bytes.into(), PutMode::IfAbsent).await.unwrap();
    assert_eq!(look(&stage, test).await.state, TestState::Sending);
    tokio::time::advance(TEST_TAKEN_WITHIN + TEST_DONE_WITHIN).await;
    assert_eq!(look(&stage, test).await.state, TestState::Sending);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(look(&stage, test).await.state, TestState::Lost);
}

/// The queue's answer may be lost while the envelope is on it: whoever asks again must not reach people twice.
#[tokio::test(start_paused = true)]
async fn what_is_called_failed_is_taken_by_nobody() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    stage.parts.faults.fail_next(Call::BatchesSend, 1);
    assert!(stage.control.test(&who("marta"), stage.id, &to_list(false)).await.is_err());
    let test = only_test(&stage).await;
    assert_eq!(take(&stage, test).await, Put::Exists, "a worker that finds it all the same");
    assert_eq!(look(&stage, test).await.state, TestState::NotTaken);
}

/// The one test that was asked for, whatever was answered.
async fn only_test(stage: &Stage) -> TestId {
    let tests = format!("campaigns/{}/tests/", stage.id);
    let known = stage.parts.backend().objects.list(&tests).await.unwrap();
    let test = known.iter().find_map(|o| o.key.strip_prefix(&tests)?.strip_suffix("/asked.json")).unwrap();
    test.parse().unwrap()
}

/// A request has ten seconds: what is not queued long before that is called failed, and is then taken by nobody.
#[tokio::test(start_paused = true)]
async fn a_slow_queue_is_not_waited_for_longer_than_a_request_lasts() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    let backend = stage.parts.backend();
    let batches = SlowToSend { queue: backend.batches.clone(), answers_after: Duration::from_secs(9) };
    let slow = Control::new(Backend { batches: Arc::new(batches), ..backend }, Arc::clone(&stage.clock));
    let began = stage.clock.mono();
    assert!(slow.test(&who("marta"), stage.id, &to_list(false)).await.is_err());
    assert!(stage.clock.mono() - began < Duration::from_secs(8));
    assert_eq!(stage.parts.batches.bodies().len(), 1, "it is on the queue all the same");
    assert_eq!(take(&stage, only_test(&stage).await).await, Put::Exists);
}

#[tokio::test(start_paused = true)]
async fn it_is_for_before_the_press_and_not_during_anothers() {
    let stage = Stage::armed(10).await;
    with_list(&stage).await;
    ask(&stage, false).await;
    let other = stage
        .control
        .create(&who("engineer"), "other", Content::english("Hi", "there"), Options::default())
        .await
        .unwrap();
    stage.control.test(&who("marta"), other.id, &to_list(false)).await.unwrap();
    stage.control.press(&who("marta"), stage.id).await.unwrap();
    let own = stage.control.test(&who("marta"), stage.id, &to_list(false)).await.unwrap_err();
    assert_eq!(refusal(own), "too_late_to_test");
    let others = stage.control.test(&who("marta"), other.id, &to_list(true)).await.unwrap_err();
    assert_eq!(refusal(others), "fleet_busy");
    let rendered = TestRequest { list: None, dry_run: true };
    assert!(
        stage.control.test(&who("marta"), other.id, &rendered).await.is_ok(),
        "rendering troubles nobody"
    );
    assert_eq!(stage.campaign().await.state, State::Sending);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_tested_is_refused_with_the_reason() {
    let stage = Stage::ready(10).await;
    let test = |request: TestRequest| {
        let control = stage.control.clone();
        let id = stage.id;
        async move { control.test(&who("marta"), id, &request).await.unwrap_err() }
    };
    assert!(test(to_list(false)).await.to_string().contains("`owl testers list`"), "no such list");
    assert!(test(TestRequest::default()).await.to_string().contains("name a list"));
    let sandbox = vec![tester("Cleo", Platform::Apns, Environment::Sandbox)];
    stage.control.put_testers(&who("marta"), name(), sandbox).await.unwrap();
    assert_eq!(refusal(test(to_list(false)).await), "no_tester_left");
    with_list(&stage).await;
    let refuse = |_: &common::campaign::Campaign| {
        Err(Refusal {
            code: common::campaign::RefusalCode::NotPermitted,
            detail: "people would see this".to_owned(),
        })
    };
    let load_tester = Who { leave: Leave::asking(refuse), ..who("lea") };
    let error = stage.control.test(&load_tester, stage.id, &to_list(true)).await.unwrap_err();
    assert_eq!(refusal(error), "not_permitted");
    assert!(stage.parts.batches.bodies().is_empty(), "nothing of it is on the queue");
    let none = stage.control.test_report(stage.id, TestId::random()).await.unwrap_err();
    assert!(matches!(none, ControlError::NotFound(_)));
}

#[tokio::test(start_paused = true)]
async fn without_a_list_a_dry_run_renders_and_says_so() {
    let stage = Stage::ready(10).await;
    let mut content = Content::english("Over", "It is");
    content
        .texts
        .insert("de".to_owned(), common::content::Text { title: "Aus".to_owned(), body: String::new() });
    let Decision::Change(next) = stage.campaign().await.edit(None, Some(content), None) else {
        panic!("no edit")
    };
    stage.parts.campaigns.poke(*next);
    let report = stage
        .control
        .test(&who("marta"), stage.id, &TestRequest { list: None, dry_run: true })
        .await
        .unwrap();
    assert_eq!((report.test, report.state, report.rendered.len()), (None, TestState::Done, 4));
    assert!(report.rendered.iter().all(|r| r.fits && r.bytes > 10 && r.max_bytes == 4096), "{report:?}");
    assert!(report.sentence.contains("no gateway was asked"), "{}", report.sentence);
    assert!(stage.parts.batches.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_test_among_the_dead_letters_is_over() {
    let stage = Stage::ready(10).await;
    with_list(&stage).await;
    ask(&stage, false).await;
    let queue = &stage.parts.batches;
    for _ in 0..=RECEIVES_MAX {
        let got = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        let acks: Vec<_> = got.into_iter().map(|r| r.ack).collect();
        if !acks.is_empty() {
            queue.hide(&acks, Duration::ZERO).await.unwrap();
        }
    }
    assert_eq!(queue.depth().await.unwrap().dead, 1);
    let done = stage.control.redrive(&who("sre"), &RedriveRequest::default()).await.unwrap();
    assert_eq!((done.over, done.unreadable, done.put_back), (1, 0, 0));
    assert!(queue.bodies().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lists_are_kept_replaced_and_removed() {
    let stage = Stage::ready(1).await;
    with_list(&stage).await;
    let control = &stage.control;
    let lists = control.tester_lists().await.unwrap();
    assert_eq!((lists.len(), lists[0].devices, lists[0].changed.by.as_str()), (1, 3, "marta"));
    let one = vec![tester("Ann", Platform::Apns, Environment::Production)];
    control.put_testers(&who("max"), name(), one).await.unwrap();
    assert_eq!(control.testers(&name()).await.unwrap().devices.len(), 1);
    control.remove_testers(&who("max"), &name()).await.unwrap();
    assert!(control.remove_testers(&who("max"), &name()).await.is_err());
    assert!(control.tester_lists().await.unwrap().is_empty());
    stage.parts.objects.poke(&keys::list(&name()), Some("{".into()));
    let error = control.testers(&name()).await.unwrap_err().to_string();
    assert!(error.contains("marketing") && error.contains("put it again"), "{error}");
    control.put_testers(&who("max"), "qa".parse().unwrap(), vec![]).await.unwrap();
    let lists = control.tester_lists().await.unwrap();
    assert_eq!(lists.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["qa"], "the others are shown");
    stage.parts.faults.down(Call::ObjectsGet, true);
    assert!(control.tester_lists().await.is_err(), "a store that is away is no empty list");
    stage.parts.faults.clear();
    for n in 0..common::limits::TESTER_LISTS_MAX {
        let _ = control.put_testers(&who("max"), format!("l{n}").parse().unwrap(), vec![]).await;
    }
    let error = control.put_testers(&who("max"), "more".parse().unwrap(), vec![]).await.unwrap_err();
    assert_eq!(refusal(error), "too_many_lists");
}
