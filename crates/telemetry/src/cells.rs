//! Counters, gauges and histograms as statics: one cell per combination of labels, all of them there from the start.
//! Nothing here is looked up, allocated or locked when it counts.

mod histogram;

pub(crate) use histogram::BOUNDS_US;
pub use histogram::{Histogram, Tally};

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

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

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About = About { name: "x", unit: Unit::Count, target: Target::Both, help: "x." };

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
