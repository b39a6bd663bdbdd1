//! What gateways answer, and what becomes of it.

use crate::bench::Bench;
use crate::world::{Spec, World};
use common::device::Platform;
use common::limits::{ATTEMPTS_MAX, CLAIM_LEASE, CLAIM_MARGIN};
use common::outcome::Outcome;
use common::ports::{Fleet, Queue};
use common::time::UnixMs;
use contract::memory::Call;
use push_worker::gateway::Answer;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn everybody_gets_one_push_and_the_queue_ends_empty() {
    let bench = Bench::new(Spec { users: 1000, shards: 3, ..Spec::default() }).await;
    bench.drain(MINUTE).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 1000);
    assert_eq!((bench.apns.devices() + bench.fcm.devices(), bench.writes()), (1000, 1000));
    assert!(bench.world.parts.batches.depth().await.expect("depth").is_empty());
    tokio::time::advance(Duration::from_secs(1)).await;
    bench.shared.report().await;
    let rows = bench.world.parts.fleet.counters(bench.world.campaign.id, 0).await.expect("rows");
    let bytes = [Platform::Apns, Platform::Fcm].map(|p| Outcome::Accepted.to_byte(p));
    let outcomes = rows.iter().flat_map(|r| &r.outcomes);
    let counted: u32 = outcomes.filter(|(b, _)| bytes.contains(b)).map(|(_, n)| n).sum();
    assert_eq!(counted, 1000);
    assert_eq!(rows.iter().flat_map(|r| &r.latency).sum::<u32>(), 1000);
}

#[tokio::test(start_paused = true)]
async fn batches_that_end_together_share_their_calls() {
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    assert_eq!(bench.lane.step().await, 10);
    let faults = &bench.world.parts.faults;
    let calls = [Call::LedgerClaim, Call::LedgerComplete, Call::BatchesDelete].map(|c| faults.count(c));
    assert_eq!(calls, [1, 1, 1]);
    assert_eq!(bench.count(Outcome::Accepted).await, 100);
}

#[tokio::test(start_paused = true)]
async fn dead_tokens_and_refusals_are_recorded_once() {
    let bench = Bench::new(Spec::default()).await;
    bench.apns.answers(|hash, _| match hash % 3 {
        0 => Answer::TokenGone { since: Some(UnixMs(77)) },
        1 => Answer::Rejected(Outcome::TokenNotForTopic),
        _ => Answer::Accepted,
    });
    bench.fcm.answers(|hash, _| {
        if hash.is_multiple_of(2) {
            Answer::Throttled { retry_after: None, device: true }
        } else {
            Answer::Accepted
        }
    });
    bench.drain(MINUTE).await;
    let records = bench.world.records().await;
    assert!(records.iter().flat_map(|r| &r.dead_since).all(|(_, since)| *since == UnixMs(77)));
    let gone = records.iter().map(|r| r.dead_since.len()).sum::<usize>();
    assert!(gone > 5 && gone == bench.count(Outcome::Unregistered).await);
    assert!(bench.count(Outcome::TokenNotForTopic).await > 5);
    let throttled = bench.count(Outcome::TooManyRequests).await;
    assert!(throttled > 5);
    // A throttled device is tried until no attempt is left; everything else is written once.
    let again = u32::try_from(throttled).unwrap_or(0) * u32::from(common::limits::ATTEMPTS_MAX - 1);
    assert_eq!((bench.pending().await, bench.writes()), (0, 100 + again));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_rate_comes_back_after_its_time_and_ends_as_quota_exceeded() {
    let bench = Bench::new(Spec { users: 20, ..Spec::default() }).await;
    let wait = Some(Duration::from_secs(7));
    bench.fcm.answers(move |_, before| match before {
        0 => Answer::Throttled { retry_after: wait, device: false },
        _ => Answer::Accepted,
    });
    let began = bench.world.clock.mono();
    bench.drain(MINUTE).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 20);
    assert!(bench.world.clock.mono() - began >= Duration::from_secs(7));

    let bench = Bench::new(Spec { users: 20, fcm_one_in: 1, ..Spec::default() }).await;
    bench.fcm.always(Answer::Throttled { retry_after: None, device: false });
    bench.drain(10 * MINUTE).await;
    assert_eq!(bench.count(Outcome::QuotaExceeded).await, 20);
    assert_eq!(bench.most_writes(), u32::from(ATTEMPTS_MAX));
}

#[tokio::test(start_paused = true)]
async fn a_pause_at_one_gateway_does_not_stop_the_other() {
    let bench = Bench::new(Spec { users: 400, ..Spec::default() }).await;
    let wait = Some(Duration::from_secs(30));
    bench.fcm.answers(move |_, before| match before {
        0 => Answer::Throttled { retry_after: wait, device: false },
        _ => Answer::Accepted,
    });
    bench.drain(Duration::from_secs(5)).await;
    assert_eq!(bench.apns.devices(), 200, "all of Apple's are through");
    bench.drain(5 * MINUTE).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 400);
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_tried_once_at_once_and_then_later() {
    let bench = Bench::new(Spec { users: 20, fcm_one_in: 1, ..Spec::default() }).await;
    bench.fcm.answers(|_, before| match before {
        0 => Answer::Unavailable { retry_after: None },
        _ => Answer::Accepted,
    });
    assert_eq!(bench.lane.step().await, 2);
    assert_eq!(bench.count(Outcome::Accepted).await, 20);
    assert!(bench.world.queued().is_empty(), "no envelope was needed");

    let bench = Bench::new(Spec { users: 20, fcm_one_in: 1, ..Spec::default() }).await;
    bench.fcm.answers(|hash, _| match hash % 4 {
        0 => Answer::Unavailable { retry_after: None },
        _ => Answer::Accepted,
    });
    bench.drain(10 * MINUTE).await;
    assert_eq!(bench.pending().await, 0);
    assert!(bench.count(Outcome::GatewayUnavailable).await > 0);
    assert_eq!(bench.most_writes(), 2 * u32::from(ATTEMPTS_MAX));
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_tried_once_more_and_then_count_as_misconfigured() {
    let bench = Bench::new(Spec { users: 40, ..Spec::default() }).await;
    bench.apns.answers(|_, before| if before == 0 { Answer::CredentialsExpired } else { Answer::Accepted });
    bench.drain(MINUTE).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 40);

    let bench = Bench::new(Spec { users: 40, ..Spec::default() }).await;
    bench.apns.answers(
        |hash, _| {
            if hash.is_multiple_of(4) { Answer::CredentialsExpired } else { Answer::Accepted }
        },
    );
    bench.drain(5 * MINUTE).await;
    assert!(bench.count(Outcome::Misconfigured).await > 0);
    assert_eq!(bench.pending().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_answered_is_ambiguous_and_not_sent_again() {
    let bench = Bench::new(Spec { users: 20, ..Spec::default() }).await;
    bench.apns.answers_after.set(Duration::from_secs(3600));
    bench.drain(MINUTE).await;
    assert_eq!(bench.count(Outcome::Ambiguous).await, 10);
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn an_option_allows_to_send_the_ambiguous_again() {
    let options = common::campaign::Options { resend_ambiguous: true, ..Default::default() };
    let bench = Bench::new(Spec { users: 20, options, ..Spec::default() }).await;
    bench.apns.answers(|_, before| if before == 0 { Answer::Ambiguous } else { Answer::Accepted });
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (20, 2));
    assert_eq!(bench.doubled_at_most().await, 10);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_comes_again_at_no_cost() {
    let bench = Bench::new(Spec { users: 20, ..Spec::default() }).await;
    let refusals = std::cell::Cell::new(0);
    bench.apns.answers(move |_, _| {
        refusals.set(refusals.get() + 1);
        if refusals.get() < 400 { Answer::NotSent } else { Answer::Accepted }
    });
    bench.drain(5 * MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_send_is_renewed_and_nobody_else_gets_the_batch() {
    let bench = Bench::new(Spec { users: 10, ..Spec::default() }).await;
    bench.apns.group.set(1);
    bench.apns.between.set(Duration::from_secs(5));
    bench.looking(bench.lane.step()).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (10, 1));
    assert!(bench.world.clock.mono() > 2 * CLAIM_LEASE);
    assert!(bench.world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_lease_lapses_stops_before_the_margin() {
    let bench = Bench::new(Spec { users: 10, fcm_one_in: 1000, ..Spec::default() }).await;
    bench.world.parts.faults.down(Call::LedgerRenew, true);
    bench.apns.group.set(1);
    bench.apns.between.set(Duration::from_secs(1));
    let began = bench.world.clock.now();
    bench.looking(bench.lane.step()).await;
    let wrote_for = bench.apns.last_written.get().since(began);
    assert!(wrote_for < CLAIM_LEASE - CLAIM_MARGIN, "wrote for {wrote_for:?}");
    bench.world.parts.faults.clear();
    bench.apns.between.set(Duration::ZERO);
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn an_abort_in_mid_batch_stops_the_writing_and_leaves_exact_books() {
    let mut bench =
        Bench::new(Spec { users: 100, batch_users: 100, fcm_one_in: 1000, ..Spec::default() }).await;
    bench.apns.group.set(10);
    bench.apns.between.set(Duration::from_millis(100));
    let shared = std::sync::Arc::clone(&bench.shared);
    let (lane, world) = (std::rc::Rc::clone(&bench.lane), &mut bench.world);
    let abort = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        world.abort().await;
        shared.look().await;
    };
    tokio::join!(lane.step(), abort);
    // Four groups of ten at Apple's, and the one device at Google's.
    assert_eq!((bench.count(Outcome::Accepted).await, bench.writes()), (41, 41));
    assert_eq!(bench.count(Outcome::Unsent).await, 59);
    assert!(bench.world.queued().is_empty(), "nothing comes again of a run that is over");
    bench.world.resume().await;
    bench.world.send_batches().await;
    bench.apns.between.set(Duration::ZERO);
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn a_completed_batch_that_comes_again_sends_nothing() {
    let bench = Bench::new(Spec { users: 30, ..Spec::default() }).await;
    bench.drain(MINUTE).await;
    bench.world.send_batches().await;
    bench.drain(MINUTE).await;
    assert_eq!(bench.writes(), 30);
    assert!(bench.world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_batch_twice_at_once_sends_once() {
    let bench = Bench::new(Spec { users: 30, ..Spec::default() }).await;
    bench.world.send_batches().await;
    bench.drain(MINUTE).await;
    assert_eq!((bench.writes(), bench.count(Outcome::Accepted).await), (30, 30));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_another_holds_is_hidden_for_the_rest_of_its_lease() {
    use common::ids::WorkerId;
    use common::ledger::ClaimRequest;
    use common::ports::Ledger;
    let bench = Bench::new(Spec { users: 10, ..Spec::default() }).await;
    let batch = &bench.world.batches()[0];
    let ask = ClaimRequest {
        key: batch.key,
        epoch: batch.head.epoch,
        holder: WorkerId(99),
        lease: CLAIM_LEASE,
        blank: vec![0; 10],
        only: vec![],
        resend_ambiguous: false,
        now: bench.world.clock.now(),
    };
    bench.world.parts.ledger.claim_many(bench.world.campaign.id, &[ask]).await.expect("claimed");
    bench.lane.step().await;
    assert_eq!(bench.writes(), 0);
    tokio::time::advance(CLAIM_LEASE - Duration::from_millis(100)).await;
    bench.shared.look().await;
    assert_eq!(bench.lane.step().await, 0, "still hidden");
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(bench.lane.step().await, 1);
    assert_eq!(bench.count(Outcome::Accepted).await, 10);
    assert_eq!(bench.doubled_at_most().await, 10, "the other one vanished");
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_nothing_is_sent_and_the_envelopes_go() {
    let bench = Bench::new(Spec { users: 30, ..Spec::default() }).await;
    tokio::time::advance(Duration::from_secs(600)).await;
    bench.drain(MINUTE).await;
    assert_eq!(bench.writes(), 0);
    assert!(bench.world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_mid_batch_stops_the_writing_and_leaves_the_rest_unsent() {
    let bench = Bench::new(Spec { users: 100, batch_users: 100, fcm_one_in: 1000, ..Spec::default() }).await;
    bench.apns.group.set(10);
    bench.apns.between.set(Duration::from_millis(100));
    tokio::time::advance(Duration::from_millis(599_650)).await;
    bench.prepare().await;
    bench.looking(bench.lane.step()).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.count(Outcome::Unsent).await), (41, 59));
    assert!(bench.world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pacing_keeps_to_the_quota_and_holds_no_claims_while_waiting() {
    let bench = Bench::new(Spec { users: 1000, fcm_one_in: 1, ..Spec::default() }).await;
    bench.fcm.quota_per_s.set(Some(50));
    bench.lane.tend().await;
    bench.shared.report().await;
    bench.shared.look_at_fleet().await;
    let began = bench.world.clock.mono();
    let watching = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            bench.lane.tend().await;
            let elapsed = (bench.world.clock.mono() - began).as_secs_f64();
            assert!(
                f64::from(bench.writes()) <= 50.0 * elapsed + 50.0,
                "{} after {elapsed} s",
                bench.writes()
            );
        }
    };
    tokio::select! {
        () = bench.drain(MINUTE) => {}
        () = watching => {}
    }
    assert_eq!(bench.count(Outcome::Accepted).await, 1000);
    let took = bench.world.clock.mono() - began;
    assert!(took >= Duration::from_secs(18) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(bench.doubled_at_most().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_looked_at_nobody_yet_keeps_to_the_quota() {
    let bench = Bench::new(Spec { users: 1000, fcm_one_in: 1, ..Spec::default() }).await;
    bench.fcm.quota_per_s.set(Some(50));
    bench.lane.tend().await;
    bench.drain(Duration::from_secs(5)).await;
    let devices = bench.fcm.devices();
    assert!((100..=300).contains(&devices), "{devices} in 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_scarce_quota_at_one_gateway_does_not_slow_the_other() {
    let bench = Bench::new(Spec { users: 1000, ..Spec::default() }).await;
    bench.fcm.quota_per_s.set(Some(25));
    bench.lane.tend().await;
    bench.shared.report().await;
    bench.shared.look_at_fleet().await;
    bench.drain(Duration::from_secs(5)).await;
    assert_eq!(bench.apns.devices(), 500);
    assert!(bench.fcm.devices() < 200);
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (1000, 1));
    assert!(bench.world.clock.mono() < Duration::from_secs(45));
}

/// At a press, batches come before the next look at the campaign: they take room by their size, not for one device each.
#[tokio::test(start_paused = true)]
async fn batches_of_a_press_since_the_last_look_take_their_room() {
    let mut world = World::ready(Spec { users: 10_000, batch_users: 1_000, ..Spec::default() }).await;
    world.arm().await;
    let mut bench = Bench::over(world).await;
    bench.world.press().await;
    bench.world.send_batches().await;
    assert_eq!(bench.world.queued().len(), 10);
    // The lane has room for 4,000 devices.
    assert_eq!(bench.lane.step().await, 4);
}

#[tokio::test(start_paused = true)]
async fn two_workers_on_one_queue_send_to_nobody_twice() {
    use crate::bench::{config, gateways};
    let bench = Bench::new(Spec { users: 1000, ..Spec::default() }).await;
    bench.world.send_batches().await;
    let other = push_worker::Shared::new(
        bench.world.parts.backend(),
        std::sync::Arc::clone(&bench.world.clock),
        config(),
    );
    let lane = push_worker::Lane::new(
        std::sync::Arc::clone(&other),
        0,
        gateways(&bench.world, &bench.apns, &bench.fcm),
    );
    other.look().await;
    other.assign().await;
    lane.tend().await;
    let second = async {
        loop {
            other.look().await;
            if lane.step().await == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::select! {
        () = bench.drain(MINUTE) => {}
        () = second => {}
    }
    assert_eq!((bench.count(Outcome::Accepted).await, bench.writes()), (1000, 1000));
}
