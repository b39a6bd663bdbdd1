//! What the workers counted, read a little at a time: rows of seconds long past don't change any more, so only the last
//! ones are read again, however long a campaign lasts and however many people watch it.

use crate::status::Tally;
use crate::{Control, ControlError};
use common::campaign::{Campaign, SnapshotRef, State};
use common::fleet::CounterRow;
use common::ids::{CampaignId, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A worker writes a row anew while its second lasts, and again when a write failed; after this many seconds it is taken
/// as it is. The report, which is exact where this is "so far", reads all rows.
const SETTLED_AFTER_S: i64 = 15;
/// How often all rows are read again while something is being sent: a row may have been written later than that.
const ALL_EVERY: Duration = Duration::from_secs(30);
/// The same when the sum stands still for this long, and outcomes are missing.
const STILL: Duration = Duration::from_secs(5);
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
    /// When all rows were read last.
    all_at: Duration,
    /// How many outcomes there were at the last look, and since when.
    seen: (u64, Duration),
}

/// A reading: from which second, and whether it takes the place of all that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    from: i64,
    all: bool,
}

impl Known {
    /// What to read now. Of a campaign of which `missing` outcomes may still come, everything now and then.
    fn reading(&self, first: i64, missing: bool, mono: Duration) -> Reading {
        let old = mono.saturating_sub(self.all_at);
        let still = mono.saturating_sub(self.seen.1) >= STILL && old >= STILL;
        let all = missing && (still || old >= ALL_EVERY);
        Reading { from: if all { first } else { self.settled.max(first) }, all }
    }

    /// Takes what was read. Earlier rows than `settled` are in the sum already, unless everything was read.
    fn take(&mut self, rows: Vec<CounterRow>, reading: Reading, now: i64, mono: Duration) {
        if reading.all {
            *self = Self { all_at: mono, seen: self.seen, ..Self::default() };
        }
        for row in rows.into_iter().filter(|row| row.second >= self.settled) {
            self.recent.insert((row.second, row.worker), row);
        }
        let newest = self.recent.last_key_value().map_or(self.settled, |((second, _), _)| *second);
        // One worker's clock that is ahead must not settle the seconds of all others.
        self.settled = self.settled.max(newest.min(now) - SETTLED_AFTER_S);
        while let Some(first) = self.recent.first_entry().filter(|row| row.key().0 < self.settled) {
            self.sum.add(&first.remove());
        }
    }

    /// The sum; remembers since when it is that.
    fn look(&mut self, mono: Duration) -> Tally {
        let tally = self.tally();
        if self.seen.0 != tally.settled() {
            self.seen = (tally.settled(), mono);
        }
        tally
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
        let mono = self.clock.mono();
        let devices = campaign.snapshot.as_ref().map_or(0, SnapshotRef::device_count);
        let moving = matches!(campaign.state, State::Armed | State::Sending | State::Stopping);
        let reading = self
            .counted
            .with(campaign.id, |known| known.reading(first, moving && known.seen.0 < devices, mono));
        let rows = self.backend.fleet.counters(campaign.id, reading.from).await?;
        let now = self.clock.now().0.div_euclid(1000);
        Ok(self.counted.with(campaign.id, |known| {
            known.take(rows, reading, now, mono);
            known.look(mono)
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

    const SOME: Reading = Reading { from: 0, all: false };

    fn take(known: &mut Known, rows: Vec<CounterRow>, now: i64) {
        known.take(rows, SOME, now, Duration::ZERO);
    }

    #[test]
    fn read_in_parts_it_is_the_same_as_read_at_once() {
        let rows: Vec<_> = (0..100).flat_map(|s| [row(1, 1_000 + s, 1), row(2, 1_000 + s, 3)]).collect();
        let mut known = Known::default();
        for now in 1_000..1_105 {
            // A row of the second that lasts is still growing.
            let seen = rows.iter().filter(|r| r.second <= now && r.second >= known.settled);
            let seen = seen.map(|r| if r.second == now { row(r.worker.0, r.second, 0) } else { r.clone() });
            let seen = seen.collect();
            take(&mut known, seen, now);
        }
        assert_eq!(known.tally(), Tally::of(&rows));
        assert!(known.recent.len() <= 2 * (SETTLED_AFTER_S as usize + 1), "{}", known.recent.len());
    }

    #[test]
    fn an_answer_that_was_slow_counts_nothing_twice() {
        let mut known = Known::default();
        let old = vec![row(1, 1_000, 5)];
        take(&mut known, old.clone(), 1_000);
        take(&mut known, vec![row(1, 1_100, 7)], 1_100);
        take(&mut known, old, 1_100);
        assert_eq!(known.tally().settled(), 12);
    }

    #[test]
    fn a_worker_whose_clock_is_ahead_hides_nobody() {
        let mut known = Known::default();
        take(&mut known, vec![row(9, 4_600, 1)], 1_000);
        for now in 1_000..1_100 {
            take(&mut known, vec![row(1, now, 2)], now);
        }
        assert_eq!(known.tally().settled(), 201);
        assert!(known.settled <= 1_100);
    }

    #[test]
    fn a_row_that_came_late_is_found_when_everything_is_read_again() {
        let mut known = Known::default();
        let seconds = Duration::from_secs;
        let mut rows: Vec<_> = (1_000..1_020).map(|second| row(1, second, 2)).collect();
        take(&mut known, rows.clone(), 1_020);
        assert_eq!(known.look(seconds(1)).settled(), 40);
        rows.push(row(2, 1_000, 3));
        // 20 seconds late: a usual reading begins behind it.
        let usual = known.reading(1_000, true, seconds(4));
        assert!(!usual.all && usual.from > 1_000);
        // The sum stands still, and outcomes are missing; or it is time.
        let all = Reading { from: 1_000, all: true };
        assert_eq!(known.reading(1_000, true, seconds(6)), all);
        known.seen.1 = seconds(29);
        assert_eq!(known.reading(1_000, true, seconds(30)), all);
        assert!(!known.reading(1_000, false, seconds(60)).all, "nothing is missing");
        known.take(rows, all, 1_040, seconds(30));
        assert_eq!(known.look(seconds(30)).settled(), 43);
        assert!(!known.reading(1_000, true, seconds(33)).all);
    }
}
