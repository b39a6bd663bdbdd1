//! Queues that break the contract.

use crate::memory::MemoryQueue;
use async_trait::async_trait;
use bytes::Bytes;
use common::envelope::{FifoKey, NewEnvelope};
use common::limits::{ENVELOPE_BYTES_MAX, QUEUE_DELAY_MAX, QUEUE_VISIBILITY_MAX};
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is wrong with a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueFault {
    /// What was handed out never comes back by itself.
    NeverRedelivers,
    /// A deduplication id is never forgotten.
    DeduplicatesForEver,
    /// Every envelope is taken for a new one.
    NeverDeduplicates,
    /// Deduplication ids are forgotten at a restart.
    ForgetsDeduplication,
    /// Envelopes of a group are handed out side by side.
    NoGroupLock,
    /// The last of a call goes in first.
    TurnsOrder,
    /// An older ack id deletes too.
    StaleAckDeletes,
    /// An older ack id deletes nothing and is answered `Ok`.
    StaleAckAnsweredOk,
    /// The ack id is the same at each receive.
    AckIdStays,
    /// One entry of a full call is lost, and answered `Ok`.
    LosesOneOfTen,
    /// A failed entry is answered `Ok`.
    SwallowsFailure,
    /// Handed out is not hidden.
    IgnoresVisibility,
    /// Handed out at once in spite of a delay.
    IgnoresDelay,
    /// Giving back does nothing.
    IgnoresGiveBack,
    /// Deleting answers `Ok` and does nothing.
    IgnoresDelete,
    /// A receive doesn't wait.
    NeverWaits,
    /// A waiting receive looks once, at the end of its wait.
    NeverWakes,
    /// What a receive took and did not answer, because it was dropped, stays hidden.
    CancelLoses,
    /// Eleven entries are taken in two calls.
    TakesEleven,
    /// Keys, delays and bodies are made to fit instead of refused.
    TakesAnything,
    /// A receive hands out ten whatever was asked for.
    IgnoresMax,
    /// A receive that found nothing doesn't return.
    WaitsForEver,
    /// Two envelopes with the same body are taken for one.
    DropsTwins,
    /// Every receive is the first.
    ForgetsReceives,
    /// Dead letters stay after they were deleted.
    KeepsDeadLetters,
    /// Dead letters are gone once they were handed out.
    TakesDeadLetters,
    /// What is in flight is not counted.
    MiscountsDepth,
}

use QueueFault as F;

pub(super) const FAULTS: &[(QueueFault, &[&str])] = &[
    (
        F::NeverRedelivers,
        &["shards.redelivery", "batches.redelivery", "batches.cancel", "batches.wait_for_return"],
    ),
    (F::DeduplicatesForEver, &["shards.dedup_ends"]),
    (F::NeverDeduplicates, &["shards.dedup", "shards.dedup_after_delete", "shards.dedup_concurrent"]),
    (F::ForgetsDeduplication, &["shards.restart_dedup"]),
    (F::NoGroupLock, &["shards.group_lock", "shards.restart_order"]),
    (F::TurnsOrder, &["shards.order"]),
    (F::StaleAckDeletes, &["shards.stale_ack_deletes_nothing", "batches.stale_ack_deletes_nothing"]),
    (F::StaleAckAnsweredOk, &["shards.stale_ack_answer", "batches.gone_ack_answer"]),
    (F::AckIdStays, &["shards.ack_ids_change", "batches.ack_ids_change", "batches.restart_ack"]),
    (F::LosesOneOfTen, &["shards.handed_out", "batches.handed_out"]),
    (F::SwallowsFailure, &["shards.partial_failure", "batches.partial_failure"]),
    (F::IgnoresVisibility, &["shards.hidden", "batches.hidden", "batches.concurrent"]),
    (F::IgnoresDelay, &["batches.delay", "batches.restart_delay"]),
    (F::IgnoresGiveBack, &["shards.give_back", "batches.give_back"]),
    (F::IgnoresDelete, &["shards.delete", "batches.delete"]),
    (F::NeverWaits, &["shards.wait_for_send", "batches.wait_for_send", "batches.cancel"]),
    (F::NeverWakes, &["shards.wait_for_send", "batches.wait_for_send"]),
    (F::CancelLoses, &["shards.cancel", "batches.cancel"]),
    (F::TakesEleven, &["shards.eleven", "batches.eleven"]),
    (F::TakesAnything, &["shards.fifo_key", "batches.fifo_key", "shards.delay_range", "batches.oversized"]),
    (F::IgnoresMax, &["shards.max", "batches.max"]),
    (F::WaitsForEver, &["shards.wait_in_vain", "batches.wait_in_vain"]),
    (F::DropsTwins, &["batches.same_twice"]),
    (F::ForgetsReceives, &["shards.receive_count", "batches.receive_count"]),
    (F::TakesDeadLetters, &["shards.dead_letters", "batches.dead_letters"]),
    (F::KeepsDeadLetters, &["shards.dead_letters", "batches.dead_letters"]),
    (F::MiscountsDepth, &["shards.depth", "batches.depth"]),
];

/// Counts over all wrappers, so that a wrapper made after a restart differs from the one before.
static SERIAL: AtomicU64 = AtomicU64::new(0);

fn serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

#[derive(Default)]
struct Memo {
    dedup: HashSet<String>,
    bodies: HashSet<Bytes>,
    /// The newest ack id by envelope.
    newest: HashMap<String, AckId>,
}

pub(super) struct BrokenQueue {
    fault: QueueFault,
    inner: Arc<MemoryQueue>,
    made: u64,
    memo: Mutex<Memo>,
}

impl BrokenQueue {
    pub(super) fn new(fault: QueueFault, inner: Arc<MemoryQueue>) -> Self {
        Self { fault, inner, made: serial(), memo: Mutex::default() }
    }

    fn memo<T>(&self, f: impl FnOnce(&mut Memo) -> T) -> T {
        f(&mut self.memo.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The envelope as the inner queue gets it; `None` when it gets nothing.
    fn bent(&self, envelope: &NewEnvelope) -> Option<NewEnvelope> {
        let mut e = envelope.clone();
        if self.fault == F::TakesAnything {
            return Some(self.fitted(e));
        }
        if self.fault == F::DropsTwins && !self.memo(|m| m.bodies.insert(e.body.clone())) {
            return None;
        }
        let Some(key) = &mut e.fifo else {
            if self.fault == F::IgnoresDelay {
                e.delay = Duration::ZERO;
            }
            return Some(e);
        };
        match self.fault {
            F::DeduplicatesForEver if !self.memo(|m| m.dedup.insert(key.dedup.clone())) => return None,
            F::NeverDeduplicates => key.dedup = format!("{}#{}", key.dedup, serial()),
            F::ForgetsDeduplication => key.dedup = format!("{}#{}", key.dedup, self.made),
            F::NoGroupLock => key.group = format!("{}#{}", key.group, serial()),
            _ => {}
        }
        Some(e)
    }

    fn fitted(&self, mut e: NewEnvelope) -> NewEnvelope {
        e.body.truncate(ENVELOPE_BYTES_MAX);
        if self.inner.is_fifo() {
            let id = serial().to_string();
            e.delay = Duration::ZERO;
            e.fifo.get_or_insert(FifoKey { group: id.clone(), dedup: id });
        } else {
            e.delay = e.delay.min(QUEUE_DELAY_MAX);
            e.fifo = None;
        }
        e
    }

    /// What the inner queue knows an ack id as.
    fn ack(&self, ack: &AckId) -> AckId {
        if !matches!(self.fault, F::StaleAckDeletes | F::AckIdStays) {
            return ack.clone();
        }
        self.memo(|m| m.newest.get(envelope_of(ack)).cloned()).unwrap_or_else(|| ack.clone())
    }

    fn handed_out(&self, mut received: Received) -> Received {
        let envelope = envelope_of(&received.ack).to_owned();
        self.memo(|m| m.newest.insert(envelope.clone(), received.ack.clone()));
        match self.fault {
            F::AckIdStays => received.ack = AckId(envelope),
            F::ForgetsReceives => received.receive_count = 1,
            _ => {}
        }
        received
    }

    fn answered(&self, answers: Vec<EntryResult>) -> Vec<EntryResult> {
        let lie = |a| match (self.fault, a) {
            (F::StaleAckAnsweredOk, EntryResult::StaleAck) | (F::SwallowsFailure, EntryResult::Failed(_)) => {
                EntryResult::Ok
            }
            (_, a) => a,
        };
        answers.into_iter().map(lie).collect()
    }

    /// Takes for hours, and sets the visibility when the call comes to its end.
    async fn hide_late(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let got = self.inner.receive(max, wait, QUEUE_VISIBILITY_MAX).await?;
        tokio::task::yield_now().await;
        let acks: Vec<_> = got.iter().map(|r| r.ack.clone()).collect();
        self.inner.hide(&acks, visibility).await?;
        Ok(got)
    }

    /// Sends what is left of a call, and answers `Ok` for the rest.
    async fn pass_on(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let mut bent: Vec<_> = envelopes.iter().filter_map(|e| self.bent(e)).collect();
        match self.fault {
            F::LosesOneOfTen if bent.len() == 10 => drop(bent.pop()),
            F::TurnsOrder => bent.reverse(),
            _ => {}
        }
        let mut answers = self.inner.send(&bent).await?;
        answers.resize(envelopes.len(), EntryResult::Ok);
        Ok(self.answered(answers))
    }
}

/// The part of an ack id that names the envelope.
fn envelope_of(ack: &AckId) -> &str {
    ack.0.split('-').next().unwrap_or_default()
}

#[async_trait]
impl Queue for BrokenQueue {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        if self.fault != F::TakesEleven {
            return self.pass_on(envelopes).await;
        }
        let mut answers = Vec::new();
        for call in envelopes.chunks(10) {
            answers.extend(self.pass_on(call).await?);
        }
        Ok(answers)
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let (wait, visibility) = match self.fault {
            F::NeverRedelivers => (wait, QUEUE_VISIBILITY_MAX),
            F::IgnoresVisibility => (wait, Duration::ZERO),
            F::NeverWaits => (Duration::ZERO, visibility),
            // So long that nobody waits for it: a receiver that nothing wakes.
            F::NeverWakes if !wait.is_zero() && self.inner.bodies().is_empty() => {
                tokio::time::sleep(wait * 100).await;
                (Duration::ZERO, visibility)
            }
            _ => (wait, visibility),
        };
        let max = if self.fault == F::IgnoresMax { 10 } else { max };
        let got = match self.fault {
            F::CancelLoses => self.hide_late(max, wait, visibility).await?,
            _ => self.inner.receive(max, wait, visibility).await?,
        };
        if self.fault == F::WaitsForEver && got.is_empty() && !wait.is_zero() {
            std::future::pending::<()>().await;
        }
        Ok(got.into_iter().map(|r| self.handed_out(r)).collect())
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        if self.fault == F::IgnoresDelete {
            return Ok(vec![EntryResult::Ok; acks.len()]);
        }
        let acks: Vec<_> = acks.iter().map(|a| self.ack(a)).collect();
        Ok(self.answered(self.inner.delete(&acks).await?))
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        if self.fault == F::IgnoresGiveBack && visibility.is_zero() {
            return Ok(vec![EntryResult::Ok; acks.len()]);
        }
        let acks: Vec<_> = acks.iter().map(|a| self.ack(a)).collect();
        Ok(self.answered(self.inner.hide(&acks, visibility).await?))
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        let depth = self.inner.depth().await?;
        Ok(if self.fault == F::MiscountsDepth { Depth { in_flight: 0, ..depth } } else { depth })
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        let got = self.inner.receive_dead(max, visibility).await?;
        if self.fault == F::TakesDeadLetters {
            let acks: Vec<_> = got.iter().map(|r| r.ack.clone()).collect();
            self.inner.delete_dead(&acks).await?;
        }
        Ok(got)
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        if self.fault == F::KeepsDeadLetters {
            return Ok(vec![EntryResult::Ok; acks.len()]);
        }
        self.inner.delete_dead(acks).await
    }
}
