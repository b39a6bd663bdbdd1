//! Ports that fail, envelopes that are wrong, gateways that are not there.

use crate::bench::{Bench, CALLS, config, gateways};
use crate::fake::Script;
use crate::world::{Spec, World};
use common::envelope::NewEnvelope;
use common::outcome::Outcome;
use common::ports::{Fleet, Queue};
use common::time::UnixMs;
use contract::memory::Call;
use push_worker::gateway::Answer;
use push_worker::{Lane, Shared};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn whatever_port_call_fails_once_or_loses_its_answer_nobody_is_lost_or_doubled() {
    for call in CALLS {
        for nth in 0..3 {
            for lose in [false, true] {
                let bench = Bench::new(Spec { users: 60, ..Spec::default() }).await;
                bench.apns.answers(|hash, before| match (hash % 2, before) {
                    (0, 0) => Answer::Throttled { retry_after: None, device: false },
                    _ => Answer::Accepted,
                });
                if lose {
                    bench.world.parts.faults.lose_answer(call, nth);
                } else {
                    bench.world.parts.faults.fail_call(call, nth);
                }
                bench.drain(5 * MINUTE).await;
                let name = format!("{} {nth} {lose}", call.label());
                assert_eq!(bench.count(Outcome::Accepted).await, 60, "{name}");
                assert!(bench.fcm.writes() == 30 && bench.most_writes() <= 2, "{name}");
                assert!(bench.world.queued().is_empty(), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_could_not_be_queued_keeps_its_envelope() {
    let bench = Bench::new(Spec { users: 10, ..Spec::default() }).await;
    bench.apns.answers(|_, before| match before {
        0 => Answer::Throttled { retry_after: None, device: false },
        _ => Answer::Accepted,
    });
    bench.world.parts.faults.down(Call::BatchesSend, true);
    bench.looking(bench.lane.step()).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 5, "what was accepted is written down");
    assert_eq!(bench.world.queued().len(), 1, "and the envelope is kept for the rest");
    bench.world.parts.faults.clear();
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.fcm.writes()), (10, 5));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_down_costs_no_envelope_its_receives() {
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    bench.world.parts.faults.down(Call::LedgerClaim, true);
    bench.drain(MINUTE).await;
    bench.world.parts.faults.clear();
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.writes()), (100, 100));
    assert_eq!(bench.world.parts.batches.depth().await.expect("depth").dead, 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_fresh_look_nothing_is_taken() {
    let bench = Bench::new(Spec::default()).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(bench.lane.step().await, 0);
    assert_eq!(bench.world.parts.faults.count(Call::BatchesReceive), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poison_envelope_is_left_for_the_dead_letters_and_stops_nobody() {
    let bench = Bench::new(Spec { users: 30, ..Spec::default() }).await;
    bench.world.parts.batches.send(&[NewEnvelope::plain("not it".into())]).await.expect("sent");
    let drained = async {
        while bench.world.parts.batches.depth().await.expect("depth").dead == 0 {
            bench.lane.step().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    bench.looking(drained).await;
    assert_eq!(bench.count(Outcome::Accepted).await, 30);
}

#[tokio::test(start_paused = true)]
async fn devices_of_a_gateway_that_is_not_configured_are_unsendable_and_the_worker_says_so() {
    let world = World::pressed(Spec { users: 30, ..Spec::default() }).await;
    world.send_batches().await;
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    let shared = Shared::new(world.parts.backend(), Arc::clone(&world.clock), config());
    let mut only = gateways(&world, &apns, &fcm);
    only.truncate(1);
    let lane = Lane::new(Arc::clone(&shared), 0, only);
    let bench = Bench { world, shared, lane, apns, fcm };
    bench.prepare().await;
    let row = bench.shared.row();
    assert!(!row.ready && row.trouble.is_some_and(|t| t.contains("fcm")));
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.count(Outcome::Unsendable).await), (15, 15));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_cannot_be_prepared_is_tried_again_and_the_other_goes_on() {
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    let world = bench.world;
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    *fcm.prepare.borrow_mut() = Err("the key file is not readable".to_owned());
    let shared = Shared::new(world.parts.backend(), Arc::clone(&world.clock), config());
    let lane = Lane::new(Arc::clone(&shared), 0, gateways(&world, &apns, &fcm));
    let bench = Bench { world, shared, lane, apns, fcm };
    bench.prepare().await;
    assert!(bench.shared.row().trouble.is_some_and(|t| t.contains("key file")));
    bench.drain(Duration::from_secs(3)).await;
    assert_eq!((bench.apns.devices(), bench.fcm.devices()), (50, 0));
    *bench.fcm.prepare.borrow_mut() = Ok(90);
    bench.prepare().await;
    assert!(bench.shared.row().ready);
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.apns.prepared.get()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_row_says_what_is_ready() {
    let bench = Bench::new(Spec::default()).await;
    bench.shared.report().await;
    let rows = bench.world.parts.fleet.workers(UnixMs(0)).await.expect("rows");
    let row = &rows[0];
    assert!(row.ready && row.rehearsal && !row.tripped && row.trouble.is_none(), "{row:?}");
    assert_eq!(row.campaign, Some(bench.world.campaign.id));
    assert_eq!(row.content, Some(bench.world.campaign.content_id));
    assert_eq!((row.payload_bytes_max, row.links.len()), (100, 2));
}
