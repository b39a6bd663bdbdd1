//! From received envelopes to those that may be claimed: decoding, the gate, pacing and breakers. Whatever does not go on
//! is deleted, hidden, or sent away until later; no lease is held while waiting for any of it.

use crate::control::Admission;
use crate::lane::{Lane, Prepared};
use crate::measure;
use crate::retry;
use common::device::Platform;
use common::envelope::{BatchEnvelope, Devices, Head, NewEnvelope};
use common::ids::{CampaignId, Epoch};
use common::limits::{LOOK_EVERY, QUEUE_DELAY_MAX};
use common::plan::{self, Gate};
use common::ports::{AckId, EntryResult, Received};
use common::trace::TraceParent;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use telemetry::metrics::Queue::Batches;
use telemetry::metrics::{ENVELOPES, Event, QUEUE_FAILURES};
use tracing::Span;

/// Longest time that a given-back envelope stays hidden.
const GIVE_BACK_MAX: Duration = Duration::from_secs(8);
/// What a gateway that is not prepared can't send comes again after this.
const UNPREPARED_PAUSE: Duration = Duration::from_secs(1);

/// What happens to the devices of one platform in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// They are sent; so many tokens were taken.
    Send(u32),
    /// They come again later.
    Later(Duration),
    /// There is no gateway for them.
    Unsendable,
}

/// A batch that may be claimed.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) batch: BatchEnvelope,
    pub(crate) devices: Devices,
    pub(crate) ack: AckId,
    pub(crate) receive_count: u32,
    /// By platform.
    pub(crate) parts: [Part; 2],
    /// What is done for it happens in here.
    pub(crate) span: Span,
    /// Goes on with every envelope that is made of this one.
    pub(crate) trace: Option<TraceParent>,
}

enum Verdict {
    Go([Part; 2]),
    Delete,
    Hide(Duration),
    /// Send a copy that comes later, then delete this one.
    Postpone(Duration),
}

/// A span for one envelope, which goes on with the trace that came with it.
fn span(batch: &BatchEnvelope, trace: Option<&TraceParent>) -> Span {
    let (head, key, attempt) = (&batch.head, batch.key, batch.attempt);
    let (campaign, epoch) = (head.campaign, head.epoch);
    let span = tracing::info_span!("batch", %campaign, %epoch, shard = %key.shard, batch = %key, attempt);
    telemetry::trace::follow(&span, trace);
    span
}

/// How long a given-back envelope is hidden: longer each time, so that an outage does not eat up its receives.
pub(crate) fn give_back_pause(receive_count: u32) -> Duration {
    LOOK_EVERY.saturating_mul(1 << receive_count.saturating_sub(1).min(10)).min(GIVE_BACK_MAX)
}

impl Lane {
    /// Sorts what was received.
    pub(crate) async fn admit(&self, received: Vec<Received>) -> Vec<Admitted> {
        let mut batches = Vec::with_capacity(received.len());
        for r in received {
            match BatchEnvelope::decode_with_devices(&r.body) {
                Ok((batch, devices)) => batches.push((r, batch, devices)),
                Err(error) => {
                    ENVELOPES.one((Batches, Event::Unreadable));
                    let (receives, bytes) = (r.receive_count, r.body.len());
                    tracing::error!(%error, receives, bytes, "unreadable batch envelope, left for the dead-letter queue");
                }
            }
        }
        let newest = self.look_where_needed(&batches).await;
        let prepared = self.prepared.borrow().clone();
        let (mut admitted, mut delete) = (Vec::new(), Vec::new());
        for (r, batch, devices) in batches {
            match self.verdict(&r, &batch, &devices, prepared.as_ref(), &newest) {
                Verdict::Go(parts) => {
                    let span = span(&batch, r.trace.as_ref());
                    let Received { ack, receive_count, trace, .. } = r;
                    admitted.push(Admitted { batch, devices, ack, receive_count, parts, span, trace });
                }
                Verdict::Delete => delete.push(r.ack),
                Verdict::Hide(pause) => self.hide(&[r.ack], pause).await,
                Verdict::Postpone(after) => {
                    if self.send_copy(&batch, after, r.trace).await {
                        delete.push(r.ack);
                    }
                }
            }
        }
        self.delete(&delete).await;
        admitted
    }

    /// One look at the slot if an envelope asks for it, and one at each campaign that is not the slot's: the epoch of
    /// its live run, or nothing when it has none.
    async fn look_where_needed(
        &self,
        batches: &[(Received, BatchEnvelope, Devices)],
    ) -> HashMap<CampaignId, Option<Epoch>> {
        let shared = &self.shared;
        let unclear = |head: &Head| shared.watch.gate(head) == Gate::LookAgain;
        if batches.iter().any(|(_, b, _)| unclear(&b.head)) {
            shared.look().await;
        }
        let slot = shared.watch.campaign().map(|c| c.id);
        let mut others = HashMap::new();
        for id in batches.iter().map(|(_, b, _)| b.head.campaign).filter(|id| Some(*id) != slot) {
            if !others.contains_key(&id)
                && let Ok(campaign) = shared.backend.campaigns.get(id).await
            {
                others.insert(id, campaign.and_then(|c| plan::head(&c)).map(|h| h.epoch));
            }
        }
        others
    }

    fn verdict(
        &self,
        received: &Received,
        batch: &BatchEnvelope,
        devices: &Devices,
        prepared: Option<&Rc<Prepared>>,
        others: &HashMap<CampaignId, Option<Epoch>>,
    ) -> Verdict {
        let head = &batch.head;
        match self.shared.watch.gate(head) {
            Gate::Drop => return Verdict::Delete,
            Gate::LookAgain => {
                // A live run of this very epoch means that the slot is just being changed.
                let over = others.get(&head.campaign).is_some_and(|e| e.is_none_or(|e| e > head.epoch));
                let pause = give_back_pause(received.receive_count);
                return if over { Verdict::Delete } else { Verdict::Hide(pause) };
            }
            Gate::Go if self.shared.draining.is_cancelled() => return Verdict::Hide(Duration::ZERO),
            Gate::Go => {}
        }
        let is_this = |p: &&Rc<Prepared>| {
            (p.campaign, p.content, p.snapshot) == (head.campaign, head.content, head.snapshot)
        };
        if prepared.filter(is_this).is_none() {
            return Verdict::Hide(give_back_pause(received.receive_count));
        }
        self.admit_parts(batch, devices)
    }

    /// Asks each platform's control. With nothing to send now, the whole envelope is postponed, unclaimed.
    fn admit_parts(&self, batch: &BatchEnvelope, devices: &Devices) -> Verdict {
        let counts = Platform::ALL.map(|p| u32::try_from(devices.count(p)).unwrap_or(u32::MAX));
        let parts = Platform::ALL.map(|p| self.part(p, counts[p as usize], batch));
        let has = |p: Platform| counts[p as usize] > 0;
        let later = Platform::ALL.into_iter().filter(|p| has(*p)).map(|p| match parts[p as usize] {
            Part::Later(after) => Some(after),
            Part::Send(_) | Part::Unsendable => None,
        });
        // All later: `Some` of the longest pause. An envelope without devices goes on, and is closed.
        match later.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()) {
            Some(after) => Verdict::Postpone(after),
            None => Verdict::Go(parts),
        }
    }

    fn part(&self, platform: Platform, count: u32, batch: &BatchEnvelope) -> Part {
        match self.link(platform) {
            _ if count == 0 => Part::Send(0),
            None => Part::Unsendable,
            Some(link) if !link.is_ready() => {
                Part::Later(retry::spread(UNPREPARED_PAUSE, batch.key, batch.attempt))
            }
            Some(_) => match self.shared.control(platform).admit(count, self.shared.clock.mono()) {
                Admission::Now => Part::Send(count),
                Admission::Later(after) => Part::Later(after.max(retry::soon(batch.key, batch.attempt))),
            },
        }
    }

    /// Sends a copy of an envelope that comes later (no later than just before the deadline), as the same attempt.
    async fn send_copy(&self, batch: &BatchEnvelope, after: Duration, trace: Option<TraceParent>) -> bool {
        let left = batch.head.deadline_at.since(self.shared.clock.now());
        let delay = after.min(left.saturating_sub(LOOK_EVERY)).min(QUEUE_DELAY_MAX);
        let copy = NewEnvelope { delay, trace, ..NewEnvelope::plain(batch.encode()) };
        let sent = self.shared.backend.batches.send(&[copy]).await;
        let in_queue = matches!(sent.as_deref(), Ok([EntryResult::Ok]));
        if in_queue {
            ENVELOPES.one((Batches, Event::SentLater));
        } else {
            QUEUE_FAILURES.one(Batches);
            tracing::warn!(batch = %batch.key, "batch envelope not postponed, it comes back by itself");
        }
        in_queue
    }

    /// Deletes up to ten envelopes; what fails comes back, and is deleted then.
    pub(crate) async fn delete(&self, acks: &[AckId]) {
        if acks.is_empty() {
            return;
        }
        let deleted = self.shared.backend.batches.delete(acks).await;
        measure::acked(Event::Deleted, &deleted);
        if let Err(error) = deleted {
            tracing::warn!(%error, envelopes = acks.len(), "batch envelopes not deleted");
        }
    }

    /// Hides up to ten envelopes; what fails comes back when its visibility ends.
    pub(crate) async fn hide(&self, acks: &[AckId], pause: Duration) {
        let hidden = self.shared.backend.batches.hide(acks, pause).await;
        measure::acked(Event::GivenBack, &hidden);
        if let Err(error) = hidden {
            tracing::warn!(%error, envelopes = acks.len(), "batch envelopes not hidden");
        }
    }
}
