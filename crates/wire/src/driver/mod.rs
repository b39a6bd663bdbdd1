//! Sockets, TLS and time around [`Connection`](crate::Connection): a task for each connection, and a pool of them to one
//! origin.
//!
//! For one thread: a current-thread runtime of tokio with a `LocalSet`, so that nothing is locked and nothing is sent between
//! threads. More cores take more pools. See `design.md` beside the crate's root, "The driver".

mod dial;
mod drive;
mod hub;
mod kernel;
pub mod limits;
mod link;
mod mail;
mod pool;
mod sending;
mod slot;
mod socket;
mod tls;
mod turns;

pub use dial::DialError;
pub use pool::{Pool, PoolSettings, PoolState, Target};
pub use sending::{Ended, Shape, Terms};
pub use tls::client_tls;

#[cfg(test)]
mod tests;
