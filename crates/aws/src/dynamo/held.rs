//! The batch records that this process wrote last and that somebody holds: completing or renewing them needs no read.
//! Only a guess: the conditional write finds out when another wrote since.

use super::change::Stored;
use super::ledger::BatchRow;
use super::lock;
use common::ids::{BatchKey, CampaignId};
use common::limits::CLAIM_LEASE;
use common::time::UnixMs;
use std::collections::HashMap;
use std::sync::Mutex;

/// Records kept, about 1 KB each. A worker holds far fewer claims; what is not kept is read.
const HELD_MAX: usize = 8_192;

type Key = (CampaignId, BatchKey);

/// Records by campaign and batch.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<Key, Stored<BatchRow>>>);

impl Held {
    /// The record as this process wrote it last.
    pub(super) fn get(&self, campaign: CampaignId, key: BatchKey) -> Option<Stored<BatchRow>> {
        lock(&self.0).get(&(campaign, key)).cloned()
    }

    /// Keeps what is there now, if somebody holds it; forgets it otherwise.
    pub(super) fn keep(&self, campaign: CampaignId, key: BatchKey, now: Option<Stored<BatchRow>>) {
        let mut held = lock(&self.0);
        let Some(record) = now.filter(|now| now.row.0.holder.is_some()) else {
            held.remove(&(campaign, key));
            return;
        };
        if held.len() >= HELD_MAX {
            forget_lapsed(&mut held, record.row.0.lease_until);
        }
        if held.len() < HELD_MAX {
            held.insert((campaign, key), record);
        }
    }
}

/// Forgets what nobody can renew any more, seen from a lease that was granted just now.
fn forget_lapsed(held: &mut HashMap<Key, Stored<BatchRow>>, newest: UnixMs) {
    let lapsed = newest.minus(CLAIM_LEASE * 2);
    held.retain(|_, record| record.row.0.lease_until > lapsed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::item::Mark;
    use common::ids::{BatchNo, ShardNo, WorkerId};
    use common::ledger::BatchRecord;

    fn record(holder: Option<WorkerId>, lease_until: i64) -> Option<Stored<BatchRow>> {
        let mut record = BatchRecord::blank(&[0], UnixMs(0));
        (record.holder, record.lease_until) = (holder, UnixMs(lease_until));
        Some(Stored { row: BatchRow(record), mark: Mark::new() })
    }

    #[test]
    fn it_stays_small_and_lapsed_records_make_room() {
        let (held, campaign) = (Held::default(), CampaignId::random());
        let key =
            |number: usize| BatchKey { shard: ShardNo(0), number: BatchNo(u32::try_from(number).unwrap()) };
        let mine = Some(WorkerId(7));
        for number in 0..HELD_MAX + 5 {
            held.keep(campaign, key(number), record(mine, 1_000));
        }
        assert!(held.get(campaign, key(0)).is_some() && held.get(campaign, key(HELD_MAX)).is_none());
        held.keep(campaign, key(HELD_MAX), record(mine, 100_000));
        assert!(held.get(campaign, key(0)).is_none() && held.get(campaign, key(HELD_MAX)).is_some());
        held.keep(campaign, key(HELD_MAX), record(None, 100_000));
        assert!(held.get(campaign, key(HELD_MAX)).is_none(), "given up");
    }
}
