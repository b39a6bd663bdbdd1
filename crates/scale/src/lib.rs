//! A model of a blast, in events: one press, shards on the FIFO queue, interim workers, batches on the batch queue, lanes of
//! push workers that take room, receive, claim, send, complete and delete, and gateways that answer. It predicts how long a
//! fleet takes and finds, by measuring where batches waited, what limits it.
//!
//! It is no test of correctness: `crates/night` runs the real code for that, in a world where CPU costs nothing
//! (`docs/adr/0011-scale-model.md`). Here nothing fails, nothing is doubled, and every step has its measured cost.

mod calibrate;
mod checks;
mod cpu;
mod dice;
mod figures;
mod latency;
mod predict;
mod rate;
mod setup;
mod sim;
mod spread;
mod waits;

pub use calibrate::{CalibrateError, Measured};
pub use checks::{Check, checks};
pub use figures::{Figure, Figures};
pub use latency::Latency;
pub use predict::{Prediction, Stage, predict};
pub use setup::{Backend, Blast, Cpu, Fleet, Gateway, Gateways, Machine, Setup};
pub use spread::Times;
pub use waits::{Kind, Waited};

/// Nanoseconds from the press.
pub(crate) type Ns = u64;

/// To the microsecond: what two machines' logarithms differ in is far below, so the same seed is the same blast on both.
pub(crate) fn ns_of_ms(ms: f64) -> Ns {
    (ms.max(0.0) * 1e3).round() as Ns * 1_000
}

pub(crate) fn ns_of_us(us: f64) -> Ns {
    (us.max(0.0) * 1e3).round() as Ns
}
