//! Counters, gauges and histograms as statics: one cell per combination of labels, all of them there from the start.
//! Nothing here is looked up, allocated or locked when it counts.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One label with all the values that it may have.
pub trait Label: Copy + Send + Sync + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Its values.
    const VALUES: &'static [&'static str];
    /// Which of them this is.
    fn index(self) -> usize;

    /// Its value, for a log line that should say the same as the metric.
    fn value(self) -> &'static str {
        Self::VALUES.get(self.index()).copied().unwrap_or_default()
    }
}

/// The labels of one metric: none, one, or two.
pub trait Labels: Copy + Send + Sync + 'static {
    /// Their names.
    const NAMES: &'static [&'static str];
    /// How many combinations there are.
    const CELLS: usize;
    /// Which combination this is.
    fn cell(self) -> usize;
    /// The values of a combination, in the order of the names.
    fn values(cell: usize) -> Vec<&'static str>;
}

impl Labels for () {
    const NAMES: &'static [&'static str] = &[];
    const CELLS: usize = 1;

    fn cell(self) -> usize {
        0
    }

    fn values(_: usize) -> Vec<&'static str> {
        Vec::new()
    }
}

impl<A: Label> Labels for A {
    const NAMES: &'static [&'static str] = &[A::NAME];
    const CELLS: usize = A::VALUES.len();

    fn cell(self) -> usize {
        self.index()
    }

    fn values(cell: usize) -> Vec<&'static str> {
        A::VALUES.get(cell).copied().into_iter().collect()
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    const NAMES: &'static [&'static str] = &[A::NAME, B::NAME];
    const CELLS: usize = A::VALUES.len() * B::VALUES.len();

    fn cell(self) -> usize {
        self.0.index() * B::VALUES.len() + self.1.index()
    }

    fn values(cell: usize) -> Vec<&'static str> {
        let (a, b) = (A::VALUES.get(cell / B::VALUES.len()), B::VALUES.get(cell % B::VALUES.len()));
        a.into_iter().chain(b).copied().collect()
    }
}

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// A state, such as 0 or 1.
    State,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// Who gets a metric. Prometheus costs nothing per metric, CloudWatch is paid for each combination of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Prometheus only.
    Prometheus,
    /// Prometheus and CloudWatch: alarms and the dashboard need it.
    Both,
}

/// What is said of a metric.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name in CloudWatch; Prometheus puts `owl_` before it, and `_total` behind a counter's.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// Who gets it.
    pub target: Target,
    /// What it means, in a sentence.
    pub help: &'static str,
}

/// A value as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A counter's total.
    Total(u64),
    /// A gauge's value.
    Value(i64),
    /// A histogram's buckets (the last one without a bound; not summed up), and the sum of all in microseconds.
    Buckets(Vec<u64>, u64),
}

/// The value of one combination of labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels' values, in the order of [`Metric::labels`].
    pub values: Vec<&'static str>,
    /// What it is now.
    pub reading: Reading,
}

/// What the exporters see of a metric.
pub trait Metric: Sync {
    /// What is said of it.
    fn about(&self) -> &About;
    /// `counter`, `gauge` or `histogram`.
    fn kind(&self) -> &'static str;
    /// Its labels' names.
    fn labels(&self) -> &'static [&'static str];
    /// The values that each label may have, in the order of the names.
    fn label_values(&self) -> Vec<Vec<&'static str>>;
    /// One sample for each combination of labels, always in the same order; `None` where a gauge was never set.
    fn read(&self) -> Vec<Option<Sample>>;
}

fn label_values<L: Labels>() -> Vec<Vec<&'static str>> {
    let mut all = vec![Vec::new(); L::NAMES.len()];
    for cell in 0..L::CELLS {
        for (known, value) in all.iter_mut().zip(L::values(cell)) {
            if !known.contains(&value) {
                known.push(value);
            }
        }
    }
    all
}

fn samples<L: Labels>(read: impl Fn(usize) -> Option<Reading>) -> Vec<Option<Sample>> {
    (0..L::CELLS).map(|c| read(c).map(|reading| Sample { values: L::values(c), reading })).collect()
}

/// Counts what happened, since the process started.
#[derive(Debug)]
pub struct Counter<L, const N: usize> {
    about: About,
    cells: [AtomicU64; N],
    labels: PhantomData<fn(L)>,
}

impl<L: Labels, const N: usize> Counter<L, N> {
    pub(crate) const fn new(about: About) -> Self {
        Self { about, cells: [const { AtomicU64::new(0) }; N], labels: PhantomData }
    }

    /// Counts so many more.
    pub fn add(&self, labels: L, count: u64) {
        if count > 0
            && let Some(cell) = self.cells.get(labels.cell())
        {
            cell.fetch_add(count, Relaxed);
        }
    }

    /// Counts as many as a collection has.
    pub fn add_len(&self, labels: L, count: usize) {
        self.add(labels, count as u64);
    }

    /// Counts one more.
    pub fn one(&self, labels: L) {
        self.add(labels, 1);
    }

    /// The total so far.
    #[must_use]
    pub fn total(&self, labels: L) -> u64 {
        self.cells.get(labels.cell()).map_or(0, |c| c.load(Relaxed))
    }
}

impl<L: Labels, const N: usize> Metric for Counter<L, N> {
    fn about(&self) -> &About {
        &self.about
    }

    fn kind(&self) -> &'static str {
        "counter"
    }

    fn labels(&self) -> &'static [&'static str] {
        L::NAMES
    }

    fn label_values(&self) -> Vec<Vec<&'static str>> {
        label_values::<L>()
    }

    fn read(&self) -> Vec<Option<Sample>> {
        samples::<L>(|c| self.cells.get(c).map(|n| Reading::Total(n.load(Relaxed))))
    }
}

/// A gauge that nobody has set.
const UNSET: i64 = i64::MIN;

/// What is the case now. Not reported before it was set for the first time.
#[derive(Debug)]
pub struct Gauge<L, const N: usize> {
    about: About,
    cells: [AtomicI64; N],
    labels: PhantomData<fn(L)>,
}

impl<L: Labels, const N: usize> Gauge<L, N> {
    pub(crate) const fn new(about: About) -> Self {
        Self { about, cells: [const { AtomicI64::new(UNSET) }; N], labels: PhantomData }
    }

    /// Sets it.
    pub fn set(&self, labels: L, value: i64) {
        if let Some(cell) = self.cells.get(labels.cell()) {
            cell.store(value, Relaxed);
        }
    }

    /// Sets it to a number of things.
    pub fn set_count(&self, labels: L, count: impl TryInto<i64>) {
        self.set(labels, count.try_into().unwrap_or(i64::MAX));
    }

    /// Changes it by so much; from nothing, if it was never set.
    pub fn add(&self, labels: L, by: i64) {
        if let Some(cell) = self.cells.get(labels.cell()) {
            let sum = |v: i64| Some(if v == UNSET { by } else { v.saturating_add(by) });
            // It fails only when the closure says no.
            let _ = cell.fetch_update(Relaxed, Relaxed, sum);
        }
    }

    /// No longer reports it.
    pub fn forget(&self, labels: L) {
        self.set(labels, UNSET);
    }

    /// Its value, once it was set.
    #[must_use]
    pub fn value(&self, labels: L) -> Option<i64> {
        self.at(labels.cell())
    }

    fn at(&self, cell: usize) -> Option<i64> {
        self.cells.get(cell).map(|c| c.load(Relaxed)).filter(|v| *v != UNSET)
    }
}

impl<L: Labels, const N: usize> Metric for Gauge<L, N> {
    fn about(&self) -> &About {
        &self.about
    }

    fn kind(&self) -> &'static str {
        "gauge"
    }

    fn labels(&self) -> &'static [&'static str] {
        L::NAMES
    }

    fn label_values(&self) -> Vec<Vec<&'static str>> {
        label_values::<L>()
    }

    fn read(&self) -> Vec<Option<Sample>> {
        samples::<L>(|c| self.at(c).map(Reading::Value))
    }
}

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
    use super::*;

    const ABOUT: About = About { name: "x", unit: Unit::Count, target: Target::Both, help: "x." };

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

    #[test]
    fn a_gauge_is_silent_until_it_is_set() {
        let gauge = Gauge::<(), 1>::new(ABOUT);
        assert_eq!(gauge.read(), [None]);
        gauge.set((), 0);
        assert_eq!(gauge.read(), [Some(Sample { values: vec![], reading: Reading::Value(0) })]);
        gauge.forget(());
        assert_eq!(gauge.value(()), None);
    }
}
