//! How long things took: buckets with fixed bounds, and a tally that many durations are counted in first.

use super::{About, Labels, Metric, Reading, Sample, label_values, samples};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of a histogram's buckets, in microseconds; above the last there is one bucket more. Narrow around the
/// five seconds in which everything is to be sent.
pub(crate) const BOUNDS_US: [u64; 21] = [
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
    4_000_000,
    5_000_000,
    7_000_000,
    10_000_000,
    20_000_000,
    60_000_000,
    300_000_000,
];

const BUCKETS: usize = BOUNDS_US.len() + 1;

fn bucket(us: u64) -> usize {
    BOUNDS_US.partition_point(|bound| *bound < us)
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

/// How long things took.
#[derive(Debug)]
pub struct Histogram<L, const N: usize> {
    about: About,
    cells: [Buckets; N],
    labels: PhantomData<fn(L)>,
}

impl<L: Labels, const N: usize> Histogram<L, N> {
    pub(crate) const fn new(about: About) -> Self {
        let cells =
            [const { Buckets { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0) } };
                N];
        Self { about, cells, labels: PhantomData }
    }

    /// Counts one that took so long.
    pub fn observe(&self, labels: L, took: Duration) {
        let us = micros(took);
        if let Some(cell) = self.cells.get(labels.cell())
            && let Some(count) = cell.counts.get(bucket(us))
        {
            count.fetch_add(1, Relaxed);
            cell.sum_us.fetch_add(us, Relaxed);
        }
    }

    /// Counts all that were tallied.
    pub fn add(&self, labels: L, tally: &Tally) {
        let Some(cell) = self.cells.get(labels.cell()) else { return };
        for (count, more) in cell.counts.iter().zip(tally.counts).filter(|(_, more)| *more > 0) {
            count.fetch_add(u64::from(more), Relaxed);
        }
        cell.sum_us.fetch_add(tally.sum_us, Relaxed);
    }
}

impl<L: Labels, const N: usize> Metric for Histogram<L, N> {
    fn about(&self) -> &About {
        &self.about
    }

    fn kind(&self) -> &'static str {
        "histogram"
    }

    fn labels(&self) -> &'static [&'static str] {
        L::NAMES
    }

    fn label_values(&self) -> Vec<Vec<&'static str>> {
        label_values::<L>()
    }

    fn read(&self) -> Vec<Option<Sample>> {
        samples::<L>(|c| {
            let cell = self.cells.get(c)?;
            let counts = cell.counts.iter().map(|n| n.load(Relaxed)).collect();
            Some(Reading::Buckets(counts, cell.sum_us.load(Relaxed)))
        })
    }
}

/// Many durations of one batch, counted without an atomic and added to a [`Histogram`] at once.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: [u32; BUCKETS],
    sum_us: u64,
    /// The last bucket, and the durations that fall into it: a batch's are close together.
    last: (usize, u64, u64),
}

impl Tally {
    /// Counts one.
    pub fn count(&mut self, took: Duration) {
        let us = micros(took);
        if !(self.last.1..self.last.2).contains(&us) {
            let at = bucket(us);
            let from = at.checked_sub(1).and_then(|b| BOUNDS_US.get(b)).map_or(0, |bound| bound + 1);
            self.last = (at, from, BOUNDS_US.get(at).map_or(u64::MAX, |bound| bound + 1));
        }
        if let Some(count) = self.counts.get_mut(self.last.0) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Target, Unit};
    use super::*;

    const ABOUT: About = About { name: "x", unit: Unit::Seconds, target: Target::Both, help: "x." };

    #[test]
    fn a_tally_counts_like_single_observations() {
        let (one, many) = (Histogram::<(), 1>::new(ABOUT), Histogram::<(), 1>::new(ABOUT));
        let mut tally = Tally::default();
        let times = [
            0,
            499,
            500,
            501,
            500,
            1_000,
            1_001,
            4_999_999,
            5_000_000,
            5_000_001,
            300_000_001,
            7,
            300_000_000,
        ];
        for us in times {
            one.observe((), Duration::from_micros(us));
            tally.count(Duration::from_micros(us));
        }
        many.add((), &tally);
        assert_eq!(one.read(), many.read());
        let Some(Some(Sample { reading: Reading::Buckets(counts, sum), .. })) = one.read().pop() else {
            unreachable!("a histogram always has buckets")
        };
        assert_eq!(counts.iter().sum::<u64>(), times.len() as u64);
        assert_eq!(
            (counts[0], counts[1], counts[21]),
            (5, 2, 1),
            "a bound belongs to the bucket that it ends"
        );
        assert_eq!(sum, times.iter().sum::<u64>());
    }
}
