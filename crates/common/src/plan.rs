//! Pure plans: which shard envelopes a press or the reconciler has to send, and whether an envelope may be sent on.

use crate::campaign::{Campaign, RunKind};
use crate::envelope::{Head, Scope, ShardEnvelope};
use crate::ids::{BatchKey, Epoch, ShardNo};
use crate::ledger::ShardRecord;
use crate::time::UnixMs;
use std::time::Duration;

/// A shard whose envelope was sent this long ago, and that nobody has expanded while the queue is idle, is sent again as
/// a new attempt: its envelope was lost or dead-lettered.
pub const REDISPATCH_AFTER: Duration = Duration::from_secs(15);

/// A canary takes every hundredth batch: 1 % of them.
pub const CANARY_EVERY: u32 = 100;

/// Whether a canary of every `n`-th batch takes this one. Each shard begins counting elsewhere, so that it is 1 % also
/// when no shard has a hundred batches; the very first batch is always in it.
#[must_use]
pub fn in_canary(key: BatchKey, n: u32) -> bool {
    // Coprime with 100, so that the shards' beginnings are spread evenly.
    let begin = u64::from(key.shard.0) * 37;
    (begin + u64::from(key.number.0)).is_multiple_of(u64::from(n.max(1)))
}

/// The head of every envelope of the campaign's live run; `None` when nothing may be sent now.
#[must_use]
pub fn head(campaign: &Campaign) -> Option<Head> {
    let (run, frozen) = (campaign.live_run()?, campaign.frozen()?);
    Some(Head {
        campaign: campaign.id,
        epoch: run.epoch,
        snapshot: frozen.snapshot,
        content: frozen.content,
        shards: frozen.shards,
        batch_users: frozen.batch_users,
        pressed_at: campaign.pressed_at().unwrap_or(run.stamp.at),
        deadline_at: run.deadline_at,
    })
}

/// The envelopes that the live run still lacks. `shards` is what the ledger knows; `queue_idle` whether nothing is on
/// the FIFO queue (only then an unexpanded shard counts as lost).
#[must_use]
pub fn undispatched(
    campaign: &Campaign,
    shards: &[ShardRecord],
    queue_idle: bool,
    now: UnixMs,
) -> Vec<ShardEnvelope> {
    let (Some(head), Some(run)) = (head(campaign), campaign.live_run()) else { return Vec::new() };
    if run.deadline_at <= now {
        return Vec::new();
    }
    let scope = match run.kind {
        RunKind::Canary => Scope::EveryNth(CANARY_EVERY),
        RunKind::Press if campaign.runs.len() == 1 => Scope::All,
        RunKind::Press | RunKind::Resume => Scope::Rest,
    };
    let missing = |shard: ShardNo| {
        let attempt =
            attempt(shards.iter().find(|s| s.shard == shard && s.epoch == head.epoch), queue_idle, now)?;
        Some(ShardEnvelope { head: head.clone(), shard, scope, attempt })
    };
    (0..head.shards).map(ShardNo).filter_map(missing).collect()
}

fn attempt(known: Option<&ShardRecord>, queue_idle: bool, now: UnixMs) -> Option<u32> {
    match known {
        None => Some(0),
        Some(s) if s.expanded_at.is_some() => None,
        Some(s) if queue_idle && now.since(s.dispatched_at) >= REDISPATCH_AFTER => Some(s.attempt + 1),
        Some(_) => None,
    }
}

/// What to do with an envelope that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Go on.
    Go,
    /// It belongs to an older run, or its deadline has passed: delete it unsent.
    Drop,
    /// It belongs to a run that is newer than what is known here: look at the campaign first.
    LookAgain,
}

/// Decides by what the last look at the campaign showed. `known` is the campaign's epoch then, `live` whether that epoch
/// may send.
#[must_use]
pub fn gate(head: &Head, known: Epoch, live: bool, now: UnixMs) -> Gate {
    if head.epoch > known {
        Gate::LookAgain
    } else if head.epoch < known || !live || head.deadline_at <= now {
        Gate::Drop
    } else {
        Gate::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::State;
    use crate::ids::{CampaignId, ContentId, SnapshotId};

    fn record(shard: u16, epoch: u32, at: i64, expanded: bool) -> ShardRecord {
        let expanded_at = expanded.then_some(UnixMs(at));
        ShardRecord {
            shard: ShardNo(shard),
            epoch: Epoch(epoch),
            attempt: 0,
            dispatched_at: UnixMs(at),
            expanded_at,
        }
    }

    #[test]
    fn a_press_sends_what_is_missing_and_the_reconciler_what_was_lost() {
        let c = crate::campaign::tests::in_state(State::Sending);
        let all = undispatched(&c, &[], true, UnixMs(10));
        assert_eq!(all.len(), 50);
        assert!(all.iter().all(|e| e.attempt == 0 && e.scope == Scope::All));
        let mut known: Vec<_> = (0..49).map(|s| record(s, 1, 10, s % 2 == 0)).collect();
        assert_eq!(
            undispatched(&c, &known, true, UnixMs(20)).iter().map(|e| e.shard.0).collect::<Vec<_>>(),
            [49]
        );
        known.push(record(49, 1, 10, true));
        let later = UnixMs(10).plus(REDISPATCH_AFTER);
        assert!(undispatched(&c, &known, false, later).is_empty(), "still on the queue");
        let lost = undispatched(&c, &known, true, later);
        assert!(lost.len() == 24 && lost.iter().all(|e| e.attempt == 1 && e.shard.0 % 2 == 1));
        assert!(undispatched(&c, &[], true, UnixMs(10 + 600_000)).is_empty(), "after the deadline");
        let stopped = crate::campaign::tests::in_state(State::Stopped);
        assert!(undispatched(&stopped, &[], true, UnixMs(20)).is_empty());
    }

    #[test]
    fn a_canary_is_one_percent_however_the_batches_lie() {
        use crate::ids::BatchNo;
        for (shards, batches) in [(50_u16, 1_u32), (50, 20), (50, 800), (1, 1), (1, 1000), (1000, 3)] {
            let of_shard = |s| (0..batches).map(move |n| BatchKey { shard: ShardNo(s), number: BatchNo(n) });
            let taken = (0..shards).flat_map(of_shard).filter(|k| in_canary(*k, CANARY_EVERY)).count();
            let all = usize::from(shards) * batches as usize;
            assert!(taken >= 1 && taken <= 1 + all / 60, "{taken} of {all}");
        }
    }

    #[test]
    fn the_gate() {
        let head = Head {
            campaign: CampaignId::random(),
            epoch: Epoch(2),
            snapshot: SnapshotId([0; 32]),
            content: ContentId([0; 32]),
            shards: 1,
            batch_users: 1,
            pressed_at: UnixMs(0),
            deadline_at: UnixMs(100),
        };
        assert_eq!(gate(&head, Epoch(2), true, UnixMs(99)), Gate::Go);
        assert_eq!(gate(&head, Epoch(2), true, UnixMs(100)), Gate::Drop);
        assert_eq!(gate(&head, Epoch(2), false, UnixMs(99)), Gate::Drop);
        assert_eq!(gate(&head, Epoch(3), true, UnixMs(99)), Gate::Drop);
        assert_eq!(gate(&head, Epoch(1), true, UnixMs(99)), Gate::LookAgain);
    }
}
