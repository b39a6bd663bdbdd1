//! A worker that dies between any two effects: the step's future is dropped, and another worker gets what comes back.

use crate::bench::{Bench, config, gateways};
use crate::fake::Script;
use crate::menu::Other;
use crate::world::{Spec, World};
use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::ids::{BatchNo, CampaignId, Epoch, ShardNo};
use common::ledger::*;
use common::limits::CLAIM_LEASE;
use common::outcome::Outcome;
use common::ports::*;
use common::time::UnixMs;
use push_worker::gateway::Answer;
use push_worker::{Lane, Shared};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Gives way before and after each call, so that a test can stop there.
struct Slow<T: ?Sized>(Arc<T>);

async fn slowly<T>(call: impl Future<Output = T>) -> T {
    tokio::task::yield_now().await;
    let answer = call.await;
    tokio::task::yield_now().await;
    answer
}

#[async_trait]
impl Queue for Slow<dyn Queue> {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        slowly(self.0.send(envelopes)).await
    }
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        hidden: Duration,
    ) -> Result<Vec<Received>, PortError> {
        slowly(self.0.receive(max, wait, hidden)).await
    }
    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        slowly(self.0.delete(acks)).await
    }
    async fn hide(&self, acks: &[AckId], hidden: Duration) -> Result<Vec<EntryResult>, PortError> {
        slowly(self.0.hide(acks, hidden)).await
    }
    async fn depth(&self) -> Result<Depth, PortError> {
        self.0.depth().await
    }
    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        self.0.receive_dead(max, visibility).await
    }
    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.0.delete_dead(acks).await
    }
}

#[async_trait]
impl Ledger for Slow<dyn Ledger> {
    async fn claim_many(&self, id: CampaignId, asks: &[ClaimRequest]) -> Result<Vec<ClaimAnswer>, PortError> {
        slowly(self.0.claim_many(id, asks)).await
    }
    async fn complete_many(
        &self,
        id: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        slowly(self.0.complete_many(id, done)).await
    }
    async fn renew_many(&self, id: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        slowly(self.0.renew_many(id, asks)).await
    }
    async fn close_many(&self, id: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        self.0.close_many(id, asks).await
    }
    async fn bucket(
        &self,
        id: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        self.0.bucket(id, shard, bucket).await
    }
    async fn shards(&self, id: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        self.0.shards(id).await
    }
    async fn mark_dispatched(
        &self,
        id: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        self.0.mark_dispatched(id, epoch, shards, at).await
    }
    async fn mark_expanded(
        &self,
        id: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        self.0.mark_expanded(id, epoch, shard, at).await
    }
}

/// Polls a future so often, letting a millisecond pass in between. True when it ended.
async fn polled(mut future: std::pin::Pin<&mut impl Future<Output = usize>>, times: usize) -> bool {
    for _ in 0..times {
        if futures::poll!(future.as_mut()).is_ready() {
            return true;
        }
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    false
}

fn bench(world: World, apns: &Rc<Script>, fcm: &Rc<Script>) -> Bench {
    let mut backend = world.parts.backend();
    backend.batches = Arc::new(Slow(backend.batches));
    backend.ledger = Arc::new(Slow(backend.ledger));
    let shared = Shared::new(backend, Arc::clone(&world.clock), config());
    let lane = Lane::new(Arc::clone(&shared), 0, gateways(&world, apns, fcm));
    Bench { world, shared, lane, apns: Rc::clone(apns), fcm: Rc::clone(fcm) }
}

/// One in three is throttled at first, so that retry envelopes are on their way too.
fn some_throttled(script: &Script) {
    script.answers(|hash, before| match (hash % 3, before) {
        (0, 0) => Answer::Throttled { retry_after: None, device: false },
        _ => Answer::Accepted,
    });
}

/// Forty users' batches are on the queue, and a worker is about to take them.
async fn about_to_step() -> Bench {
    let world = World::pressed(Spec { users: 40, ..Spec::default() }).await;
    world.send_batches().await;
    let (apns, fcm) = (Script::accepting(), Script::accepting());
    some_throttled(&apns);
    some_throttled(&fcm);
    let bench = bench(world, &apns, &fcm);
    bench.prepare().await;
    bench
}

/// Everybody has got it, nothing is left over, and whatever was written beyond what was needed is counted.
async fn nobody_is_lost_and_doubles_are_counted(bench: &Bench, name: &str) {
    assert_eq!(bench.count(Outcome::Accepted).await, 40, "{name}");
    let doubles = doubled(&bench.apns) + doubled(&bench.fcm);
    assert!(doubles <= bench.doubled_at_most().await, "{doubles}: {name}");
    assert!(bench.world.queued().is_empty(), "{name}");
}

/// Writes beyond those that were needed.
fn doubled(script: &Script) -> u32 {
    let needed = |hash: &u64| if hash.is_multiple_of(3) { 2 } else { 1 };
    script.written.borrow().iter().map(|(hash, n)| n.saturating_sub(needed(hash))).sum()
}

#[tokio::test(start_paused = true)]
async fn killed_between_any_two_effects_nobody_is_lost_and_doubles_are_counted() {
    let (mut times, mut ended) = (0, false);
    while !ended {
        let first = about_to_step().await;
        ended = polled(std::pin::pin!(first.lane.step()), times).await;
        // What the dead worker wrote to devices whose first answer would have been final.
        let second = bench(first.world, &first.apns, &first.fcm);
        second.prepare().await;
        second.drain(Duration::from_secs(120)).await;
        nobody_is_lost_and_doubles_are_counted(&second, &format!("killed after {times} polls")).await;
        times += 1;
        if times > 400 {
            break;
        }
    }
    assert!(ended && times > 20, "{times} places to be killed at");
}

/// As SIGSTOP and SIGCONT do: the worker hangs between any two effects, while another takes what comes back, and then wakes. After
/// its leases are over it writes to nobody; what both wrote was in flight, and is counted.
#[tokio::test(start_paused = true)]
async fn hanging_between_any_two_effects_and_woken_nobody_is_lost_and_doubles_are_counted() {
    for hangs in [3, 7, 20].map(Duration::from_secs) {
        let (mut times, mut ended) = (0, false);
        while !ended {
            let bench = about_to_step().await;
            let mut step = std::pin::pin!(bench.lane.step());
            ended = polled(step.as_mut(), times).await;
            let other = Other::of(&bench, Arc::clone(&bench.world.clock)).await;
            other.works_for(hangs).await;
            let before = bench.writes();
            if !ended {
                bench.looking(step).await;
            }
            if hangs > CLAIM_LEASE {
                assert_eq!(
                    bench.writes(),
                    before,
                    "woken after {times} polls, it wrote under a lease that was over"
                );
            }
            other.works_for(Duration::from_secs(120)).await;
            let name = format!("after {times} polls it hung for {hangs:?}");
            nobody_is_lost_and_doubles_are_counted(&bench, &name).await;
            times += 1;
            assert!(times < 400, "it never ended");
        }
        assert!(times > 20, "{times} places to hang at");
    }
}
