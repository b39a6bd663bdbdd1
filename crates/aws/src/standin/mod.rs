//! For tests only: a stand-in AWS in a process of its own, and what it must hold before the adapters can use it.
//!
//! Tests of other crates (the multi-process one) take it from here by the feature `standin`.

mod furnish;
mod ministack;
mod proxy;
mod queues;

pub use furnish::furnish;
pub use ministack::{Ministack, StandinError, shared};
pub use proxy::{Fault, FaultProxy, Faults};
pub use queues::{fresh_prefix, make_queues, remove_queues};
