//! The embedded backend from outside: the contract of every port, `kill -9`, damage, and who may open a directory.

#![expect(clippy::unwrap_used, reason = "helpers of tests may stop where something is not as they expect")]

mod contract_suite;
mod damage;
mod kill;
mod opening;
mod tables;

use common::time::{ManualClock, UnixMs};
use embedded::{Embedded, EmbeddedConfig, OpenError};
use std::path::Path;
use std::sync::Arc;

/// Where the tests' clocks begin.
pub const START: UnixMs = UnixMs(1_770_000_000_000);

/// Far more than it takes to start a process.
const WAITS_MAX: u32 = 500_000;

/// Opens a directory on a clock that stands still. A process that another test is just starting shares the lock of a
/// directory that was closed, until it runs its own program: that is waited for.
pub fn open(dir: &Path) -> Embedded {
    let try_open = || embedded::open(EmbeddedConfig::new(dir), Arc::new(ManualClock::at(START)));
    let is_ours =
        |e: &OpenError| matches!(e, OpenError::Taken { pid: Some(pid), .. } if *pid == std::process::id());
    let mut opened = try_open();
    for _ in 0..WAITS_MAX {
        if !opened.as_ref().is_err_and(is_ours) {
            break;
        }
        std::thread::yield_now();
        opened = try_open();
    }
    opened.unwrap()
}
