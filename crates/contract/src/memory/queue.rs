//! A queue in memory: [`QueueState`] decides, this adds bodies, dead letters and waiting.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use bytes::Bytes;
use common::envelope::NewEnvelope;
use common::limits::{
    ENVELOPE_BYTES_MAX, QUEUE_CALL_ENTRIES_MAX, QUEUE_DELAY_MAX, QUEUE_VISIBILITY_MAX, QUEUE_WAIT_MAX,
};
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use common::queue::{DeadLetters, QueueState, Rules, Sent, Seq, Ticket};
use common::time::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A waiting receiver looks at the clock this often, because nothing tells it when a manual clock is moved.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a queue's calls are called.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the call of its name")]
pub struct Calls {
    pub(super) name: &'static str,
    pub send: Call,
    pub receive: Call,
    pub delete: Call,
    pub hide: Call,
    pub depth: Call,
    pub receive_dead: Call,
    pub delete_dead: Call,
}

/// The FIFO queue's.
pub static SHARD_CALLS: Calls = Calls {
    name: "shards",
    send: Call::ShardsSend,
    receive: Call::ShardsReceive,
    delete: Call::ShardsDelete,
    hide: Call::ShardsHide,
    depth: Call::ShardsDepth,
    receive_dead: Call::ShardsReceiveDead,
    delete_dead: Call::ShardsDeleteDead,
};

/// The standard queue's.
pub static BATCH_CALLS: Calls = Calls {
    name: "batches",
    send: Call::BatchesSend,
    receive: Call::BatchesReceive,
    delete: Call::BatchesDelete,
    hide: Call::BatchesHide,
    depth: Call::BatchesDepth,
    receive_dead: Call::BatchesReceiveDead,
    delete_dead: Call::BatchesDeleteDead,
};

struct Inner {
    state: QueueState,
    bodies: BTreeMap<Seq, Bytes>,
    dead: DeadLetters,
    dead_bodies: BTreeMap<Seq, Bytes>,
    sent: u64,
}

/// A queue in memory.
pub struct MemoryQueue {
    rules: Rules,
    clock: Arc<dyn Clock>,
    faults: Faults,
    calls: &'static Calls,
    changed: Notify,
    inner: Mutex<Inner>,
}

impl MemoryQueue {
    pub(super) fn new(rules: Rules, clock: Arc<dyn Clock>, faults: Faults, calls: &'static Calls) -> Self {
        let inner = Inner {
            state: QueueState::new(rules),
            bodies: BTreeMap::new(),
            dead: DeadLetters::default(),
            dead_bodies: BTreeMap::new(),
            sent: 0,
        };
        Self { rules, clock, faults, calls, changed: Notify::new(), inner: Mutex::new(inner) }
    }

    /// Whether it is a FIFO queue.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.rules.fifo
    }

    /// Bodies of all envelopes on it, hidden ones included, oldest first.
    #[must_use]
    pub fn bodies(&self) -> Vec<Bytes> {
        lock(&self.inner).bodies.values().cloned().collect()
    }

    /// Bodies of the dead letters, oldest first.
    #[must_use]
    pub fn dead(&self) -> Vec<Bytes> {
        let inner = lock(&self.inner);
        inner.dead.iter().filter_map(|seq| inner.dead_bodies.get(&seq).cloned()).collect()
    }

    /// Envelopes that were put on it since it was made; dropped duplicates don't count.
    #[must_use]
    pub fn sent(&self) -> u64 {
        lock(&self.inner).sent
    }

    /// Makes waiting receivers look again.
    pub fn wake(&self) {
        self.changed.notify_waiters();
    }

    fn invalid(&self, why: String) -> PortError {
        PortError::Invalid { what: self.calls.name, why }
    }

    fn within<T: PartialOrd + std::fmt::Debug>(
        &self,
        what: &str,
        value: &T,
        max: &T,
    ) -> Result<(), PortError> {
        if value > max {
            return Err(self.invalid(format!("{what} is {value:?}, {max:?} is allowed")));
        }
        Ok(())
    }

    fn check_send(&self, envelopes: &[NewEnvelope]) -> Result<(), PortError> {
        self.within("the number of entries", &envelopes.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        let delay_max = if self.rules.fifo { Duration::ZERO } else { QUEUE_DELAY_MAX };
        for e in envelopes {
            self.within("an envelope's length in bytes", &e.body.len(), &ENVELOPE_BYTES_MAX)?;
            self.within("the delay", &e.delay, &delay_max)?;
            if e.fifo.is_some() != self.rules.fifo {
                return Err(self.invalid("a FIFO key is needed on a FIFO queue, refused on another".into()));
            }
        }
        Ok(())
    }

    /// Hands out what there is now.
    fn try_receive(&self, max: usize, visibility: Duration) -> Vec<Received> {
        let now = self.clock.now();
        let mut inner = lock(&self.inner);
        let (tickets, dead) = inner.state.receive(max, visibility, now);
        for seq in dead {
            if let Some(body) = inner.bodies.remove(&seq) {
                inner.dead_bodies.insert(seq, body);
                inner.dead.push(seq);
            }
        }
        let body = |t: &Ticket| inner.bodies.get(&t.seq).cloned().unwrap_or_default();
        tickets
            .iter()
            .map(|t| Received { ack: ack_id(*t), body: body(t), receive_count: t.receive, trace: None })
            .collect()
    }

    /// Does something to each ticket that is not ordered to fail.
    fn each(
        &self,
        call: Call,
        acks: &[AckId],
        act: impl Fn(&mut Inner, Ticket) -> bool,
    ) -> Result<Vec<EntryResult>, PortError> {
        let pass = self.faults.enter(call)?;
        self.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        let answers = {
            let mut inner = lock(&self.inner);
            let one = |(place, ack)| match ticket(ack) {
                _ if pass.fails(place) => ordered_entry(),
                Some(ticket) if act(&mut inner, ticket) => EntryResult::Ok,
                _ => EntryResult::StaleAck,
            };
            acks.iter().enumerate().map(one).collect()
        };
        self.wake();
        pass.answer(answers)
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let pass = self.faults.enter(self.calls.send)?;
        self.check_send(envelopes)?;
        let now = self.clock.now();
        let mut answers = Vec::with_capacity(envelopes.len());
        {
            let mut inner = lock(&self.inner);
            for (place, e) in envelopes.iter().enumerate() {
                if pass.fails(place) {
                    answers.push(ordered_entry());
                    continue;
                }
                if let Sent::Queued(seq) = inner.state.send(e.fifo.as_ref(), e.delay, now) {
                    inner.bodies.insert(seq, e.body.clone());
                    inner.sent += 1;
                }
                answers.push(EntryResult::Ok);
            }
        }
        self.wake();
        pass.answer(answers)
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let pass = self.faults.enter(self.calls.receive)?;
        self.within("the number of entries", &max, &QUEUE_CALL_ENTRIES_MAX)?;
        self.within("the smallest number of entries", &1, &max)?;
        self.within("the wait", &wait, &QUEUE_WAIT_MAX)?;
        self.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        let (begun, end) = (self.clock.mono(), Instant::now() + wait);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let got = self.try_receive(max, visibility);
            let waited = self.clock.mono().saturating_sub(begun) >= wait || Instant::now() >= end;
            if !got.is_empty() || waited {
                return pass.answer(got);
            }
            let nap = end.min(Instant::now() + LOOK_EVERY);
            // Whichever of the two comes first, the queue is looked at again.
            let _ = tokio::time::timeout_at(nap, changed).await;
        }
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        let now = self.clock.now();
        self.each(self.calls.delete, acks, |inner, ticket| {
            let gone = inner.state.delete(ticket, now);
            if gone {
                inner.bodies.remove(&ticket.seq);
            }
            gone
        })
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        self.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        let now = self.clock.now();
        self.each(self.calls.hide, acks, |inner, ticket| inner.state.hide(ticket, visibility, now))
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        let pass = self.faults.enter(self.calls.depth)?;
        let inner = lock(&self.inner);
        let dead = u64::try_from(inner.dead.len()).unwrap_or(u64::MAX);
        pass.answer(Depth { dead, ..inner.state.depth(self.clock.now()) })
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        let pass = self.faults.enter(self.calls.receive_dead)?;
        let mut inner = lock(&self.inner);
        let tickets = inner.dead.receive(max.min(QUEUE_CALL_ENTRIES_MAX), visibility, self.clock.now());
        let one = |t: Ticket| {
            let body = inner.dead_bodies.get(&t.seq).cloned().unwrap_or_default();
            Received { ack: ack_id(t), body, receive_count: t.receive, trace: None }
        };
        pass.answer(tickets.into_iter().map(one).collect())
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.each(self.calls.delete_dead, acks, |inner, ticket| {
            let gone = inner.dead.delete(ticket);
            if gone {
                inner.dead_bodies.remove(&ticket.seq);
            }
            gone
        })
    }
}

fn ordered_entry() -> EntryResult {
    EntryResult::Failed("the test ordered it".to_owned())
}

fn ack_id(t: Ticket) -> AckId {
    AckId(format!("{}-{}", t.seq, t.receive))
}

fn ticket(ack: &AckId) -> Option<Ticket> {
    let (seq, receive) = ack.0.split_once('-')?;
    Some(Ticket { seq: seq.parse().ok()?, receive: receive.parse().ok()? })
}
