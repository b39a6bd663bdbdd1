//! Putting shard envelopes on the FIFO queue: what a press does after its gate, and what the reconciler does for it.
//!
//! Sending is safe to repeat: within 5 minutes by the deduplication id, after them by the ledger's shard records.

use crate::{Control, ControlError};
use common::campaign::Campaign;
use common::envelope::{NewEnvelope, ShardEnvelope};
use common::limits::QUEUE_CALL_ENTRIES_MAX;
use common::plan::undispatched;
use common::ports::EntryResult;
use common::trace::TraceParent;
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use telemetry::metrics::Queue::Shards;
use telemetry::metrics::{ENVELOPES, Event, QUEUE_FAILURES};

/// How often a failed entry is sent again before it is left to the reconciler.
const TRIES: u32 = 5;
/// The first pause before sending again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(20);

impl Control {
    /// Sends every envelope that the live run still lacks, and writes down which are on the queue. Answers how many of
    /// its shards are dispatched now.
    pub(crate) async fn dispatch(&self, campaign: &Campaign) -> Result<u16, ControlError> {
        let Some(run) = campaign.live_run() else { return Ok(0) };
        let shards = campaign.frozen().map_or(0, |f| f.shards);
        let _one_at_a_time = self.dispatching.lock().await;
        let known = self.backend.ledger.shards(campaign.id).await?;
        let of_run = known.iter().filter(|s| s.epoch == run.epoch);
        // Only a shard that was sent long ago makes the queue's depth worth asking for.
        let waiting = of_run.clone().any(|s| s.expanded_at.is_none());
        let idle = waiting && self.backend.shards.depth().await?.is_empty();
        let missing = undispatched(campaign, &known, idle, self.clock.now());
        let first_time = missing.iter().filter(|e| e.attempt == 0).count();
        let sent = self.send_all(&missing).await;
        let marks: Vec<_> = sent.iter().map(|e| (e.shard, e.attempt)).collect();
        if !marks.is_empty() {
            let (ledger, now) = (&self.backend.ledger, self.clock.now());
            ledger.mark_dispatched(campaign.id, run.epoch, &marks, now).await?;
        }
        let failed = first_time.saturating_sub(sent.iter().filter(|e| e.attempt == 0).count());
        Ok(shards.saturating_sub(u16::try_from(failed).unwrap_or(shards)))
    }

    /// Sends in calls of ten, all at once. Answers those that are on the queue.
    async fn send_all<'a>(&self, envelopes: &'a [ShardEnvelope]) -> Vec<&'a ShardEnvelope> {
        let trace = telemetry::trace::current();
        let calls = envelopes.chunks(QUEUE_CALL_ENTRIES_MAX).map(|ten| self.send_ten(ten, trace.as_ref()));
        let calls: FuturesUnordered<_> = calls.collect();
        calls.collect::<Vec<_>>().await.concat()
    }

    async fn send_ten<'a>(
        &self,
        ten: &'a [ShardEnvelope],
        trace: Option<&TraceParent>,
    ) -> Vec<&'a ShardEnvelope> {
        let (mut left, mut sent): (Vec<&ShardEnvelope>, Vec<_>) = (ten.iter().collect(), Vec::new());
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let entries: Vec<_> = left.iter().map(|e| entry(e, trace)).collect();
            match self.backend.shards.send(&entries).await {
                Ok(results) => {
                    let (ok, failed): (Vec<_>, Vec<_>) =
                        left.into_iter().zip(results).partition(|(_, r)| *r == EntryResult::Ok);
                    ENVELOPES.add_len((Shards, Event::Sent), ok.len());
                    QUEUE_FAILURES.add_len(Shards, failed.len());
                    sent.extend(ok.into_iter().map(|(e, _)| e));
                    left = failed.into_iter().map(|(e, _)| e).collect();
                }
                Err(error) => {
                    QUEUE_FAILURES.one(Shards);
                    tracing::warn!(%error, attempt, "shard envelopes were not sent");
                }
            }
            if left.is_empty() {
                break;
            }
        }
        if !left.is_empty() {
            tracing::warn!(left = left.len(), "shard envelopes are left to the reconciler");
        }
        sent
    }
}

fn entry(envelope: &ShardEnvelope, trace: Option<&TraceParent>) -> NewEnvelope {
    NewEnvelope {
        body: envelope.encode(),
        fifo: Some(envelope.fifo_key()),
        delay: Duration::ZERO,
        trace: trace.cloned(),
    }
}
