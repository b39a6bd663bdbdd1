//! One HTTP/2 client connection (RFC 9113) for many small POSTs to one origin, as a state machine without I/O.
//!
//! [`Connection`] takes groups of requests, bytes that were read and the time, and gives bytes to write and completions.
//! It knows nothing of what the requests mean, opens no sockets and has no clock. See `design.md` beside this file.

mod config;
mod connection;
mod encode;
mod fault;
mod frame;
mod hpack;
mod limits;
mod request;
mod slots;
mod template;

pub use config::Config;
pub use connection::{Connection, End, State};
pub use fault::Code;
pub use request::{Answer, Books, Completion, Doubt, Group, Outcome, Request};
pub use template::{Policy, Template};
