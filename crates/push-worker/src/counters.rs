//! What this worker counted, second by second, for the live picture. Pure; the heartbeat loop writes the rows.

use common::fleet::CounterRow;
use common::ids::{CampaignId, WorkerId};
use common::time::UnixMs;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
struct Second {
    outcomes: BTreeMap<u8, u32>,
    latency: Vec<u32>,
    batches: u32,
}

impl Second {
    fn add_latency(&mut self, index: usize, count: u32) {
        if self.latency.len() <= index {
            self.latency.resize(index + 1, 0);
        }
        self.latency[index] += count;
    }
}

/// Counts by campaign and second.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    open: BTreeMap<(CampaignId, i64), Second>,
}

impl Counters {
    /// Counts one completed batch: the outcome bytes of its devices, with the time of each answer.
    pub(crate) fn add(
        &mut self,
        campaign: CampaignId,
        pressed_at: UnixMs,
        devices: &[(u8, UnixMs)],
        now: UnixMs,
    ) {
        let second = self.open.entry((campaign, now.0.div_euclid(1000))).or_default();
        second.batches += 1;
        for (byte, at) in devices {
            *second.outcomes.entry(*byte).or_default() += 1;
            second.add_latency(power_of_two(*at, pressed_at), 1);
        }
    }

    /// Takes the rows of seconds that are over; with `all`, of the current one too.
    pub(crate) fn take(&mut self, worker: WorkerId, now: UnixMs, all: bool) -> Vec<(CampaignId, CounterRow)> {
        let current = now.0.div_euclid(1000);
        let keys: Vec<_> = self.open.keys().copied().filter(|(_, s)| all || *s < current).collect();
        let row = |(campaign, second): (CampaignId, i64)| {
            let counted = self.open.remove(&(campaign, second))?;
            let outcomes = counted.outcomes.into_iter().collect();
            let (latency, batches) = (counted.latency, counted.batches);
            Some((
                campaign,
                CounterRow { worker, second, outcomes, latency, batches, ..CounterRow::default() },
            ))
        };
        keys.into_iter().filter_map(row).collect()
    }

    /// Puts a row back that could not be written.
    pub(crate) fn put_back(&mut self, campaign: CampaignId, row: &CounterRow) {
        let second = self.open.entry((campaign, row.second)).or_default();
        second.batches += row.batches;
        for (byte, count) in &row.outcomes {
            *second.outcomes.entry(*byte).or_default() += count;
        }
        for (index, count) in row.latency.iter().enumerate() {
            second.add_latency(index, *count);
        }
    }
}

/// The smallest `i` with latency < 2^i ms.
fn power_of_two(at: UnixMs, pressed_at: UnixMs) -> usize {
    let ms = at.since(pressed_at).as_millis();
    (u128::BITS - ms.leading_zeros()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_counted_below_the_next_power_of_two() {
        let index = |ms: i64| power_of_two(UnixMs(1000 + ms), UnixMs(1000));
        assert_eq!([-5, 0, 1, 2, 3, 4, 1023, 1024].map(index), [0, 0, 1, 2, 2, 3, 10, 11]);
    }

    #[test]
    fn a_second_is_handed_out_once_it_is_over_and_can_come_back() {
        let (mut c, id, me) = (Counters::default(), CampaignId::random(), WorkerId(1));
        c.add(id, UnixMs(0), &[(1, UnixMs(1)), (1, UnixMs(2)), (0x81, UnixMs(9))], UnixMs(1_500));
        assert!(c.take(me, UnixMs(1_999), false).is_empty());
        let rows = c.take(me, UnixMs(2_000), false);
        assert_eq!(rows[0].1.outcomes, [(1, 2), (0x81, 1)]);
        assert_eq!(rows[0].1.latency, [0, 1, 1, 0, 1]);
        c.put_back(id, &rows[0].1);
        assert_eq!(c.take(me, UnixMs(2_000), false), rows);
    }
}
