//! The ledger's rules: who may send a batch, and what became of it. Pure; `design.md` beside this tells the story.
//!
//! An adapter keeps one [`BatchRecord`] per batch, applies these decisions to it under a condition on what it read,
//! and stores the result. The same functions run in the stepping test, so what is tested is what runs.

mod record;
#[cfg(test)]
mod tests;

pub use record::BatchRecord;

use crate::ids::{BatchKey, Epoch, Fence, ShardNo, WorkerId};
use crate::outcome::{Class, Outcome};
use crate::time::UnixMs;
use std::time::Duration;

/// Asks for the right to send a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which batch.
    pub key: BatchKey,
    /// The epoch of the envelope that brought it.
    pub epoch: Epoch,
    /// Who asks.
    pub holder: WorkerId,
    /// For how long.
    pub lease: Duration,
    /// Each device's gateway, in the batch's order, as outcome bytes of `unsent`: what a first claim writes down.
    pub blank: Vec<u8>,
    /// The places that the envelope brings, when it is a retry; empty: all of them. No other is granted, because
    /// nobody could send it.
    pub only: Vec<u16>,
    /// Send again what is ambiguous.
    pub resend_ambiguous: bool,
    /// The claimer's clock.
    pub now: UnixMs,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// Send the unsent ones, and complete with this fence.
    Granted {
        /// The claim's number.
        fence: Fence,
        /// Per device: whether it is to be sent.
        unsent: Vec<bool>,
        /// When the lease ends, by the claimer's clock.
        lease_until: UnixMs,
    },
    /// Every device has its outcome: delete the envelope.
    Done,
    /// Another holder has it: leave it alone, or hide it, until then.
    HeldUntil(UnixMs),
    /// The record has seen a newer epoch: delete the envelope.
    Stale,
}

/// What became of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceResult {
    /// Its place in the batch.
    pub index: u16,
    /// Its outcome; [`Outcome::Unsent`] puts it back (it deserves a later try, or was not written).
    pub outcome: Outcome,
    /// When the answer came.
    pub at: UnixMs,
    /// For a dead token: since when, if the gateway said so.
    pub dead_since: Option<UnixMs>,
}

/// Reports a claim's results and gives the claim up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteRequest {
    /// Which batch.
    pub key: BatchKey,
    /// The claim's number.
    pub fence: Fence,
    /// One entry per device that was granted.
    pub results: Vec<DeviceResult>,
    /// When the last request was handed to a connection, if one was.
    pub sent_at: Option<UnixMs>,
    /// The reporter's clock.
    pub now: UnixMs,
}

/// The answer to a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompleteAnswer {
    /// Taken. Whether every device of the batch now has its outcome.
    Taken {
        /// True when nothing of the batch is pending.
        closed: bool,
    },
    /// A newer claim exists; what was reported has been merged, accepted first.
    Merged,
    /// There is no such record.
    Unknown,
}

/// Asks to keep a claim longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewRequest {
    /// Which batch.
    pub key: BatchKey,
    /// The claim's number.
    pub fence: Fence,
    /// From now on for how long.
    pub lease: Duration,
    /// The holder's clock.
    pub now: UnixMs,
}

/// Settles what is still open in a batch when the deadline has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseRequest {
    /// Which batch.
    pub key: BatchKey,
    /// As in [`ClaimRequest::blank`]: what is written when nobody ever claimed it.
    pub blank: Vec<u8>,
    /// The closer's clock. Claims whose lease still runs are left alone.
    pub now: UnixMs,
}

/// What is known of one shard's way through the FIFO queue, per campaign: one small record each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRecord {
    /// The shard.
    pub shard: ShardNo,
    /// The epoch that this is about.
    pub epoch: Epoch,
    /// How often its envelope was sent in this epoch; it is part of the deduplication id.
    pub attempt: u32,
    /// When the last one was accepted by the queue.
    pub dispatched_at: UnixMs,
    /// When all its batches were on the batch queue.
    pub expanded_at: Option<UnixMs>,
}

impl ShardRecord {
    /// That this attempt's envelope is on the queue.
    #[must_use]
    pub fn dispatched(shard: ShardNo, epoch: Epoch, attempt: u32, at: UnixMs) -> Self {
        Self { shard, epoch, attempt, dispatched_at: at, expanded_at: None }
    }

    /// That all batches of the shard are on the batch queue.
    #[must_use]
    pub fn expanded(shard: ShardNo, epoch: Epoch, at: UnixMs) -> Self {
        Self { shard, epoch, attempt: 0, dispatched_at: at, expanded_at: Some(at) }
    }

    /// What to store when `self` is reported and `stored` is there; `None` when nothing changes. A newer epoch replaces an
    /// older one, and never the other way; within one, the highest attempt and the first expansion stay.
    #[must_use]
    pub fn onto(self, stored: Option<Self>) -> Option<Self> {
        let Some(stored) = stored.filter(|s| s.epoch >= self.epoch) else { return Some(self) };
        let mut next = stored;
        if stored.epoch == self.epoch {
            next.expanded_at = stored.expanded_at.or(self.expanded_at);
            if self.expanded_at.is_none() && self.attempt >= stored.attempt {
                (next.attempt, next.dispatched_at) = (self.attempt, self.dispatched_at);
            }
        }
        (next != stored).then_some(next)
    }
}

/// Decides a claim. Answers the record to store, or `None` when nothing changes.
#[must_use]
pub fn claim(stored: Option<&BatchRecord>, ask: &ClaimRequest) -> (ClaimAnswer, Option<BatchRecord>) {
    let mut record = match stored {
        None => BatchRecord::blank(&ask.blank, ask.now),
        Some(r) if r.epoch > ask.epoch => return (ClaimAnswer::Stale, None),
        Some(r) if r.is_held(ask.now) => {
            return (ClaimAnswer::HeldUntil(r.lease_until), None);
        }
        Some(r) => r.clone(),
    };
    if record.holder.is_some() {
        // The last holder's lease lapsed: what it left unsent may have left all the same.
        record.count_doubles();
    }
    let resend = |o: Outcome| o == Outcome::Unsent || (ask.resend_ambiguous && o == Outcome::Ambiguous);
    let brought = |place: u16| ask.only.is_empty() || ask.only.contains(&place);
    let unsent: Vec<bool> =
        (0..).zip(record.outcomes()).map(|(place, (o, _))| brought(place) && resend(o)).collect();
    if !unsent.contains(&true) {
        return (ClaimAnswer::Done, None);
    }
    // Ambiguous stays written down until something better is known: no outcome ever goes back to pending.
    let again = unsent
        .iter()
        .enumerate()
        .filter(|(i, u)| **u && record.outcome(*i) == Some(Outcome::Ambiguous))
        .count();
    record.doubled_at_most = record.doubled_at_most.saturating_add(u32::try_from(again).unwrap_or(u32::MAX));
    record.epoch = ask.epoch;
    record.fence = Fence(record.fence.0 + 1);
    record.holder = Some(ask.holder);
    record.lease_until = ask.now.plus(ask.lease);
    let answer = ClaimAnswer::Granted { fence: record.fence, unsent, lease_until: record.lease_until };
    (answer, Some(record))
}

/// Decides a completion. Answers the record to store, or `None` when nothing changes.
#[must_use]
pub fn complete(
    stored: Option<&BatchRecord>,
    done: &CompleteRequest,
) -> (CompleteAnswer, Option<BatchRecord>) {
    let Some(stored) = stored else { return (CompleteAnswer::Unknown, None) };
    let mut record = stored.clone();
    for result in &done.results {
        let index = usize::from(result.index);
        if record.outcome(index).is_some_and(|old| result.outcome.weight() > old.weight()) {
            record.set(index, result.outcome, result.at);
            if let Some(since) = result.dead_since {
                record.dead_since.push((result.index, since));
            }
        }
    }
    // Of several turns the first one, in whatever order they report; by clocks that differ, but never before the claim.
    if let Some(sent_at) = done.sent_at.map(|at| at.max(record.created_at))
        && (record.sent_at == UnixMs::default() || sent_at < record.sent_at)
    {
        record.sent_at = sent_at;
    }
    if record.fence != done.fence {
        return (CompleteAnswer::Merged, Some(record));
    }
    record.holder = None;
    record.completed_at = done.now;
    let closed = !record.has(Class::Pending);
    (CompleteAnswer::Taken { closed }, Some(record))
}

/// Decides a renewal: only the newest claim, and only while nobody else could have taken it.
#[must_use]
pub fn renew(stored: Option<&BatchRecord>, ask: &RenewRequest) -> (bool, Option<BatchRecord>) {
    match stored {
        Some(r) if r.fence == ask.fence && r.is_held(ask.now) => {
            let mut record = r.clone();
            record.lease_until = ask.now.plus(ask.lease);
            (true, Some(record))
        }
        _ => (false, None),
    }
}

/// Settles a batch after the deadline: never claimed or given back is expired; claimed and never completed is
/// ambiguous. Answers whether nothing is pending now.
#[must_use]
pub fn close(stored: Option<&BatchRecord>, ask: &CloseRequest) -> (bool, Option<BatchRecord>) {
    let mut record = match stored {
        None => BatchRecord::blank(&ask.blank, ask.now),
        Some(r) if !r.has(Class::Pending) && r.holder.is_none() => return (true, None),
        Some(r) if r.is_held(ask.now) => return (false, None),
        Some(r) => r.clone(),
    };
    let rest = if record.holder.is_some() { Outcome::Ambiguous } else { Outcome::Expired };
    for index in 0..record.len() {
        if record.outcome(index) == Some(Outcome::Unsent) {
            record.set(index, rest, ask.now);
        }
    }
    record.holder = None;
    record.fence = Fence(record.fence.0 + 1);
    record.completed_at = ask.now;
    (true, Some(record))
}
