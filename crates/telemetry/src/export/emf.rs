//! CloudWatch's Embedded Metric Format: lines of JSON that CloudWatch Logs turns into metrics. Counters and histograms go
//! out as what was added since the last time, gauges as they are.
//!
//! A histogram goes out as `Values` and `Counts`, as AWS' own exporters do it, so that percentiles of a whole fleet are
//! right up to the width of a bucket; the value of a bucket is its upper bound.

use crate::cells::{BOUNDS_US, Metric, Reading, Sample, Target, Unit};
use crate::prometheus::seconds;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where the metrics are in CloudWatch.
const NAMESPACE: &str = "SuperbOwl";
/// The dimension that every metric has.
const SERVICE: &str = "service";
/// Metrics of one directive, and members of one line's values, at most (AWS: Embedded Metric Format specification).
const MEMBERS_MAX: usize = 100;

/// Makes the lines of one process, and remembers what it said last.
#[derive(Debug)]
pub(super) struct Emf {
    service: &'static str,
    last: BTreeMap<(&'static str, usize), Reading>,
}

/// A metric on its way into a line.
struct Point {
    about: Value,
    name: &'static str,
    value: Value,
    members: usize,
}

/// Labels' names and values: what shares a line.
type Dimensions = (Vec<&'static str>, Vec<&'static str>);

impl Emf {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, last: BTreeMap::new() }
    }

    /// The lines for what these metrics are now.
    pub(super) fn lines(&mut self, metrics: &[&dyn Metric], at_ms: i64) -> String {
        let mut groups: BTreeMap<Dimensions, Vec<Point>> = BTreeMap::new();
        for metric in metrics.iter().filter(|m| m.about().target == Target::Both) {
            for (cell, sample) in metric.read().into_iter().enumerate() {
                let Some(sample) = sample else { continue };
                if let Some(point) = self.point(*metric, cell, &sample) {
                    groups.entry((metric.labels().to_vec(), sample.values)).or_default().push(point);
                }
            }
        }
        let mut out = String::new();
        for (dimensions, points) in groups {
            for part in parts(points) {
                out.push_str(&self.line(&dimensions, part, at_ms).to_string());
                out.push('\n');
            }
        }
        out
    }

    /// What has changed in one combination of labels, if anything.
    fn point(&mut self, metric: &dyn Metric, cell: usize, sample: &Sample) -> Option<Point> {
        let name = metric.about().name;
        let last = self.last.insert((name, cell), sample.reading.clone());
        let (value, members) = match (&sample.reading, last) {
            (Reading::Value(now), _) => (json!(now), 1),
            (Reading::Total(now), last) => {
                let before = if let Some(Reading::Total(n)) = last { n } else { 0 };
                let more = now.saturating_sub(before);
                (more > 0).then(|| (json!(more), 1))?
            }
            (Reading::Buckets(now, sum_us), last) => {
                let (before, sum_before) = match last {
                    Some(Reading::Buckets(counts, sum)) => (counts, sum),
                    _ => (vec![0; now.len()], 0),
                };
                let more: Vec<u64> = now.iter().zip(before).map(|(n, b)| n.saturating_sub(b)).collect();
                histogram(&more, sum_us.saturating_sub(sum_before))?
            }
        };
        let about = json!({ "Name": name, "Unit": unit(metric.about().unit) });
        Some(Point { about, name, value, members })
    }

    fn line(&self, (names, values): &Dimensions, points: Vec<Point>, at_ms: i64) -> Value {
        let dimensions: Vec<_> = [SERVICE].into_iter().chain(names.iter().copied()).collect();
        let mut line = Map::new();
        line.insert(SERVICE.to_owned(), self.service.into());
        line.extend(names.iter().zip(values).map(|(n, v)| ((*n).to_owned(), Value::from(*v))));
        let mut about = Vec::with_capacity(points.len());
        for point in points {
            about.push(point.about);
            line.insert(point.name.to_owned(), point.value);
        }
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": about });
        line.insert("_aws".to_owned(), json!({ "Timestamp": at_ms, "CloudWatchMetrics": [directive] }));
        Value::Object(line)
    }
}

/// Cuts at the limits of one line.
fn parts(points: Vec<Point>) -> Vec<Vec<Point>> {
    let (mut parts, mut members) = (vec![Vec::new()], 0);
    for point in points {
        if members + point.members > MEMBERS_MAX {
            parts.push(Vec::new());
            members = 0;
        }
        members += point.members;
        if let Some(part) = parts.last_mut() {
            part.push(point);
        }
    }
    parts
}

/// The buckets that have something, and how many members they are; `None` when nothing was observed.
fn histogram(counts: &[u64], sum_us: u64) -> Option<(Value, usize)> {
    let bounds = BOUNDS_US.iter().chain(BOUNDS_US.last());
    let (values, counts): (Vec<f64>, Vec<u64>) =
        bounds.zip(counts).filter(|(_, n)| **n > 0).map(|(us, n)| (seconds(*us), *n)).unzip();
    let (min, max) = (*values.first()?, *values.last()?);
    let (members, count) = (values.len(), counts.iter().sum::<u64>());
    let sum = seconds(sum_us);
    Some((
        json!({ "Values": values, "Counts": counts, "Count": count, "Sum": sum, "Min": min, "Max": max }),
        members,
    ))
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "Count",
        Unit::State => "None",
        Unit::Bytes => "Bytes",
        Unit::Seconds => "Seconds",
    }
}

#[cfg(test)]
mod tests;
