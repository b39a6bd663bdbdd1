//! Holds the armed campaign's snapshot in memory, and expands shard envelopes into batch envelopes.
//!
//! A worker is [`InterimWorker::step`] in a loop, beside three small loops: looking at the campaign, loading its
//! snapshot, and writing heartbeat and counter rows. It decides nothing about who gets what: the ledger does.

mod config;
mod expand;
mod handle;
mod keep;
mod load;
mod report;
mod sender;
mod worker;

pub use config::InterimConfig;
pub use handle::Handled;
pub use load::{Held, LoadError};
pub use worker::InterimWorker;
