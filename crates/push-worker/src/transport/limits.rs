//! Every number of the gateways' connections, with its unit and its source. The driver's own are in
//! [`wire::driver::limits`].

use std::time::Duration;

pub use wire::driver::limits::{ASK_EVERY, CONNECTIONS_MAX, DIAL_WITHIN, WRITE_GROUP};

/// Most streams used on a connection, whatever the gateway allows (Apple: typically 1,000; ours for who sets no limit).
pub const STREAMS_MAX: usize = 1_000;
/// Streams assumed before the gateway's SETTINGS came (Apple: one until the first success; never assume more).
pub const STREAMS_FIRST: usize = 1;
/// Output of a connection that waits for the kernel, in bytes (ours: what is there leaves after an abort).
pub const OUT_BYTES_MAX: usize = 64 * 1024;
/// Most bytes kept of an answer's body (ours; Apple's are below 100, Google's about 1,000).
pub const ANSWER_BYTES_MAX: usize = 4_096;
/// Bytes of all answers of a connection that may be on their way (ours: 1,000 errors of 1 kB).
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// PING while requests wait for answers (ours).
pub const PING_BUSY_EVERY: Duration = Duration::from_secs(10);
/// PING while none does (ours: Apple suggests an hour, but NAT gateways forget a connection after 350 s).
pub const PING_IDLE_EVERY: Duration = Duration::from_secs(60);
/// After a stop, what was written is read by the gateway within this, or the connection is cut (ours: with the look that sees the stop,
/// a push leaves no later than a second after it; a gateway that reads answers a PING within a round trip).
pub const READ_WITHIN: Duration = Duration::from_millis(500);
/// A connection is dead if a PING is not answered within this (ours).
pub const PONG_WITHIN: Duration = Duration::from_secs(5);
