//! What the workers counted, read a little at a time: rows of seconds long past don't change any more, so only the last
//! ones are read again, however long a campaign lasts and however many people watch it.

use crate::status::Tally;
use crate::{Control, ControlError};
use common::campaign::Campaign;
use common::fleet::CounterRow;
use common::ids::{CampaignId, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// A worker writes a row anew while its second lasts, and again when a write failed; after this many seconds it is taken
/// as it is. The report, which is exact where this is "so far", reads all rows.
const SETTLED_AFTER_S: i64 = 15;
/// Campaigns remembered; beyond it all are forgotten, which costs one full reading each.
const CAMPAIGNS_MAX: usize = 16;

/// What was read so far, by campaign.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<HashMap<CampaignId, Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The sum of rows of seconds before `settled`.
    sum: Tally,
    settled: i64,
    recent: BTreeMap<(i64, WorkerId), CounterRow>,
}

impl Known {
    /// Takes rows of `settled` and later; earlier ones are in the sum already.
    fn take(&mut self, rows: Vec<CounterRow>) {
        for row in rows.into_iter().filter(|row| row.second >= self.settled) {
            self.recent.insert((row.second, row.worker), row);
        }
        let newest = self.recent.last_key_value().map_or(self.settled, |((second, _), _)| *second);
        self.settled = self.settled.max(newest - SETTLED_AFTER_S);
        while let Some(first) = self.recent.first_entry().filter(|row| row.key().0 < self.settled) {
            self.sum.add(&first.remove());
        }
    }

    fn tally(&self) -> Tally {
        let mut tally = self.sum.clone();
        self.recent.values().for_each(|row| tally.add(row));
        tally
    }
}

impl Counted {
    fn with<T>(&self, id: CampaignId, f: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CAMPAIGNS_MAX && !all.contains_key(&id) {
            all.clear();
        }
        f(all.entry(id).or_default())
    }
}

impl Control {
    /// What the workers counted for a campaign so far.
    pub(crate) async fn counted(&self, campaign: &Campaign) -> Result<Tally, ControlError> {
        let Some(first) = campaign.runs.first() else { return Ok(Tally::default()) };
        let first = first.stamp.at.0.div_euclid(1000);
        let from = self.counted.with(campaign.id, |known| known.settled.max(first));
        let rows = self.backend.fleet.counters(campaign.id, from).await?;
        Ok(self.counted.with(campaign.id, |known| {
            known.take(rows);
            known.tally()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::outcome::Outcome;

    fn row(worker: u64, second: i64, n: u32) -> CounterRow {
        let byte = Outcome::Accepted.to_byte(common::device::Platform::Apns);
        CounterRow {
            worker: WorkerId(worker),
            second,
            outcomes: vec![(byte, n)],
            batches: n,
            ..CounterRow::default()
        }
    }

    #[test]
    fn read_in_parts_it_is_the_same_as_read_at_once() {
        let rows: Vec<_> = (0..100).flat_map(|s| [row(1, 1_000 + s, 1), row(2, 1_000 + s, 3)]).collect();
        let mut known = Known::default();
        for now in 1_000..1_105 {
            // A row of the second that lasts is still growing.
            let seen = rows.iter().filter(|r| r.second <= now && r.second >= known.settled);
            let seen = seen.map(|r| if r.second == now { row(r.worker.0, r.second, 0) } else { r.clone() });
            known.take(seen.collect());
        }
        assert_eq!(known.tally(), Tally::of(&rows));
        assert!(known.recent.len() <= 2 * (SETTLED_AFTER_S as usize + 1), "{}", known.recent.len());
    }

    #[test]
    fn an_answer_that_was_slow_counts_nothing_twice() {
        let mut known = Known::default();
        let old = vec![row(1, 1_000, 5)];
        known.take(old.clone());
        known.take(vec![row(1, 1_100, 7)]);
        known.take(old);
        assert_eq!(known.tally().settled(), 12);
    }
}
