//! The embedded backend from outside: the contract of every port, `kill -9`, damage, and who may open a directory.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop where something is not as they expect")]

mod contract_suite;
mod damage;
mod kill;
mod opening;
mod tables;

use common::time::{ManualClock, UnixMs};
use embedded::{Embedded, EmbeddedConfig};
use std::path::Path;
use std::sync::Arc;

/// Where the tests' clocks begin.
pub const START: UnixMs = UnixMs(1_770_000_000_000);

/// Opens a directory on a clock that stands still.
pub fn open(dir: &Path) -> Embedded {
    embedded::open(EmbeddedConfig::new(dir), Arc::new(ManualClock::at(START))).unwrap()
}
