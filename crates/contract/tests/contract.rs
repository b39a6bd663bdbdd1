//! The suite on the memory backend, which keeps every rule, and on every broken adapter, which doesn't.

use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::ports::{Backend, EntryResult, PortError};
use common::time::{Clock, UnixMs};
use contract::memory::{Call, MemoryFactory, MemoryParts, MemorySubject, TokioClock};
use contract::suite::{Factory, Subject, Verdict};
use contract::{broken, suite};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn memory_keeps_every_rule() {
    let report = suite::run(&MemoryFactory).await;
    assert_eq!(report.skipped().count(), 0, "{report}");
    report.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_every_rule_on_threads() {
    suite::run(&MemoryFactory).await.into_result().unwrap();
}

/// Nothing in memory mixes up its two queues, so no fault shows that these rules see it.
const UNPROVEN: [&str; 2] = ["batches.separate", "shards.separate"];

#[tokio::test(start_paused = true)]
async fn every_broken_adapter_is_found_and_every_rule_finds_one() {
    let (mut missed, mut proven) = (Vec::new(), BTreeSet::new());
    for adapter in broken::all() {
        let report = suite::run(&adapter).await;
        let found: BTreeSet<String> = report.violations().map(|v| v.rule.clone()).collect();
        println!("{report}");
        missed.extend(adapter.breaks.iter().filter(|r| !found.contains(**r)).map(|r| (adapter.fault, r)));
        proven.extend(found);
    }
    assert!(missed.is_empty(), "faults, and rules that did not see them: {missed:?}");
    let mut idle: Vec<String> =
        suite::rules().into_iter().map(|r| r.name).filter(|n| !proven.contains(n)).collect();
    idle.sort();
    assert_eq!(idle, UNPROVEN, "rules that no fault breaks");
}

/// Backends of which the first few stand still for two seconds whenever time is to pass: as on a machine with too much to do.
struct Stalling {
    stalls: u32,
    made: AtomicU32,
}

struct Stalled {
    memory: MemorySubject,
    stall: Duration,
}

#[async_trait]
impl Factory for Stalling {
    fn name(&self) -> String {
        "stalling".to_owned()
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let stalls = self.made.fetch_add(1, Ordering::Relaxed) < self.stalls;
        let stall = if stalls { Duration::from_secs(2) } else { Duration::ZERO };
        Ok(Box::new(Stalled { memory: MemorySubject::default(), stall }))
    }
}

#[async_trait]
impl Subject for Stalled {
    fn backend(&self) -> Backend {
        self.memory.backend()
    }

    fn now(&self) -> UnixMs {
        self.memory.now()
    }

    async fn advance(&mut self, by: Duration) {
        self.memory.advance(by + self.stall).await;
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        self.memory.restart().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_too_late_is_looked_at_again_and_three_times_at_most() {
    let hidden = suite::rules().into_iter().find(|r| r.name == "batches.hidden").unwrap();
    for (stalls, held, tries) in [(0, true, 1), (2, true, 3), (9, false, 3)] {
        let factory = Stalling { stalls, made: AtomicU32::new(0) };
        let verdict = hidden.run(&factory).await;
        assert_eq!(matches!(verdict, Verdict::Held), held, "{stalls} stalls");
        assert_eq!(factory.made.load(Ordering::Relaxed), tries, "{stalls} stalls");
    }
}

#[test]
fn rules_have_names_of_their_own_and_faults_name_rules_that_exist() {
    let rules = suite::rules();
    let names: BTreeSet<&str> = rules.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names.len(), rules.len());
    for adapter in broken::all() {
        assert!(!adapter.breaks.is_empty(), "{:?}", adapter.fault);
        for rule in adapter.breaks {
            assert!(names.contains(rule), "{:?} names `{rule}`", adapter.fault);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_fail_what_was_ordered_and_lose_nothing() {
    let parts = MemoryParts::new(Arc::new(TokioClock::at(UnixMs(1_000))));
    let (queue, faults) = (parts.backend().batches, &parts.faults);
    let two: Vec<_> = ["a", "b"].map(|s| NewEnvelope::plain(bytes::Bytes::from_static(s.as_bytes()))).into();
    faults.fail_call(Call::BatchesSend, 1);
    faults.fail_entries(Call::BatchesSend, 2, &[0]);
    faults.lose_answer(Call::BatchesSend, 3);
    assert_eq!(queue.send(&two).await, Ok(vec![EntryResult::Ok; 2]));
    assert!(queue.send(&two).await.unwrap_err().is_transient());
    let partly = queue.send(&two).await.unwrap();
    assert!(matches!(partly[..], [EntryResult::Failed(_), EntryResult::Ok]));
    assert!(queue.send(&two).await.unwrap_err().is_transient());
    assert_eq!((parts.batches.sent(), faults.count(Call::BatchesSend)), (5, 4));
    faults.down(Call::BatchesDepth, true);
    assert!(queue.depth().await.is_err());
    faults.clear();
    assert_eq!(queue.depth().await.unwrap().visible, 5);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_waits_in_tokio_time_without_spinning() {
    let clock = TokioClock::at(UnixMs(1_000));
    let parts = MemoryParts::new(Arc::new(clock));
    let queue = parts.backend().batches;
    assert!(queue.receive(1, Duration::from_secs(20), Duration::from_secs(1)).await.unwrap().is_empty());
    assert_eq!(clock.mono(), Duration::from_secs(20));
}
