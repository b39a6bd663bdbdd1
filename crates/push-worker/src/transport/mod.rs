//! The seam to HTTP/2: groups of requests go in over a pool of connections to one origin, a [`Reply`] for each comes out.
//!
//! It knows nothing of APNs or FCM. What it promises is the difference between [`Reply::NotSent`] and
//! [`Reply::Ambiguous`]: see [`Reply`]. It runs on one thread: a current-thread runtime with a `LocalSet`.

mod classify;
mod connection;
mod dial;
pub mod fault;
pub(crate) mod group;
pub mod limits;
mod origin;
mod pool;
mod sending;
mod slot;
mod socket;
mod tls;
mod turns;

pub use dial::DialError;
pub use fault::{Fault, Faults};
pub use origin::{Origin, is_loopback, is_vendor_host};
pub use pool::{Pool, PoolSettings, PoolState};

use crate::gateway::MaySend;
use bytes::Bytes;
use common::time::UnixMs;
use http::HeaderMap;
use http::uri::PathAndQuery;
use std::time::Duration;

/// What all requests of a group share: a POST with these headers.
#[derive(Clone, Debug)]
pub struct Template {
    /// In the order in which they are written.
    pub headers: HeaderMap,
}

/// What is a request's own.
#[derive(Clone, Debug)]
pub struct Request {
    /// Handed back with its reply.
    pub place: u16,
    /// The path.
    pub path: PathAndQuery,
    /// The body; never empty.
    pub body: Bytes,
}

/// When a group's requests may leave and how long they wait.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Asked before each group of writes, and every [`limits::ASK_EVERY`] while requests wait for a stream.
    pub may_send: MaySend<'a>,
    /// Longest wait for an answer, from the request's writing.
    pub patience: Duration,
}

/// What became of a request. The line between the last two is drawn where `h2` takes the request:
///
/// - waiting for a connection or a stream, refused by `h2` itself, answered with REFUSED_STREAM, or on a stream above
///   the last one that a GOAWAY names: not sent, and safe to send again;
/// - anything else that ends without an answer (time-out, another reset, a broken connection): ambiguous, even if the
///   bytes may never have left this process, since `h2` does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer came.
    Answered(Response),
    /// The gateway did not process it and never will.
    NotSent,
    /// It may have been processed.
    Ambiguous,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `retry-after`, if it says seconds.
    pub retry_after: Option<Duration>,
    /// At most [`limits::ANSWER_BYTES_MAX`] of the body; nothing for 200.
    pub body: Bytes,
}

/// One request's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which request.
    pub place: u16,
    /// What became of it.
    pub reply: Reply,
    /// When that was known.
    pub at: UnixMs,
}
