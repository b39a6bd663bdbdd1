//! Test sends: who takes them, what they come to, and that the campaign does not notice.

use crate::bench::{Bench, config, gateways};
use crate::fake::Script;
use crate::world::{Spec, World};
use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::envelope::NewEnvelope;
use common::ids::ContentId;
use common::limits::{TEST_DONE_WITHIN, TEST_TAKEN_WITHIN, TESTERS_MAX};
use common::outcome::Outcome;
use common::ports::{Fleet, Put, PutMode, Queue};
use common::test_send::{Outcomes, Taken, TestEnvelope, TestId, Verdict, keys};
use contract::memory::Call;
use push_worker::gateway::Answer;
use push_worker::{Lane, PushConfig, Shared};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Nobody has pressed, and the worker looks on.
async fn quiet(spec: Spec) -> Bench {
    quiet_with(spec, config()).await
}

async fn quiet_with(spec: Spec, config: PushConfig) -> Bench {
    let world = World::ready(spec).await;
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    let shared = Shared::new(world.parts.backend(), Arc::clone(&world.clock), config);
    let lane = Lane::new(Arc::clone(&shared), 0, gateways(&world, &apns, &fcm));
    let bench = Bench { world, shared, lane, apns, fcm };
    bench.prepare().await;
    bench
}

/// Some of the audience's own devices: three at Apple's, two at Google's.
pub(crate) fn targets(world: &World) -> Vec<Target> {
    let views =
        world.shards.iter().flat_map(|s| (0..s.batches()).filter_map(|b| s.batch(common::ids::BatchNo(b))));
    let all: Vec<Target> = views
        .flat_map(|body| {
            common::envelope::BatchBody::new(&body).devices().map(|d| d.target.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let of = |platform, n| all.iter().filter(move |t| t.platform() == platform).take(n).cloned();
    of(Platform::Apns, 3).chain(of(Platform::Fcm, 2)).collect()
}

pub(crate) fn envelope(world: &World, targets: &[Target], dry_run: bool) -> TestEnvelope {
    let (body, locales) = TestEnvelope::devices_of(targets.iter().map(|t| (t.as_ref(), "en")));
    let campaign = &world.campaign;
    let take_by = world.clock.now().plus(TEST_TAKEN_WITHIN);
    let (id, content) = (campaign.id, campaign.content_id);
    TestEnvelope { campaign: id, test: TestId::random(), content, dry_run, take_by, locales, body }
}

pub(crate) async fn put(world: &World, test: &TestEnvelope) {
    world.parts.batches.send(&[NewEnvelope::plain(test.encode())]).await.expect("sent");
}

pub(crate) fn outcomes(world: &World, test: &TestEnvelope) -> Option<Outcomes> {
    let bytes = world.parts.objects.peek(&keys::outcomes(test.campaign, test.test))?;
    Some(serde_json::from_slice(&bytes).expect("outcomes"))
}

pub(crate) fn verdicts(outcomes: &Outcomes) -> Vec<Verdict> {
    outcomes.devices.iter().map(|d| d.verdict).collect()
}

fn tested(bench: &Bench) -> u32 {
    [&bench.apns, &bench.fcm].iter().map(|s| s.tested.borrow().values().sum::<u32>()).sum()
}

#[tokio::test(start_paused = true)]
async fn testers_get_it_and_the_press_reaches_them_once_all_the_same() {
    let mut bench = quiet(Spec::default()).await;
    let before = bench.world.campaign.clone();
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench.world, &test).expect("done");
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
    let test = envelope(&bench.world, &targets(&bench.world), true);
    bench
        .fcm
        .answers(|hash, _| if hash % 2 == 0 { Answer::Accepted } else { Answer::TokenGone { since: None } });
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    let told = verdicts(&outcomes(&bench.world, &test).expect("done"));
    assert_eq!(told[..3], [Verdict::Checked; 3]);
    assert!(told[3..].iter().all(|v| matches!(v, Verdict::Valid | Verdict::Unregistered)), "{told:?}");
    assert_eq!((tested(&bench), bench.writes()), (0, 0));
    assert_eq!((bench.apns.looked_at.borrow().len(), bench.fcm.looked_at.borrow().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_test_that_comes_twice_is_sent_once() {
    let bench = quiet(Spec::default()).await;
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(tested(&bench), 5);
    // And not at all by a worker that comes after the API has said that nobody took it.
    let late = envelope(&bench.world, &targets(&bench.world), false);
    let nobody = Taken { worker: None, at: bench.world.clock.now() };
    let put_taken = bench.world.parts.backend().objects;
    let bytes = serde_json::to_vec(&nobody).expect("json");
    let stored = put_taken.put(&keys::taken(late.campaign, late.test), bytes.into(), PutMode::IfAbsent).await;
    assert_eq!(stored, Ok(Put::Stored));
    put(&bench.world, &late).await;
    bench.drain(MINUTE).await;
    assert_eq!((tested(&bench), outcomes(&bench.world, &late)), (5, None));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_sent_any_more_is_not() {
    let bench = quiet(Spec::default()).await;
    let late = envelope(&bench.world, &targets(&bench.world), false);
    let late = TestEnvelope { take_by: bench.world.clock.now().minus(MINUTE / 2), ..late };
    put(&bench.world, &late).await;
    let edited =
        TestEnvelope { content: ContentId([9; 32]), ..envelope(&bench.world, &targets(&bench.world), false) };
    put(&bench.world, &edited).await;
    bench.drain(MINUTE).await;
    assert_eq!(outcomes(&bench.world, &late), None);
    let told = outcomes(&bench.world, &edited).expect("told");
    assert!(told.refused.as_deref().is_some_and(|why| why.contains("was changed")), "{told:?}");
    assert_eq!((tested(&bench), told.devices.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_the_press_a_test_is_refused_and_the_blast_goes_on() {
    let bench = Bench::new(Spec::default()).await;
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench.world, &test).expect("told");
    assert!(told.refused.as_deref().is_some_and(|why| why.contains("has been pressed")), "{told:?}");
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes(), tested(&bench)), (100, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_out_of_reach_is_said_and_the_other_is_used() {
    let bench = quiet(Spec::default()).await;
    *bench.apns.prepare.borrow_mut() = Err("no connection: refused".to_owned());
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench.world, &test).expect("told");
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
        let test = envelope(&bench.world, &targets(&bench.world)[..1], false);
        put(&bench.world, &test).await;
        bench.drain(MINUTE).await;
        assert_eq!(verdicts(&outcomes(&bench.world, &test).expect("told")), [verdict], "{answer:?}");
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
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    faults.fail_call(Call::ObjectsPut, 0);
    assert_eq!(bench.lane.step().await, 1);
    assert_eq!((tested(&bench), bench.world.parts.batches.bodies().len()), (0, 1), "given back");
    // The next put takes it, the two behind it fail to write the outcomes.
    faults.fail_call(Call::ObjectsPut, 1);
    faults.fail_call(Call::ObjectsPut, 2);
    bench.drain(MINUTE).await;
    assert_eq!((tested(&bench), verdicts(&outcomes(&bench.world, &test).expect("told")).len()), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn rubbish_of_the_kind_stays_for_the_dead_letters() {
    let bench = quiet(Spec::default()).await;
    let good = envelope(&bench.world, &targets(&bench.world), false);
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
    let test = envelope(&bench.world, &all, false);
    assert!(test.encode().len() <= common::limits::ENVELOPE_BYTES_MAX);
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench.world, &test).expect("told")), [Verdict::Accepted; TESTERS_MAX]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_content_has_an_id_of_its_own_too() {
    let mut bench = quiet(Spec::default()).await;
    let edit = bench.world.campaign.edit(None, Some(Content::silent()), None);
    bench.world.store(edit).await;
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench.world, &test).expect("told")), [Verdict::Accepted; 5]);
    assert!(bench.fcm.collapse_ids.borrow().iter().all(Option::is_some));
}

/// Patience may be a minute, and a gateway may hang for good: before the test counts as lost, it is over.
#[tokio::test(start_paused = true)]
async fn whatever_a_gateway_does_a_test_is_over_before_it_counts_as_lost() {
    for stuck in [false, true] {
        let bench = quiet_with(Spec::default(), PushConfig { patience: MINUTE, ..config() }).await;
        bench.apns.answers_after.set(60 * MINUTE);
        bench.apns.twin_is_stuck.set(stuck);
        bench.apns.twin_ready_after.set(Duration::from_secs(11));
        let test = envelope(&bench.world, &targets(&bench.world), false);
        put(&bench.world, &test).await;
        let took = bench.drain(MINUTE);
        tokio::time::timeout(TEST_DONE_WITHIN - Duration::from_secs(10), took).await.expect("over in time");
        let told = verdicts(&outcomes(&bench.world, &test).expect("told"));
        assert_eq!(told[..3], [Verdict::NoAnswer; 3]);
        assert_eq!(told[3..], [Verdict::Accepted; 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_press_while_a_test_is_made_ready_keeps_it_from_being_sent() {
    let mut bench = quiet(Spec::default()).await;
    bench.world.arm().await;
    bench.shared.look().await;
    bench.apns.twin_ready_after.set(Duration::from_secs(5));
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    let (shared, lane, world) = (Arc::clone(&bench.shared), Rc::clone(&bench.lane), &mut bench.world);
    let press = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.press().await;
        shared.look().await;
    };
    tokio::join!(lane.step(), press);
    let told = outcomes(&bench.world, &test).expect("told");
    assert_eq!(verdicts(&told)[..3], [Verdict::NotSent; 3]);
    assert_eq!(told.trouble[0].0, Platform::Apns);
    assert!(told.trouble[0].1.contains("is being sent"), "{told:?}");
    assert_eq!(bench.apns.tested.borrow().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_another_campaign_is_sent_a_test_is_refused() {
    let bench = Bench::new(Spec::default()).await;
    let other = common::campaign::Campaign::new(
        "other",
        Content::english("Hi", "there"),
        common::campaign::Options::default(),
        common::campaign::Stamp::new("eve", bench.world.clock.now()),
    );
    bench.world.parts.campaigns.poke(other.clone());
    let of_this = envelope(&bench.world, &targets(&bench.world), false);
    let test = TestEnvelope { campaign: other.id, content: other.content_id, ..of_this };
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    let told = outcomes(&bench.world, &test).expect("told");
    assert!(told.refused.as_deref().is_some_and(|why| why.contains("is being sent")), "{told:?}");
    assert_eq!(tested(&bench), 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_clock_is_ahead_throws_no_test_away() {
    let bench = quiet(Spec::default()).await;
    let test = envelope(&bench.world, &targets(&bench.world), false);
    let test = TestEnvelope { take_by: bench.world.clock.now().minus(Duration::from_secs(5)), ..test };
    put(&bench.world, &test).await;
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench.world, &test).expect("told")), [Verdict::Accepted; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_test_whose_taking_was_stored_without_an_answer_is_done() {
    let bench = quiet(Spec::default()).await;
    let faults = &bench.world.parts.faults;
    let test = envelope(&bench.world, &targets(&bench.world), false);
    put(&bench.world, &test).await;
    faults.lose_answer(Call::ObjectsPut, 0);
    bench.drain(MINUTE).await;
    assert_eq!(verdicts(&outcomes(&bench.world, &test).expect("told")), [Verdict::Accepted; 5]);
    assert_eq!(tested(&bench), 5);
    // Another worker's it is not, whatever went wrong here.
    let others = envelope(&bench.world, &targets(&bench.world), false);
    let taken = Taken { worker: Some(common::ids::WorkerId(7)), at: bench.world.clock.now() };
    let bytes = serde_json::to_vec(&taken).expect("json");
    let objects = bench.world.parts.backend().objects;
    let key = keys::taken(others.campaign, others.test);
    objects.put(&key, bytes.into(), PutMode::IfAbsent).await.expect("stored");
    put(&bench.world, &others).await;
    faults.fail_call(Call::ObjectsPut, 0);
    bench.drain(MINUTE).await;
    assert_eq!((tested(&bench), outcomes(&bench.world, &others)), (5, None));
}

/// Received together, while the first one's gateway hangs: the others go back at once, for other workers.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_busy_gives_the_other_tests_back_at_once() {
    let bench = quiet(Spec::default()).await;
    bench.apns.answers_after.set(60 * MINUTE);
    for _ in 0..3 {
        put(&bench.world, &envelope(&bench.world, &targets(&bench.world), false)).await;
    }
    let queue = Arc::clone(&bench.world.parts.batches);
    let look = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue.receive(10, Duration::ZERO, Duration::ZERO).await.expect("received").len()
    };
    let (_, seen) = tokio::join!(bench.lane.step(), look);
    assert_eq!(seen, 2);
}
