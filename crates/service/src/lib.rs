//! What the three services share: configuration, health, shutdown, task protection. [`run`] is a service's whole `main`;
//! what differs is its [`Settings`] and the tasks that it starts.

mod args;
pub mod check;
pub mod config;
pub mod health;
pub mod protect;
pub mod ready;
mod run;
mod stop;

pub use args::About;
pub use config::{Findings, Settings};
pub use run::{Context, run};
pub use stop::{DRAIN_WITHIN, FLUSH_WITHIN};

/// What `/metrics` of every service begins with.
#[must_use]
pub fn metrics() -> health::Metrics {
    std::sync::Arc::new(telemetry::prometheus)
}
