//! Test sends: who takes them, what they come to, and that the campaign does not notice.

use crate::bench::{Bench, config, gateways};
use crate::fake::Script;
use crate::world::{Spec, World};
use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::envelope::NewEnvelope;
use common::ids::ContentId;
use common::limits::{TEST_TAKEN_WITHIN, TESTERS_MAX};
use common::outcome::Outcome;
use common::ports::{Fleet, Put, PutMode, Queue};
use common::test_send::{Outcomes, Taken, TestEnvelope, TestId, Verdict, keys};
use contract::memory::Call;
use push_worker::gateway::Answer;
use push_worker::{Lane, Shared};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Nobody has pressed, and the worker looks on.
async fn quiet(spec: Spec) -> Bench {
    let world = World::ready(spec).await;
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    let shared = Shared::new(world.parts.backend(), Arc::clone(&world.clock), config());
    let lane = Lane::new(Arc::clone(&shared), 0, gateways(&world, &apns, &fcm));
    let bench = Bench { world, shared, lane, apns, fcm };
    bench.prepare().await;
    bench
}

/// Some of the audience's own devices: three at Apple's, two at Google's.
fn targets(bench: &Bench) -> Vec<Target> {
    let views = bench
        .world
        .shards
        .iter()
        .flat_map(|s| (0..s.batches()).filter_map(|b| s.batch(common::ids::BatchNo(b))));
    let all: Vec<Target> = views
        .flat_map(|body| {
            common::envelope::BatchBody::new(&body).devices().map(|d| d.target.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let of = |platform, n| all.iter().filter(move |t| t.platform() == platform).take(n).cloned();
    of(Platform::Apns, 3).chain(of(Platform::Fcm, 2)).collect()
}

fn envelope(bench: &Bench, targets: &[Target], dry_run: bool) -> TestEnvelope {
    let (body, locales) = TestEnvelope::devices_of(targets.iter().map(|t| (t.as_ref(), "en")));
    let campaign = &bench.world.campaign;
    let take_by = bench.world.clock.now().plus(TEST_TAKEN_WITHIN);
    let (id, content) = (campaign.id, campaign.content_id);
    TestEnvelope { campaign: id, test: TestId::random(), content, dry_run, take_by, locales, body }
}

async fn put(bench: &Bench, test: &TestEnvelope) {
    bench.world.parts.batches.send(&[NewEnvelope::plain(test.encode())]).await.expect("sent");
}

fn outcomes(bench: &Bench, test: &TestEnvelope) -> Option<Outcomes> {
    let bytes = bench.world.parts.objects.peek(&keys::outcomes(test.campaign, test.test))?;
    Some(serde_json::from_slice(&bytes).expect("outcomes"))
}

fn verdicts(outcomes: &Outcomes) -> Vec<Verdict> {
    outcomes.devices.iter().map(|d| d.verdict).collect()
}

fn tested(bench: &Bench) -> u32 {
    [&bench.apns, &bench.fcm].iter().map(|s| s.tested.borrow().values().sum::<u32>()).sum()
}

#[tokio::test(start_paused = true)]
async fn testers_get_it_and_the_press_reaches_them_once_all_the_same() {
    let mut bench = quiet(Spec::default()).await;
    let before = bench.world.campaign.clone();
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench, &test).expect("done");
    assert_eq!(verdicts(&told), [Verdict::Accepted; 5]);
    assert!(told.rehearsal && told.refused.is_none() && told.trouble.is_empty(), "{told:?}");
    let places: Vec<_> = told.devices.iter().map(|d| (d.place, d.gateway_id.clone(), d.status)).collect();
    assert_eq!(places[4], (4, Some("id-4".to_owned()), Some(200)));
    assert!(told.devices.iter().all(|d| d.ms == Some(20)), "{told:?}");
    assert_eq!((tested(&bench), bench.writes()), (5, 0));
    let own = bench.apns.collapse_ids.borrow()[0].clone().expect("an id of its own");
    assert_ne!(own, before.id.to_string());
    // Nothing counts, nothing is claimed, nothing moved.
    bench.shared.report().await;
    assert!(bench.world.parts.fleet.counters(before.id, 0).await.expect("rows").is_empty());
    assert!(bench.world.records().await.is_empty());
    assert_eq!(bench.world.parts.campaigns.peek(before.id), Some(before));
    // The evening.
    bench.world.arm().await;
    bench.world.press().await;
    bench.world.send_batches().await;
    bench.prepare().await;
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.writes(), bench.most_writes()), (100, 100, 1));
    assert_eq!(tested(&bench), 5);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_asks_google_only() {
    let bench = quiet(Spec::default()).await;
    let test = envelope(&bench, &targets(&bench), true);
    bench
        .fcm
        .answers(|hash, _| if hash % 2 == 0 { Answer::Accepted } else { Answer::TokenGone { since: None } });
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    let told = verdicts(&outcomes(&bench, &test).expect("done"));
    assert_eq!(told[..3], [Verdict::Checked; 3]);
    assert!(told[3..].iter().all(|v| matches!(v, Verdict::Valid | Verdict::Unregistered)), "{told:?}");
    assert_eq!((tested(&bench), bench.writes()), (0, 0));
    assert_eq!((bench.apns.looked_at.borrow().len(), bench.fcm.looked_at.borrow().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_test_that_comes_twice_is_sent_once() {
    let bench = quiet(Spec::default()).await;
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(tested(&bench), 5);
    // And not at all by a worker that comes after the API has said that nobody took it.
    let late = envelope(&bench, &targets(&bench), false);
    let nobody = Taken { worker: None, at: bench.world.clock.now() };
    let put_taken = bench.world.parts.backend().objects;
    let bytes = serde_json::to_vec(&nobody).expect("json");
    let stored = put_taken.put(&keys::taken(late.campaign, late.test), bytes.into(), PutMode::IfAbsent).await;
    assert_eq!(stored, Ok(Put::Stored));
    put(&bench, &late).await;
    bench.drain(MINUTE).await;
    assert_eq!((tested(&bench), outcomes(&bench, &late)), (5, None));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_sent_any_more_is_not() {
    let bench = quiet(Spec::default()).await;
    let late = envelope(&bench, &targets(&bench), false);
    let late = TestEnvelope { take_by: bench.world.clock.now(), ..late };
    put(&bench, &late).await;
    let edited = TestEnvelope { content: ContentId([9; 32]), ..envelope(&bench, &targets(&bench), false) };
    put(&bench, &edited).await;
    bench.drain(MINUTE).await;
    assert_eq!(outcomes(&bench, &late), None);
    let told = outcomes(&bench, &edited).expect("told");
    assert!(told.refused.as_deref().is_some_and(|why| why.contains("was changed")), "{told:?}");
    assert_eq!((tested(&bench), told.devices.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_the_press_a_test_is_refused_and_the_blast_goes_on() {
    let bench = Bench::new(Spec::default()).await;
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench, &test).expect("told");
    assert!(told.refused.as_deref().is_some_and(|why| why.contains("has been pressed")), "{told:?}");
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes(), tested(&bench)), (100, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_out_of_reach_is_said_and_the_other_is_used() {
    let bench = quiet(Spec::default()).await;
    *bench.apns.prepare.borrow_mut() = Err("no connection: refused".to_owned());
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench, &test).expect("told");
    assert_eq!(verdicts(&told)[..3], [Verdict::NotSent; 3]);
    assert_eq!(verdicts(&told)[3..], [Verdict::Accepted; 2]);
    assert_eq!(told.trouble, [(Platform::Apns, "no connection: refused".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn answers_become_verdicts_and_some_are_asked_for_twice() {
    let cases = [
        (Answer::TokenGone { since: None }, Verdict::Unregistered, 1),
        (Answer::Rejected(Outcome::BadDeviceToken), Verdict::BadDeviceToken, 1),
        (Answer::Rejected(Outcome::TokenNotForTopic), Verdict::TokenNotForTopic, 1),
        (Answer::Rejected(Outcome::SenderIdMismatch), Verdict::SenderIdMismatch, 1),
        (Answer::Rejected(Outcome::PayloadTooLarge), Verdict::PayloadTooLarge, 1),
        (Answer::Rejected(Outcome::Unknown), Verdict::Unknown, 1),
        (Answer::Throttled { retry_after: None, device: true }, Verdict::Throttled, 1),
        (Answer::Unavailable { retry_after: None }, Verdict::GatewayUnavailable, 2),
        (Answer::CredentialsExpired, Verdict::Misconfigured, 2),
        (Answer::Misconfigured, Verdict::Misconfigured, 1),
        (Answer::NotSent, Verdict::NotSent, 2),
        (Answer::Ambiguous, Verdict::NoAnswer, 1),
    ];
    let bench = quiet(Spec::default()).await;
    for (answer, verdict, times) in cases {
        bench.apns.always(answer);
        bench.apns.tested.borrow_mut().clear();
        let test = envelope(&bench, &targets(&bench)[..1], false);
        put(&bench, &test).await;
        bench.drain(MINUTE).await;
        assert_eq!(verdicts(&outcomes(&bench, &test).expect("told")), [verdict], "{answer:?}");
        assert_eq!(bench.apns.tested.borrow().values().sum::<u32>(), times, "{answer:?}");
    }
    // A test teaches the blast's breaker nothing.
    assert!(!bench.shared_row_tripped());
}

impl Bench {
    fn shared_row_tripped(&self) -> bool {
        self.shared.row().tripped
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_gives_the_test_back_and_a_slow_one_loses_no_outcome() {
    let bench = quiet(Spec::default()).await;
    let faults = &bench.world.parts.faults;
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    faults.fail_call(Call::ObjectsPut, 0);
    assert_eq!(bench.lane.step().await, 1);
    assert_eq!((tested(&bench), bench.world.parts.batches.bodies().len()), (0, 1), "given back");
    // The next put takes it, the two behind it fail to write the outcomes.
    faults.fail_call(Call::ObjectsPut, 1);
    faults.fail_call(Call::ObjectsPut, 2);
    bench.drain(MINUTE).await;
    assert_eq!((tested(&bench), verdicts(&outcomes(&bench, &test).expect("told")).len()), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn rubbish_of_the_kind_stays_for_the_dead_letters() {
    let bench = quiet(Spec::default()).await;
    let good = envelope(&bench, &targets(&bench), false);
    let mut newer = good.encode().to_vec();
    newer[1] = 2;
    for body in [newer, b"T".to_vec(), good.encode()[..60].to_vec()] {
        bench.world.parts.batches.send(&[NewEnvelope::plain(body.into())]).await.expect("sent");
    }
    bench.lane.step().await;
    assert_eq!((bench.world.parts.batches.bodies().len(), tested(&bench)), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn the_largest_list_fits_one_envelope() {
    let bench = quiet(Spec::default()).await;
    let token = |n: usize| {
        let text = format!("{n:0700}");
        Target::parse(Platform::Fcm, TargetKind::Token, &text).expect("a token")
    };
    let all: Vec<_> = (0..TESTERS_MAX).map(token).collect();
    let test = envelope(&bench, &all, false);
    assert!(test.encode().len() <= common::limits::ENVELOPE_BYTES_MAX);
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench, &test).expect("told")), [Verdict::Accepted; TESTERS_MAX]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_content_has_an_id_of_its_own_too() {
    let mut bench = quiet(Spec::default()).await;
    let edit = bench.world.campaign.edit(None, Some(Content::silent()), None);
    bench.world.store(edit).await;
    let test = envelope(&bench, &targets(&bench), false);
    put(&bench, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench, &test).expect("told")), [Verdict::Accepted; 5]);
    assert!(bench.fcm.collapse_ids.borrow().iter().all(Option::is_some));
}
