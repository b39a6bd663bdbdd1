//! An HTTP/2 client (RFC 9113) for many small POSTs to one origin.
//!
//! [`Connection`] is a state machine without I/O: it takes groups of requests, bytes that were read and the time, and gives
//! bytes to write and completions. [`driver`] puts sockets, TLS and a pool around it. Neither knows what the requests mean.
//! See `design.md` beside this file.

mod config;
mod connection;
pub mod driver;
mod encode;
mod fault;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hpack;
mod limits;
mod request;
pub mod server;
mod slots;
mod template;

pub use config::Config;
pub use connection::{Connection, End, State};
pub use fault::Code;
pub use request::{Answer, Books, Completion, Doubt, Group, Outcome, Request};
pub use template::{Policy, Template};
