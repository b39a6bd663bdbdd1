//! Simulated nights: the real control, interim workers and push workers on a seeded world in virtual time, with every invariant
//! of `ARCHITECTURE.md` asserted at every event. `docs/nights.md` says what is simulated and what is not.
//!
//! A seed is a night: fleet, audience, weather, strikes, people. The same seed is the same night, event by event.

mod audience;
mod dice;
mod durable;
mod fleet;
mod gateway;
mod monitor;
mod night;
mod people;
mod ports;
mod process;
mod spec;
mod strike;
mod trace;
mod verdict;
mod weather;
mod world;

pub mod command;

pub use night::{Outcome, run};
pub use spec::Size;
pub use world::Tally;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seeds that found something once: a number a line, what it found behind it.
pub const REGRESSIONS: &str = include_str!("../seeds.txt");

/// The seeds of a list such as [`REGRESSIONS`]; a line that does not begin with a number is a remark.
pub fn seeds(list: &str) -> impl Iterator<Item = u64> + '_ {
    list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
