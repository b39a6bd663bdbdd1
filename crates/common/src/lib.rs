//! The words of Superb Owl: ids, limits, campaigns, envelopes, the ledger's rules, and the ports to the outside.
//!
//! Everything here is either data or a pure decision over data. Nothing here opens a file, a socket or a clock by
//! itself: the adapters (`embedded`, `aws`) do the I/O behind the [`ports`], and the services drive it.

pub mod access;
pub mod audit;
pub mod campaign;
pub mod content;
pub mod device;
pub mod envelope;
pub mod fleet;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod outage;
pub mod outcome;
pub mod plan;
pub mod ports;
pub mod queue;
pub mod report;
pub mod secret;
pub mod snapshot;
pub mod test_send;
pub mod time;
pub mod trace;
pub mod watch;
pub mod webhook;
mod wire;

pub use wire::Malformed;
