//! What this worker counted, second by second, for the live picture. Pure; the heartbeat loop writes the rows.

use common::fleet::CounterRow;
use common::ids::{CampaignId, WorkerId};
use common::time::UnixMs;
use std::collections::BTreeMap;

/// Counts by campaign and second.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    open: BTreeMap<(CampaignId, i64), (u32, u32)>,
}

impl Counters {
    /// Counts received shard envelopes and expanded batches.
    pub(crate) fn add(&mut self, campaign: CampaignId, now: UnixMs, shards: u32, batches: u32) {
        let row = self.open.entry((campaign, now.0.div_euclid(1000))).or_default();
        row.0 += shards;
        row.1 += batches;
    }

    /// Takes the rows of seconds that are over; with `all`, of the current one too.
    pub(crate) fn take(&mut self, worker: WorkerId, now: UnixMs, all: bool) -> Vec<(CampaignId, CounterRow)> {
        let current = now.0.div_euclid(1000);
        let over = |second: i64| all || second < current;
        let keys: Vec<_> = self.open.keys().copied().filter(|(_, s)| over(*s)).collect();
        let row = |key: (CampaignId, i64)| {
            let (shards_received, expanded) = self.open.remove(&key)?;
            Some((
                key.0,
                CounterRow { worker, second: key.1, shards_received, expanded, ..CounterRow::default() },
            ))
        };
        keys.into_iter().filter_map(row).collect()
    }

    /// Puts a row back that could not be written.
    pub(crate) fn put_back(&mut self, campaign: CampaignId, row: &CounterRow) {
        let open = self.open.entry((campaign, row.second)).or_default();
        open.0 += row.shards_received;
        open.1 += row.expanded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_handed_out_when_it_is_over() {
        let (mut c, id, me) = (Counters::default(), CampaignId::random(), WorkerId(1));
        c.add(id, UnixMs(1_100), 1, 0);
        c.add(id, UnixMs(1_900), 0, 30);
        c.add(id, UnixMs(2_000), 0, 5);
        let rows = c.take(me, UnixMs(2_500), false);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].1.second, rows[0].1.shards_received, rows[0].1.expanded), (1, 1, 30));
        c.put_back(id, &rows[0].1);
        assert_eq!(c.take(me, UnixMs(2_500), true).len(), 2);
        assert!(c.take(me, UnixMs(9_000), true).is_empty());
    }
}
