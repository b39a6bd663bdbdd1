//! When to try again, and how often: pure.

use common::envelope::BatchEnvelope;
use common::ids::BatchKey;
use common::limits::{ATTEMPTS_MAX, QUEUE_DELAY_MAX};
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::time::Duration;

/// First pause of the exponential back-off.
const BACK_OFF: Duration = Duration::from_millis(250);
/// Longest pause of it.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// What was never sent comes back after this: long enough that its claim is given up by then.
const SOON: Duration = Duration::from_millis(100);
/// Two groups of a batch whose pauses differ by less share one envelope.
const TOGETHER: Duration = Duration::from_secs(1);

/// A later try of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Later {
    /// Its place in the batch.
    pub(crate) place: u16,
    /// Whether it counts as an attempt.
    pub(crate) counts: bool,
    /// Not before this has passed.
    pub(crate) after: Duration,
}

/// Exponential back-off, spread over its second half by the batch's number.
pub(crate) fn back_off(key: BatchKey, attempt: u8) -> Duration {
    let whole = BACK_OFF.saturating_mul(1 << u32::from(attempt).min(10)).min(BACK_OFF_MAX);
    spread(whole, key, attempt)
}

/// `whole`, or up to half less: the same for the same batch and attempt.
pub(crate) fn spread(whole: Duration, key: BatchKey, attempt: u8) -> Duration {
    let seed = u64::from(key.shard.0) << 40 | u64::from(key.number.0) << 8 | u64::from(attempt);
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    whole * (50 + u32::try_from(mixed % 50).unwrap_or(0)) / 100
}

/// The pause for what was never written.
pub(crate) fn soon(key: BatchKey, attempt: u8) -> Duration {
    SOON + spread(SOON, key, attempt)
}

/// Whether an attempt is left, and its time is before the deadline.
pub(crate) fn is_worth_it(attempt: u8, after: Duration, now: UnixMs, deadline_at: UnixMs) -> bool {
    attempt.saturating_add(1) < ATTEMPTS_MAX && now.plus(after) < deadline_at
}

/// Puts what comes again into envelopes: one for each group with about the same pause, at most one per gateway. None
/// of it comes later than the deadline, so those are left out: the reconciler closes them.
pub(crate) fn envelopes(
    batch: &BatchEnvelope,
    later: &[Vec<Later>],
    now: UnixMs,
) -> Vec<(BatchEnvelope, Duration)> {
    let mut groups: Vec<(Duration, Vec<Later>)> = Vec::new();
    for group in later.iter().filter(|g| !g.is_empty()) {
        let after = group.iter().map(|l| l.after).max().unwrap_or_default().min(QUEUE_DELAY_MAX);
        match groups.iter_mut().find(|(other, _)| other.abs_diff(after) < TOGETHER) {
            Some((other, all)) => {
                *other = after.max(*other);
                all.extend_from_slice(group);
            }
            None => groups.push((after, group.clone())),
        }
    }
    groups.retain(|(after, _)| now.plus(*after) < batch.head.deadline_at);
    groups.into_iter().map(|(after, group)| (envelope(batch, &group), after)).collect()
}

fn envelope(batch: &BatchEnvelope, group: &[Later]) -> BatchEnvelope {
    let places: BTreeMap<u16, bool> = group.iter().map(|l| (l.place, l.counts)).collect();
    let mut again = batch.retry(|place| places.contains_key(&place));
    if !places.values().any(|counts| *counts) {
        again.attempt = batch.attempt;
    }
    again
}
