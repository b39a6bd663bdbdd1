//! Nothing is acknowledged before its effect is durable: looked at when an envelope is deleted, and when a shard is marked as
//! expanded.

use crate::process::{Process, ProcessClock};
use crate::world::World;
use bytes::Bytes;
use common::envelope::{BatchEnvelope, Head, ShardEnvelope};
use common::ids::{BatchKey, BatchNo, Epoch, ShardNo};
use common::outcome::Outcome;
use common::plan::{CANARY_EVERY, in_canary};
use common::ports::{AckId, Ledger, Received};
use common::time::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The longest pause before another try of one device: a back-off, or as long as a gateway of these nights asks for.
const PAUSE_MAX: Duration = Duration::from_millis(10_500);

/// What was handed out and what was sent, as far as it is needed to judge a deletion.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Envelopes that were handed out, by queue (FIFO or not) and ack id.
    out: BTreeMap<(bool, String), Bytes>,
    /// Batches that were put on their queue, by epoch.
    sent: BTreeSet<(Epoch, BatchKey)>,
}

impl World {
    /// These envelopes are handed out.
    pub(crate) fn handed_out(&self, fifo: bool, received: &[Received]) {
        self.with(|s| {
            for r in received {
                s.durable.out.insert((fifo, r.ack.0.clone()), r.body.clone());
            }
        });
    }

    /// This batch envelope is on its queue.
    pub(crate) fn is_on_queue(&self, batch: &BatchEnvelope) {
        self.with(|s| s.durable.sent.insert((batch.head.epoch, batch.key)));
    }

    /// This process deletes an envelope now.
    pub(crate) async fn deletes(&self, process: &Arc<Process>, fifo: bool, ack: &AckId) {
        let Some(body) = self.with(|s| s.durable.out.remove(&(fifo, ack.0.clone()))) else { return };
        let done = if fifo {
            let Ok(envelope) = ShardEnvelope::decode(&body) else { return };
            self.is_over(process, &envelope.head) || self.is_expanded(&envelope).await
        } else {
            let Ok(batch) = BatchEnvelope::decode(&body) else { return };
            self.is_over(process, &batch.head) || self.is_known(&batch) || self.comes_again(&batch)
        };
        if !done {
            let what = if fifo { "shard" } else { "batch" };
            self.violate(format!("{} deletes a {what} envelope whose effect is not durable", process.name));
        }
    }

    /// Nothing of this run may be sent any more, or, by this process's clock, its deadline is nearer than the longest pause:
    /// what would come after it is left to the reconciler.
    fn is_over(&self, process: &Arc<Process>, head: &Head) -> bool {
        let late = ProcessClock(Arc::clone(process)).now().plus(PAUSE_MAX) >= head.deadline_at;
        late || self.with(|s| s.monitor.is_over(head.epoch))
    }

    async fn is_expanded(&self, envelope: &ShardEnvelope) -> bool {
        let shards = self.parts.ledger.shards(self.campaign).await.unwrap_or_default();
        let this = shards.iter().find(|s| s.shard == envelope.shard);
        this.is_some_and(|s| {
            s.epoch > envelope.head.epoch || (s.epoch == envelope.head.epoch && s.expanded_at.is_some())
        })
    }

    /// Every device in the envelope has an outcome.
    fn is_known(&self, batch: &BatchEnvelope) -> bool {
        let record = self.parts.ledger.peek(self.campaign, batch.key);
        record.is_some_and(|r| {
            places(batch).all(|place| r.outcome(place.into()).is_some_and(|o| o != Outcome::Unsent))
        })
    }

    /// Every device in the envelope that has no outcome is in another envelope on the queue.
    fn comes_again(&self, batch: &BatchEnvelope) -> bool {
        let record = self.parts.ledger.peek(self.campaign, batch.key);
        let is_open = |place: &u16| {
            record.as_ref().is_none_or(|r| r.outcome((*place).into()).is_none_or(|o| o == Outcome::Unsent))
        };
        let mut open: BTreeSet<u16> = places(batch).filter(is_open).collect();
        // The one that is deleted is still there: it counts once less.
        let mut own = 1;
        for body in self.parts.batches.bodies() {
            let Ok(other) = BatchEnvelope::decode(&body) else { continue };
            if other.key != batch.key || other.head.epoch != batch.head.epoch {
                continue;
            }
            if own > 0 && other == *batch {
                own -= 1;
                continue;
            }
            places(&other).for_each(|place| {
                open.remove(&place);
            });
        }
        open.is_empty()
    }

    /// A shard is marked as expanded: each of its batches was put on the queue in this epoch, or has all its outcomes, or is
    /// not in the canary.
    pub(crate) fn marks_expanded(&self, process: &Process, epoch: Epoch, shard: ShardNo) {
        let canary = self.with(|s| s.monitor.is_canary(epoch));
        let first = BatchKey { shard, number: BatchNo(0) };
        let all = self.audience.batches.range(first..).take_while(|(key, _)| key.shard == shard);
        for (key, _) in all {
            if (canary && !in_canary(*key, CANARY_EVERY))
                || self.with(|s| s.durable.sent.contains(&(epoch, *key)))
            {
                continue;
            }
            let record = self.parts.ledger.peek(self.campaign, *key);
            if record.is_none_or(|r| r.outcomes().any(|(o, _)| o == Outcome::Unsent)) {
                let who = &process.name;
                return self
                    .violate(format!("{who} marks shard {shard} as expanded, and batch {key} was not sent"));
            }
        }
    }
}

/// The places that an envelope brings.
fn places(batch: &BatchEnvelope) -> Box<dyn Iterator<Item = u16> + '_> {
    if batch.only.is_empty() { Box::new(0..batch.devices) } else { Box::new(batch.only.iter().copied()) }
}
