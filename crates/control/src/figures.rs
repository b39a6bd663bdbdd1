//! Times from the workers' counters. They are counted in powers of two, so what is read off them is "about"; the books,
//! made from the ledger, are exact. Pure.

use common::fleet::CounterRow;
use common::ids::WorkerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most workers in a report: enough to see who was slow.
const WORKERS_MAX: usize = 100;

/// What one push worker did in one campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerFigures {
    /// Who.
    pub worker: WorkerId,
    /// Devices whose outcome it wrote down.
    pub devices: u64,
    /// Batches that it completed.
    pub batches: u64,
    /// Half of its answers came within about so many milliseconds of the press.
    pub p50_ms: Option<u64>,
    /// 99 in 100 of them.
    pub p99_ms: Option<u64>,
    /// The last second, since 1970, in which it counted anything.
    pub last_second: i64,
    /// Devices whose outcome it wrote down in each slot of time, under the second, since 1970, at which the slot begins.
    #[serde(default)]
    pub by_slot: BTreeMap<i64, u64>,
    /// How many seconds a slot is wide: 1; 60 when it counted in more than 600 different seconds.
    #[serde(default)]
    pub slot_seconds: i64,
}

/// Most seconds of a worker in a report.
const SECONDS_MAX: usize = 600;

/// Slots, and how many seconds each is wide: by minutes where there would be too many.
fn slots(by_second: BTreeMap<i64, u64>) -> (BTreeMap<i64, u64>, i64) {
    if by_second.len() <= SECONDS_MAX {
        return (by_second, 1);
    }
    let mut by_minute = BTreeMap::new();
    for (second, n) in by_second {
        *by_minute.entry(second.div_euclid(60) * 60).or_default() += n;
    }
    (by_minute, 60)
}

/// Adds one row's counts to a sum.
pub(crate) fn add(sum: &mut Vec<u64>, row: &[u32]) {
    if sum.len() < row.len() {
        sum.resize(row.len(), 0);
    }
    for (total, n) in sum.iter_mut().zip(row) {
        *total += u64::from(*n);
    }
}

/// The time within which this many of a thousand answers came, about: as if they were spread evenly between two powers of
/// two. `None` without answers.
#[must_use]
pub fn about_ms(latency: &[u64], of_thousand: u64) -> Option<u64> {
    let total: u64 = latency.iter().sum();
    let rank = (total * of_thousand).div_ceil(1000).max(1);
    let mut before = 0;
    for (i, n) in (0_u32..).zip(latency) {
        if before + n >= rank {
            let from = if i == 0 { 0 } else { 1_u64.checked_shl(i - 1).unwrap_or(u64::MAX) };
            let width = from.max(1);
            return Some(from.saturating_add(width.saturating_mul(rank - before) / n));
        }
        before += n;
    }
    None
}

/// The workers that sent, slowest first.
pub(crate) fn slowest(rows: &[CounterRow]) -> Vec<WorkerFigures> {
    let mut sums: BTreeMap<WorkerId, (Vec<u64>, WorkerFigures)> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.outcomes.is_empty()) {
        let worker = row.worker;
        let new = || WorkerFigures {
            worker,
            devices: 0,
            batches: 0,
            p50_ms: None,
            p99_ms: None,
            last_second: 0,
            by_slot: BTreeMap::new(),
            slot_seconds: 1,
        };
        let (latency, figures) = sums.entry(worker).or_insert_with(|| (Vec::new(), new()));
        add(latency, &row.latency);
        let devices = row.outcomes.iter().map(|(_, n)| u64::from(*n)).sum::<u64>();
        figures.devices += devices;
        *figures.by_slot.entry(row.second).or_default() += devices;
        figures.batches += u64::from(row.batches);
        figures.last_second = figures.last_second.max(row.second);
    }
    let timed = |(latency, figures): (Vec<u64>, WorkerFigures)| {
        let (by_slot, slot_seconds) = slots(figures.by_slot);
        let (p50_ms, p99_ms) = (about_ms(&latency, 500), about_ms(&latency, 990));
        WorkerFigures { p50_ms, p99_ms, by_slot, slot_seconds, ..figures }
    };
    let mut all: Vec<_> = sums.into_values().map(timed).collect();
    all.sort_by_key(|w| std::cmp::Reverse((w.p99_ms, w.last_second)));
    all.truncate(WORKERS_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_off_powers_of_two() {
        assert_eq!(about_ms(&[], 500), None);
        assert_eq!(about_ms(&[0, 0, 0], 500), None);
        // A hundred answers between 512 and 1024 ms.
        let mut latency = vec![0; 10];
        latency.push(100);
        assert_eq!((about_ms(&latency, 500), about_ms(&latency, 990)), (Some(768), Some(1018)));
        assert_eq!(about_ms(&[4], 500), Some(0));
        assert_eq!(about_ms(&[0, 4], 1000), Some(2));
        let beyond = vec![0; 70].into_iter().chain([1]).collect::<Vec<_>>();
        assert_eq!(about_ms(&beyond, 500), Some(u64::MAX));
    }

    #[test]
    fn the_slowest_worker_comes_first() {
        let row = |worker, second, latency: &[u32]| CounterRow {
            worker: WorkerId(worker),
            second,
            outcomes: vec![(1, latency.iter().sum())],
            latency: latency.to_vec(),
            batches: 1,
            ..CounterRow::default()
        };
        let expanding = CounterRow { worker: WorkerId(9), expanded: 5, ..CounterRow::default() };
        let rows = [row(1, 10, &[0, 0, 5]), row(2, 10, &[0, 0, 0, 3]), row(1, 12, &[0, 2]), expanding];
        let seen: Vec<_> =
            slowest(&rows).into_iter().map(|w| (w.worker.0, w.devices, w.batches, w.last_second)).collect();
        assert_eq!(seen, [(2, 3, 1, 10), (1, 7, 2, 12)]);
        assert_eq!(slowest(&rows)[1].by_slot, BTreeMap::from([(10, 5), (12, 2)]));
    }

    #[test]
    fn a_worker_of_hours_is_told_by_minutes() {
        let seconds: BTreeMap<i64, u64> = (60..60 + 601).map(|second| (second, 2)).collect();
        let (minutes, width) = slots(seconds.clone());
        assert_eq!((width, minutes.len(), minutes[&60], minutes[&660]), (60, 11, 120, 2));
        let fewer: BTreeMap<_, _> = seconds.into_iter().take(SECONDS_MAX).collect();
        assert_eq!(slots(fewer.clone()), (fewer, 1));
    }
}
