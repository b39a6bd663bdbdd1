//! Metrics, log lines and traces of all services, declared in one place.
//!
//! Without features: the [`metrics`], which anybody may count with, [`prometheus`]'s text of them, and [`trace`], which
//! does nothing until somebody exports. With `export` (for the three services): JSON log lines, CloudWatch's Embedded
//! Metric Format, and OTLP traces. `docs/metrics.md` lists what there is; a test compares.
//!
//! # Why not the `metrics` crate
//!
//! Everything here is known when it is compiled: about forty metrics with closed labels. So a metric is a static with one
//! atomic per combination of labels, counting is one relaxed add without lookup, and no handle has to be kept or handed
//! on. The `metrics` facade would add a recorder, a registry keyed by strings, and an exporter whose histograms keep every
//! sample until somebody scrapes (memory without bound where nobody does); and two outputs from the same numbers
//! (Prometheus' totals, EMF's deltas) would need a recorder of our own all the same.

mod aws;
mod cells;
pub mod metrics;
mod process;
mod prometheus;
pub mod trace;

pub use aws::aws_call;
pub use cells::{
    About, Counter, Gauge, Histogram, Label, Labels, Metric, Reading, Sample, Tally, Target, Unit,
};
pub use process::before_reading;
pub use prometheus::{CONTENT_TYPE as PROMETHEUS_CONTENT_TYPE, prometheus, prometheus_with};

#[cfg(feature = "export")]
mod export;
#[cfg(feature = "export")]
pub use export::{Telemetry, TelemetryConfig, TelemetryError, init};
