//! The rest of the menu of faults (docs/faults.md): tables that throttle, clocks that differ, a worker that is cut off, a
//! visibility that runs out, entries that fail one by one. Each also looks at what a person would read.

use crate::bench::{Bench, CALLS, config, gateways};
use crate::world::{Spec, World};
use common::envelope::BatchEnvelope;
use common::ids::SnapshotId;
use common::outcome::Outcome;
use common::ports::{Fleet, Queue};
use common::time::{Clock, UnixMs};
use contract::memory::Call;
use push_worker::gateway::Answer;
use push_worker::{Lane, Shared};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A second worker on the same queues and gateways.
pub(crate) struct Other {
    shared: Arc<Shared>,
    lane: Rc<Lane>,
}

impl Other {
    pub(crate) async fn of(bench: &Bench, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared::new(bench.world.parts.backend(), clock, config());
        let lane = Lane::new(Arc::clone(&shared), 0, gateways(&bench.world, &bench.apns, &bench.fcm));
        shared.look().await;
        shared.assign().await;
        lane.tend().await;
        Self { shared, lane }
    }

    /// Works for ever.
    async fn works(&self) {
        loop {
            self.shared.look().await;
            if self.lane.step().await == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Works, and looks as often as a worker does, for so long.
    pub(crate) async fn works_for(&self, time: Duration) {
        let look = async {
            loop {
                self.shared.look().await;
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        };
        let work = async { tokio::join!(self.works(), look) };
        let _ = tokio::time::timeout(time, work).await;
    }
}

/// What a person reads about this worker, on the page and in `owl fleet status`.
fn trouble(bench: &Bench) -> String {
    bench.shared.row().trouble.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_throttles_every_claim_is_said_and_costs_nobody_anything() {
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    bench.world.parts.faults.down(Call::LedgerClaim, true);
    bench.drain(Duration::from_secs(2)).await;
    assert_eq!(trouble(&bench), "", "a few failures are nobody's business");
    bench.drain(Duration::from_secs(6)).await;
    let said = trouble(&bench);
    assert!(said.starts_with("the ledger could not be written for ") && said.contains("ledger.claim_many"));
    assert!(!bench.shared.row().ready, "preflight counts it out");
    assert_eq!(bench.writes(), 0, "nothing leaves that nobody could know of");
    bench.world.parts.faults.clear();
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.writes()), (100, 100));
    assert_eq!((trouble(&bench).as_str(), bench.doubled_at_most().await), ("", 0));
}

#[tokio::test(start_paused = true)]
async fn results_that_the_ledger_does_not_take_are_kept_and_said() {
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    bench.world.parts.faults.down(Call::LedgerComplete, true);
    let mend = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        let said = trouble(&bench);
        assert!(said.contains("ledger could not be written") && said.contains("complete_many"), "{said}");
        bench.world.parts.faults.clear();
    };
    let (taken, ()) = bench.looking(async { tokio::join!(bench.lane.step(), mend) }).await;
    assert_eq!(taken, 10);
    bench.drain(MINUTE).await;
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (100, 1));
    assert_eq!(trouble(&bench), "");
}

/// Hiding fails, so that the envelope comes back every ten seconds while its batch is being sent.
#[tokio::test(start_paused = true)]
async fn a_visibility_that_runs_out_in_mid_batch_doubles_nobody() {
    let bench = Bench::new(Spec { users: 10, ..Spec::default() }).await;
    bench.apns.group.set(1);
    bench.apns.between.set(Duration::from_secs(9));
    bench.world.parts.faults.down(Call::BatchesHide, true);
    let other = Other::of(&bench, Arc::clone(&bench.world.clock)).await;
    tokio::select! {
        () = bench.drain(5 * MINUTE) => {}
        () = other.works_for(6 * MINUTE) => {}
    }
    assert!(bench.world.clock.mono() > Duration::from_secs(40), "it was slow enough to matter");
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (10, 1));
    assert_eq!(bench.doubled_at_most().await, 0);
    let depth = bench.world.parts.batches.depth().await.expect("depth");
    assert!(depth.is_empty() && depth.dead == 0, "{depth:?}");
}

/// A clock that is wrong by so much; what has passed is right.
struct Wrong(Arc<dyn Clock>, i64);

impl Clock for Wrong {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.now().0 + self.1)
    }
    fn mono(&self) -> Duration {
        self.0.mono()
    }
}

/// Every envelope is there twice, sending is slow, and one of two workers is five seconds ahead or behind: whoever asks
/// second finds the batch held, whatever the clocks say, because leases are renewed long before they end.
#[tokio::test(start_paused = true)]
async fn clocks_five_seconds_apart_lose_nobody_and_double_nobody() {
    for skew in [-5_000, 5_000] {
        let bench = Bench::new(Spec { users: 60, ..Spec::default() }).await;
        bench.world.send_batches().await;
        bench.apns.group.set(1);
        bench.apns.between.set(Duration::from_millis(1_500));
        let wrong = Arc::new(Wrong(Arc::clone(&bench.world.clock), skew));
        let other = Other::of(&bench, wrong).await;
        tokio::select! {
            () = bench.drain(5 * MINUTE) => {}
            () = other.works_for(6 * MINUTE) => {}
        }
        assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (60, 1), "{skew} ms");
        assert!(bench.world.queued().is_empty(), "{skew} ms");
        assert_eq!(bench.doubled_at_most().await, 0, "{skew} ms");
    }
}

/// Every call of this worker to tables and queues fails for 20 s in the middle of its batches: it stops writing within a second,
/// keeps what it knows, and goes on.
#[tokio::test(start_paused = true)]
async fn cut_off_from_queues_and_tables_it_stops_keeps_its_results_and_goes_on() {
    let all = CALLS.into_iter().chain([Call::FleetBeat, Call::FleetCount, Call::FleetWorkers]);
    let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
    bench.apns.group.set(1);
    bench.apns.between.set(Duration::from_millis(400));
    let cut = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        all.for_each(|call| bench.world.parts.faults.down(call, true));
        let from = bench.world.clock.now();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let wrote_for = bench.apns.last_written.get().since(from);
        assert!(
            wrote_for <= Duration::from_millis(1_000),
            "wrote for {wrote_for:?} without knowing anything"
        );
        assert!(trouble(&bench).contains(" for "), "it would say so: {}", trouble(&bench));
        bench.shared.report().await;
        bench.world.parts.faults.clear();
        // Meanwhile nobody hears of it; preflight then says that it fell silent.
        let recent = bench.world.clock.now().minus(common::limits::HEARTBEAT_GOOD_FOR);
        assert!(bench.world.parts.fleet.workers(recent).await.expect("rows").is_empty());
    };
    bench.shared.report().await;
    tokio::join!(bench.drain(5 * MINUTE), cut);
    assert_eq!((bench.count(Outcome::Accepted).await, bench.most_writes()), (100, 1));
    assert!(bench.world.queued().is_empty());
    assert_eq!(trouble(&bench), "");
}

/// Of a call's ten entries some are not done: of each kind of call, one after the other.
#[tokio::test(start_paused = true)]
async fn entries_that_fail_one_by_one_are_neither_lost_nor_doubled() {
    for call in [Call::BatchesSend, Call::BatchesDelete, Call::BatchesHide] {
        for nth in 0..4 {
            let bench = Bench::new(Spec { users: 100, ..Spec::default() }).await;
            bench.apns.answers(|hash, before| match (hash % 2, before) {
                (0, 0) => Answer::Throttled { retry_after: None, device: false },
                _ => Answer::Accepted,
            });
            bench.world.parts.faults.fail_entries(call, nth, &[0, 2, 5]);
            bench.drain(5 * MINUTE).await;
            let name = format!("{} {nth}", call.label());
            assert_eq!(bench.count(Outcome::Accepted).await, 100, "{name}");
            assert!(bench.fcm.most() == 1 && bench.most_writes() <= 2, "{name}");
            let depth = bench.world.parts.batches.depth().await.expect("depth");
            assert!(depth.is_empty() && depth.dead == 0, "{name}: {depth:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_another_snapshot_than_the_worker_has_is_not_sent() {
    let world = World::pressed(Spec { users: 10, ..Spec::default() }).await;
    let right = world.batches().remove(0);
    let mut wrong: BatchEnvelope = right.clone();
    wrong.head.snapshot = SnapshotId([9; 32]);
    world.send_batch(&wrong).await;
    let bench = Bench::over(world).await;
    bench.drain(Duration::from_secs(20)).await;
    assert_eq!((bench.writes(), bench.world.queued().len()), (0, 1), "it waits for somebody who has it");
    // What preflight compares: red before anybody may press.
    let held = bench.shared.row().snapshot;
    assert!(held == Some(right.head.snapshot) && held != Some(wrong.head.snapshot));
}
