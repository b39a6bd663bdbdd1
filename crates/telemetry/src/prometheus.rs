//! Prometheus' text format, version 0.0.4. It is in the part without features because it is a few lines, and the `owl`
//! command serves it too.

use crate::cells::{BOUNDS_US, Metric, Reading, Sample};
use crate::metrics::ALL;
use std::fmt::Write;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every metric that has a value, as Prometheus reads it.
#[must_use]
pub fn prometheus() -> String {
    prometheus_with(&[])
}

/// The same, with these values for metrics without labels: where several instances share a process, as in tests, and
/// each shows its own.
#[must_use]
pub fn prometheus_with(own: &[(&dyn Metric, Reading)]) -> String {
    crate::process::read();
    let mut out = String::with_capacity(16 * 1024);
    for metric in ALL {
        let own = own.iter().find(|(m, _)| m.about().name == metric.about().name);
        let samples = match own {
            Some((_, reading)) => vec![Sample { values: Vec::new(), reading: reading.clone() }],
            None => metric.read().into_iter().flatten().collect(),
        };
        one(&mut out, *metric, &samples);
    }
    out
}

/// Its name in Prometheus.
#[must_use]
pub(crate) fn name(metric: &dyn Metric) -> String {
    let end = if metric.kind() == "counter" { "_total" } else { "" };
    format!("owl_{}{end}", metric.about().name)
}

fn one(out: &mut String, metric: &dyn Metric, samples: &[Sample]) {
    let labelled = !metric.labels().is_empty();
    // Of many combinations most never happen: they are left out until they do.
    let samples: Vec<_> = samples.iter().filter(|s| !labelled || !is_zero(&s.reading)).collect();
    if samples.is_empty() {
        return;
    }
    let name = name(metric);
    // Writing to a String can't fail.
    let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {}\n", metric.about().help, metric.kind());
    for sample in samples {
        let pairs = metric.labels().iter().zip(&sample.values).map(|(n, v)| format!("{n}=\"{v}\""));
        let labels = pairs.collect::<Vec<_>>().join(",");
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = match &sample.reading {
            Reading::Total(n) => writeln!(out, "{name}{braced} {n}"),
            Reading::Value(n) => writeln!(out, "{name}{braced} {n}"),
            Reading::Buckets(counts, sum_us) => {
                buckets(out, &name, &labels, counts);
                let (sum, all) = (seconds(*sum_us), counts.iter().sum::<u64>());
                write!(out, "{name}_sum{braced} {sum}\n{name}_count{braced} {all}\n")
            }
        };
    }
}

fn buckets(out: &mut String, name: &str, labels: &str, counts: &[u64]) {
    let comma = if labels.is_empty() { "" } else { "," };
    let bounds = BOUNDS_US.iter().map(|us| seconds(*us).to_string()).chain(["+Inf".to_owned()]);
    let mut sum = 0;
    for (count, bound) in counts.iter().zip(bounds) {
        sum += count;
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {sum}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
pub(crate) fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A counter that has counted nothing, or a histogram without observations.
fn is_zero(reading: &Reading) -> bool {
    match reading {
        Reading::Total(n) => *n == 0,
        Reading::Value(_) => false,
        Reading::Buckets(counts, _) => counts.iter().all(|n| *n == 0),
    }
}

#[cfg(test)]
mod tests;
