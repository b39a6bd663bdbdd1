//! The interim worker's step, on the model backend, with every fault that its queues and ledger can have.

#[path = "interim_worker/menu.rs"]
mod menu;
mod world;

use common::envelope::{BatchEnvelope, Scope};
use common::fleet::WorkerRow;
use common::ids::{BatchKey, BatchNo, ShardNo, WorkerId};
use common::ledger::{ClaimRequest, CompleteRequest, DeviceResult};
use common::outcome::Outcome;
use common::ports::{Fleet, Ledger, Queue};
use common::time::UnixMs;
use contract::memory::Call;
use interim_worker::{Handled, InterimConfig, InterimWorker};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use world::{Spec, World};

fn worker(world: &World) -> Arc<InterimWorker> {
    worker_with(world, InterimConfig { receive_wait: Duration::ZERO, ..InterimConfig::default() })
}

fn worker_with(world: &World, config: InterimConfig) -> Arc<InterimWorker> {
    Arc::new(InterimWorker::new(world.parts.backend(), Arc::clone(&world.clock), config))
}

async fn loaded(world: &World) -> Arc<InterimWorker> {
    let worker = worker(world);
    worker.look().await.expect("looked");
    worker.load().await;
    worker
}

async fn row(world: &World, worker: &InterimWorker) -> WorkerRow {
    worker.report().await;
    let rows = world.parts.fleet.workers(UnixMs(0)).await.expect("rows");
    rows.into_iter().find(|r| r.worker == worker.id()).expect("its row")
}

fn keys(batches: &[BatchEnvelope]) -> BTreeSet<BatchKey> {
    batches.iter().map(|b| b.key).collect()
}

/// Claims a batch and gives each device this outcome; `None` only claims.
async fn settle(world: &World, batch: &BatchEnvelope, outcome: Option<Outcome>) {
    let ask = ClaimRequest {
        key: batch.key,
        epoch: batch.head.epoch,
        holder: WorkerId(9),
        lease: Duration::from_secs(8),
        blank: vec![0; usize::from(batch.devices)],
        only: vec![],
        resend_ambiguous: false,
        now: world.clock.now(),
    };
    world.parts.ledger.claim_many(world.campaign.id, &[ask]).await.expect("claimed");
    let Some(outcome) = outcome else { return };
    let at = world.clock.now();
    let results = (0..batch.devices).map(|index| DeviceResult { index, outcome, at, dead_since: None });
    let done = CompleteRequest {
        key: batch.key,
        fence: common::ids::Fence(1),
        results: results.collect(),
        sent_at: Some(at),
        now: at,
    };
    world.parts.ledger.complete_many(world.campaign.id, &[done]).await.expect("completed");
}

#[tokio::test(start_paused = true)]
async fn it_loads_the_snapshot_and_says_so() {
    let world = World::ready(Spec { users: 300, shards: 5, ..Spec::default() }).await;
    let worker = worker(&world);
    assert!(!row(&world, &worker).await.ready);
    worker.look().await.expect("looked");
    worker.load().await;
    let row = row(&world, &worker).await;
    assert!(row.ready && row.trouble.is_none(), "{row:?}");
    assert_eq!((row.campaign, row.snapshot), (Some(world.campaign.id), Some(world.manifest.id())));
    let gets = world.parts.faults.count(Call::ObjectsGet);
    worker.load().await;
    assert_eq!(world.parts.faults.count(Call::ObjectsGet), gets, "nothing is loaded twice");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_in_between_is_named_and_loading_goes_on() {
    let world = World::ready(Spec { users: 300, shards: 3, ..Spec::default() }).await;
    let worker = worker(&world);
    worker.look().await.expect("looked");
    world.parts.faults.fail_call(Call::ObjectsGet, 2);
    worker.load().await;
    let bad = row(&world, &worker).await;
    assert!(!bad.ready && bad.trouble.is_some_and(|t| t.contains("objects.get")));
    worker.load().await;
    assert!(row(&world, &worker).await.ready);
}

#[tokio::test(start_paused = true)]
async fn a_large_shard_comes_in_parts() {
    let world = World::pressed(Spec { users: 500, shards: 1, ..Spec::default() }).await;
    let config = InterimConfig { part_bytes: 1000, receive_wait: Duration::ZERO, ..InterimConfig::default() };
    let worker = worker_with(&world, config);
    worker.look().await.expect("looked");
    worker.load().await;
    assert!(row(&world, &worker).await.ready);
    assert!(world.parts.faults.count(Call::ObjectsGet) > 20);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_beyond_the_bound_is_reported_and_still_expanded() {
    let world = World::pressed(Spec::default()).await;
    let config =
        InterimConfig { snapshot_bytes_max: 10, receive_wait: Duration::ZERO, ..InterimConfig::default() };
    let worker = worker_with(&world, config);
    worker.look().await.expect("looked");
    worker.load().await;
    assert!(row(&world, &worker).await.trouble.is_some_and(|t| t.contains("larger than")));
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    assert_eq!(worker.step().await, [Handled::Expanded]);
}

#[tokio::test(start_paused = true)]
async fn every_shard_is_expanded_into_exactly_its_batches() {
    let world = World::pressed(Spec { users: 1000, shards: 4, ..Spec::default() }).await;
    let worker = loaded(&world).await;
    for shard in 0..4 {
        world.send_shard(&world.shard_envelope(shard, Scope::All)).await;
    }
    assert_eq!(worker.step().await, [Handled::Expanded; 4]);
    let mut queued = world.queued();
    queued.sort_by_key(|b| b.key);
    assert_eq!(queued, world.batches());
    assert!(world.parts.shards.depth().await.expect("depth").is_empty());
    let records = world.parts.ledger.shards(world.campaign.id).await.expect("records");
    assert!(records.len() == 4 && records.iter().all(|r| r.expanded_at.is_some()));
    tokio::time::advance(Duration::from_secs(1)).await;
    worker.report().await;
    let counted = world.parts.fleet.counters(world.campaign.id, 0).await.expect("rows");
    assert_eq!(counted.iter().map(|c| c.shards_received).sum::<u32>(), 4);
    assert_eq!(counted.iter().map(|c| c.expanded as usize).sum::<usize>(), queued.len());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_comes_late_fetches_the_one_shard_that_it_needs() {
    let world = World::pressed(Spec { users: 300, shards: 5, ..Spec::default() }).await;
    let worker = worker(&world);
    world.send_shard(&world.shard_envelope(3, Scope::All)).await;
    assert_eq!(worker.step().await, [Handled::Expanded]);
    assert_eq!(world.parts.faults.count(Call::ObjectsGet), 2, "manifest and shard");
}

#[tokio::test(start_paused = true)]
async fn a_canary_takes_every_nth_batch() {
    let world = World::pressed(Spec { users: 300, ..Spec::default() }).await;
    let worker = loaded(&world).await;
    world.send_shard(&world.shard_envelope(0, Scope::EveryNth(10))).await;
    worker.step().await;
    let numbers: Vec<_> = world.queued().iter().map(|b| b.key.number.0).collect();
    assert_eq!(numbers, [0, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_what_the_ledger_does_not_know_as_done() {
    let world = World::pressed(Spec { users: 2_500, ..Spec::default() }).await;
    let batches = world.batches();
    for batch in batches.iter().filter(|b| b.key.number.0.is_multiple_of(3)) {
        settle(&world, batch, Some(Outcome::Accepted)).await;
    }
    settle(&world, &batches[1], None).await;
    settle(&world, &batches[2], Some(Outcome::Unsent)).await;
    let worker = loaded(&world).await;
    world.send_shard(&world.shard_envelope(0, Scope::Rest)).await;
    assert_eq!(worker.step().await, [Handled::Expanded]);
    let expected: BTreeSet<_> =
        batches.iter().filter(|b| !b.key.number.0.is_multiple_of(3)).map(|b| b.key).collect();
    assert_eq!(keys(&world.queued()), expected);
}

#[tokio::test(start_paused = true)]
async fn failed_entries_and_calls_are_sent_again() {
    let world = World::pressed(Spec { users: 1000, ..Spec::default() }).await;
    let worker = loaded(&world).await;
    world.parts.faults.fail_entries(Call::BatchesSend, 0, &[0, 3, 9]);
    world.parts.faults.fail_call(Call::BatchesSend, 2);
    world.parts.faults.fail_entries(Call::BatchesSend, 10, &[0]);
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    assert_eq!(worker.step().await, [Handled::Expanded]);
    assert_eq!(keys(&world.queued()), keys(&world.batches()));
    assert_eq!(world.parts.batches.sent(), 100, "and none twice");
}

#[tokio::test(start_paused = true)]
async fn the_mark_comes_before_the_deletion_and_a_crash_between_only_repeats() {
    let world = World::pressed(Spec::default()).await;
    let worker = loaded(&world).await;
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    world.parts.faults.fail_next(Call::LedgerMarkExpanded, 1);
    assert_eq!(worker.step().await, [Handled::GivenBack]);
    tokio::time::advance(Duration::from_secs(9)).await;
    worker.look().await.expect("looked");
    world.parts.faults.fail_next(Call::ShardsDelete, 1);
    assert_eq!(worker.step().await, [Handled::Expanded]);
    tokio::time::advance(Duration::from_secs(11)).await;
    worker.look().await.expect("looked");
    assert_eq!(worker.step().await, [Handled::Dropped], "it is known as expanded");
    assert_eq!(keys(&world.queued()), keys(&world.batches()));
}

#[tokio::test(start_paused = true)]
async fn an_envelope_of_an_older_run_or_past_its_deadline_is_dropped() {
    let mut world = World::pressed(Spec::default()).await;
    let worker = loaded(&world).await;
    let old = world.shard_envelope(0, Scope::All);
    world.abort().await;
    world.resume().await;
    world.send_shard(&old).await;
    worker.look().await.expect("looked");
    assert_eq!(worker.step().await, [Handled::Dropped]);
    world.send_shard(&world.shard_envelope(0, Scope::Rest)).await;
    tokio::time::advance(Duration::from_secs(601)).await;
    worker.look().await.expect("looked");
    assert_eq!(worker.step().await, [Handled::Dropped]);
    assert!(world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_newer_epoch_makes_it_look_first() {
    let mut world = World::ready(Spec::default()).await;
    world.arm().await;
    let worker = loaded(&world).await;
    world.press().await;
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    assert_eq!(worker.step().await, [Handled::Expanded]);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_can_look_it_gives_back_later_each_time() {
    let world = World::pressed(Spec::default()).await;
    let worker = worker(&world);
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    world.parts.faults.down(Call::CampaignsSlot, true);
    for _ in 0..3 {
        assert_eq!(worker.step().await, [Handled::GivenBack]);
        assert!(worker.step().await.is_empty(), "hidden");
        tokio::time::advance(Duration::from_secs(8)).await;
    }
    world.parts.faults.clear();
    assert_eq!(worker.step().await, [Handled::Expanded]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_an_expansion_at_once() {
    let mut world = World::pressed(Spec { users: 1000, ..Spec::default() }).await;
    let worker = loaded(&world).await;
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    world.parts.faults.down(Call::BatchesSend, true);
    let expanding = async { worker.step().await };
    let aborting = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.abort().await;
        worker.look().await.expect("looked");
        world.parts.faults.down(Call::BatchesSend, false);
    };
    let (handled, ()) = tokio::join!(expanding, aborting);
    assert_eq!(handled, [Handled::Dropped]);
    assert!(world.queued().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_expansion_keeps_its_envelope() {
    let world = World::pressed(Spec { users: 1000, ..Spec::default() }).await;
    let worker = loaded(&world).await;
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    world.parts.faults.down(Call::BatchesSend, true);
    let looking = async {
        for _ in 0..100 {
            worker.look().await.expect("looked");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert!(
            world
                .parts
                .shards
                .receive(1, Duration::ZERO, Duration::from_secs(1))
                .await
                .expect("call")
                .is_empty()
        );
        world.parts.faults.down(Call::BatchesSend, false);
        for _ in 0..20 {
            worker.look().await.expect("looked");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let (handled, ()) = tokio::join!(worker.step(), looking);
    assert_eq!(handled, [Handled::Expanded]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_envelope_is_left_for_the_dead_letters() {
    let world = World::pressed(Spec::default()).await;
    let worker = loaded(&world).await;
    let fifo = Some(world.shard_envelope(0, Scope::All).fifo_key());
    let poison =
        common::envelope::NewEnvelope { fifo, ..common::envelope::NewEnvelope::plain("not it".into()) };
    world.parts.shards.send(&[poison]).await.expect("sent");
    assert_eq!(worker.step().await, [Handled::Poison]);
    for _ in 0..common::limits::RECEIVES_MAX {
        tokio::time::advance(Duration::from_secs(11)).await;
        worker.step().await;
    }
    assert_eq!(world.parts.shards.depth().await.expect("depth").dead, 1);
}

#[tokio::test(start_paused = true)]
async fn run_loads_expands_drains_and_leaves() {
    let mut world = World::ready(Spec { users: 1000, shards: 20, ..Spec::default() }).await;
    let worker = worker_with(&world, InterimConfig::default());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    let rows = || async { world.parts.fleet.workers(UnixMs(0)).await.expect("rows") };
    while !rows().await.iter().any(|r| r.ready) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.arm().await;
    world.press().await;
    for shard in 0..20 {
        world.send_shard(&world.shard_envelope(shard, Scope::All)).await;
    }
    while !world.parts.shards.depth().await.expect("depth").is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shutdown.cancel();
    running.await.expect("no panic");
    assert_eq!(keys(&world.queued()), keys(&world.batches()));
    assert!(world.parts.fleet.workers(UnixMs(0)).await.expect("rows").is_empty(), "it left");
    let counted = world.parts.fleet.counters(world.campaign.id, 0).await.expect("rows");
    assert_eq!(counted.iter().map(|c| c.expanded as usize).sum::<usize>(), world.batches().len());
    let last = BatchKey { shard: ShardNo(19), number: BatchNo(0) };
    assert!(keys(&world.queued()).contains(&last));
}
