//! Makes what happened durable, in the one safe order: what comes again is on the queue, then the ledger has the results,
//! then the envelope is deleted. A crash in between sends nobody twice: whoever gets the envelope asks the ledger.

use crate::claim::InHand;
use crate::lane::Lane;
use crate::measure;
use crate::retry;
use crate::send::Turn;
use common::envelope::NewEnvelope;
use common::ledger::{CompleteAnswer, CompleteRequest};
use common::limits::QUEUE_CALL_ENTRIES_MAX;
use common::plan::Gate;
use common::ports::EntryResult;
use std::time::Duration;
use telemetry::metrics::{BATCHES_COMPLETED, Completion, QUEUE_FAILURES, Queue};

/// Pause between repetitions of a call that failed.
const PAUSE: Duration = Duration::from_millis(100);
/// Later tries that are not on the queue after this stay with their envelope: the results are worth more.
const QUEUE_FOR: Duration = Duration::from_secs(4);
/// Results that are not in the ledger after this are given up, though the claims may still be renewed.
const COMPLETE_FOR: Duration = Duration::from_secs(30);

/// A batch whose turn is over.
pub(crate) struct Over<'a> {
    pub(crate) hand: &'a InHand,
    pub(crate) turn: Turn,
}

impl Lane {
    /// Finishes up to ten batches that ended together.
    pub(crate) async fn finish(&self, group: Vec<Over<'_>>) {
        let mut kept_again = self.send_later(&group).await;
        let completed = self.complete(&group).await;
        let all = group.iter().zip(completed).zip(kept_again.drain(..));
        let delete: Vec<_> = all
            .filter(|((_, completed), again)| *completed && *again)
            .map(|((over, _), _)| over.hand.ack.clone())
            .collect();
        self.delete(&delete).await;
        group.iter().for_each(|over| over.hand.finished.set(true));
        self.log(&group, delete.len());
    }

    fn log(&self, group: &[Over<'_>], deleted: usize) {
        for over in group {
            let (head, again) = (&over.hand.batch.head, over.turn.later.iter().map(Vec::len).sum::<usize>());
            let _in = over.hand.span.enter();
            tracing::debug!(
                campaign = %head.campaign, epoch = head.epoch.0, batch = %over.hand.batch.key,
                attempt = over.hand.batch.attempt, results = over.turn.results.len(), again, "batch finished"
            );
        }
        tracing::trace!(batches = group.len(), deleted, "group finished");
    }

    /// Puts the later tries on the queue. Answers for each batch whether all of its own are there.
    async fn send_later(&self, group: &[Over<'_>]) -> Vec<bool> {
        let mut kept = vec![true; group.len()];
        let mut waiting: Vec<(usize, NewEnvelope)> = Vec::new();
        for (n, over) in group.iter().enumerate() {
            waiting.extend(self.later_envelopes(over).into_iter().map(|e| (n, e)));
        }
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(QUEUE_CALL_ENTRIES_MAX));
            let call = std::mem::replace(&mut waiting, rest);
            for (n, _) in self.send_call(call, group).await {
                kept[n] = false;
            }
        }
        kept
    }

    /// Nothing comes again of a run that is over: its envelopes would be deleted anyway.
    fn later_envelopes(&self, over: &Over<'_>) -> Vec<NewEnvelope> {
        let batch = &over.hand.batch;
        if self.shared.watch.gate(&batch.head) == Gate::Drop {
            return Vec::new();
        }
        let envelopes = retry::envelopes(batch, &over.turn.later, self.shared.clock.now());
        let new = |(e, delay): (common::envelope::BatchEnvelope, Duration)| NewEnvelope {
            delay,
            trace: over.hand.trace.clone(),
            ..NewEnvelope::plain(e.encode())
        };
        envelopes.into_iter().map(new).collect()
    }

    /// One call, again until every entry is in or its time is over. Answers those that are not in.
    async fn send_call(
        &self,
        mut call: Vec<(usize, NewEnvelope)>,
        group: &[Over<'_>],
    ) -> Vec<(usize, NewEnvelope)> {
        let end = self.shared.clock.mono() + QUEUE_FOR;
        loop {
            let envelopes: Vec<_> = call.iter().map(|(_, e)| e.clone()).collect();
            match self.shared.backend.batches.send(&envelopes).await {
                Ok(answers) => {
                    measure::sent_later(&answers);
                    let mut answers = answers.into_iter();
                    call.retain(|_| answers.next() != Some(EntryResult::Ok));
                }
                Err(error) => {
                    QUEUE_FAILURES.one(Queue::Batches);
                    tracing::warn!(%error, "later tries not on the queue yet");
                }
            }
            let in_time = self.holds_until(end, call.iter().map(|(n, _)| &group[*n]));
            if call.is_empty() || !in_time {
                return call;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Writes the results to the ledger, again until it worked or [`COMPLETE_FOR`] is over. Answers for each batch whether it
    /// knows them.
    async fn complete(&self, group: &[Over<'_>]) -> Vec<bool> {
        let Some(campaign) = group.first().map(|o| o.hand.batch.head.campaign) else { return Vec::new() };
        let end = self.shared.clock.mono() + COMPLETE_FOR;
        loop {
            let now = self.shared.clock.now();
            let request = |o: &Over<'_>| CompleteRequest {
                key: o.hand.batch.key,
                fence: o.hand.fence,
                results: o.turn.results.clone(),
                sent_at: o.turn.sent_at,
                now,
            };
            let requests: Vec<_> = group.iter().map(request).collect();
            match self.shared.backend.ledger.complete_many(campaign, &requests).await {
                Ok(answers) => {
                    self.shared.ledger.over();
                    return group.iter().zip(answers).map(|(o, a)| self.completed(o, a)).collect();
                }
                // Also when the leases are over meanwhile: results that come late are merged, and what is known to be
                // accepted is then not sent once more.
                Err(error) if self.shared.clock.mono() < end => {
                    self.shared.ledger.failed(self.shared.clock.mono(), &error);
                    tracing::warn!(%campaign, %error, batches = group.len(), "batches not completed yet");
                }
                Err(error) => {
                    let batches = group.len();
                    BATCHES_COMPLETED.add_len(Completion::Failed, batches);
                    tracing::error!(%campaign, %error, batches, "batches not completed, their devices may be sent twice");
                    return vec![false; batches];
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn completed(&self, over: &Over<'_>, answer: CompleteAnswer) -> bool {
        let head = &over.hand.batch.head;
        BATCHES_COMPLETED.one(measure::completion(&answer));
        match answer {
            CompleteAnswer::Taken { .. } | CompleteAnswer::Merged => {
                measure::settled(&over.turn.counted, head.pressed_at);
                let mut rows = self.shared.counters();
                let row = rows.at(head.campaign, self.shared.clock.now());
                row.batches += 1;
                for (byte, at) in &over.turn.counted {
                    row.add_outcome(*byte);
                    row.add_latency(at.since(head.pressed_at));
                }
                true
            }
            CompleteAnswer::Unknown => {
                tracing::error!(campaign = %head.campaign, batch = %over.hand.batch.key, "ledger has no record of a batch that it granted");
                false
            }
        }
    }

    /// Whether it is before `end`, and all of these claims are still held.
    fn holds_until<'a>(&self, end: Duration, mut group: impl Iterator<Item = &'a Over<'a>>) -> bool {
        let now = self.shared.clock.mono();
        now < end && group.all(|o| now < o.hand.lease_end.get())
    }
}
