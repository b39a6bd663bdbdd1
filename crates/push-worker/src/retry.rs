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
    groups.into_iter().filter_map(|(after, group)| Some((envelope(batch, &group)?, after))).collect()
}

fn envelope(batch: &BatchEnvelope, group: &[Later]) -> Option<BatchEnvelope> {
    let places: BTreeMap<u16, bool> = group.iter().map(|l| (l.place, l.counts)).collect();
    let mut again = batch.retry(|place| places.contains_key(&place))?;
    if again.only.len() == usize::from(batch.devices) {
        // All of them: without the list, the largest batch stays within its limit.
        again.only.clear();
    }
    if !places.values().any(|counts| *counts) {
        again.attempt = batch.attempt;
    }
    Some(again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::device::TargetRef;
    use common::envelope::{Head, UserWriter};
    use common::ids::{BatchNo, CampaignId, ContentId, Epoch, ShardNo, SnapshotId};

    const KEY: BatchKey = BatchKey { shard: ShardNo(3), number: BatchNo(7) };

    fn batch(devices: u16) -> BatchEnvelope {
        let head = Head {
            campaign: CampaignId::random(),
            epoch: Epoch(1),
            snapshot: SnapshotId([0; 32]),
            content: ContentId([0; 32]),
            shards: 1,
            batch_users: 100,
            pressed_at: UnixMs(0),
            deadline_at: UnixMs(60_000),
        };
        let mut body = Vec::new();
        for n in 0..devices {
            let mut user = UserWriter::new(&n.to_string());
            user.device(TargetRef::Apns(&[u8::try_from(n).unwrap(); 32]), 0);
            user.finish(&mut body);
        }
        BatchEnvelope { head, key: KEY, attempt: 1, only: vec![], devices, body: body.into() }
    }

    fn later(place: u16, counts: bool, ms: u64) -> Later {
        Later { place, counts, after: Duration::from_millis(ms) }
    }

    #[test]
    fn back_off_grows_stays_bounded_and_differs() {
        assert!(back_off(KEY, 0) < back_off(KEY, 2));
        assert!((0..=u8::MAX).all(|a| back_off(KEY, a) <= BACK_OFF_MAX));
        let other = BatchKey { number: BatchNo(8), ..KEY };
        assert_ne!(back_off(KEY, 3), back_off(other, 3));
    }

    #[test]
    fn the_last_attempt_and_the_deadline_end_the_trying() {
        let (now, end) = (UnixMs(0), UnixMs(1000));
        assert!(is_worth_it(0, Duration::from_millis(999), now, end));
        assert!(!is_worth_it(0, Duration::from_millis(1000), now, end));
        assert!(!is_worth_it(ATTEMPTS_MAX - 1, Duration::ZERO, now, end));
    }

    #[test]
    fn groups_with_about_the_same_pause_share_an_envelope() {
        let groups = [vec![later(0, true, 100), later(2, true, 900)], vec![later(1, false, 1_200)]];
        let all = envelopes(&batch(4), &groups, UnixMs(0));
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].0.only.as_slice(), all[0].0.attempt), ([0, 1, 2].as_slice(), 2));
        assert_eq!(all[0].1, Duration::from_millis(1_200));
        let groups = [vec![later(0, true, 100)], vec![later(1, false, 5_000)]];
        let all = envelopes(&batch(4), &groups, UnixMs(0));
        assert_eq!(all.iter().map(|(e, _)| e.attempt).collect::<Vec<_>>(), [2, 1], "one is free");
    }

    #[test]
    fn what_would_come_after_the_deadline_is_left_to_the_reconciler() {
        let groups = [vec![later(0, false, 70_000)], vec![later(1, false, 100)]];
        let all = envelopes(&batch(4), &groups, UnixMs(0));
        assert_eq!((all.len(), all[0].0.only.as_slice()), (1, [1].as_slice()));
        assert!(envelopes(&batch(4), &groups, UnixMs(59_950)).is_empty());
        assert!(envelopes(&batch(4), &[vec![], vec![]], UnixMs(0)).is_empty());
    }

    #[test]
    fn a_retry_of_everybody_needs_no_list_and_can_be_read() {
        let groups = [(0..3).map(|p| later(p, true, 1)).collect(), vec![]];
        let (again, _) = envelopes(&batch(3), &groups, UnixMs(0)).remove(0);
        assert!(again.only.is_empty());
        assert_eq!(BatchEnvelope::decode(&again.encode()).unwrap(), again);
    }
}
