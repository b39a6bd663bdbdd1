//! Every number of the transport, with its unit and its source.

use std::time::Duration;

/// Requests written between two questions whether bytes may still leave (ours: about 15 KB, 0.2 ms of a core).
pub const WRITE_GROUP: usize = 32;
/// How often requests that wait for a stream ask whether they may still leave (ours; a tenth of the age at which a look
/// at the campaign turns stale).
pub const ASK_EVERY: Duration = Duration::from_millis(100);
/// Most streams used on a connection, whatever the gateway allows (Apple: typically 1,000; ours for who sets no limit).
pub const STREAMS_MAX: usize = 1_000;
/// Streams assumed before the gateway's SETTINGS came (Apple: one until the first success; never assume more).
pub const STREAMS_FIRST: usize = 1;
/// Most bytes kept of an answer's body (ours; Apple's are below 100, Google's about 1,000).
pub const ANSWER_BYTES_MAX: usize = 4_096;
/// Bytes of one answer that may be on their way before we take any (ours; answers are small).
pub const ANSWER_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes of all answers of a connection that may be on their way (ours: 1,000 errors of 1 kB).
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Kernel's send buffer, in bytes (ours: what is in it leaves after an abort. Linux doubles it. 128 KiB in each 50 ms
/// round trip is about 5,000 APNs requests a second, more than a connection does).
pub const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// A connection is replaced after this many requests timed out on it (ours; `h2` gives a connection up after 1,024
/// local resets, and until then each leaves a stream to remember).
pub const TIMEOUTS_MAX: u32 = 512;
/// Streams reset by us that `h2` remembers, so that late answers do no harm (ours; more than [`TIMEOUTS_MAX`] and the
/// streams that a replaced connection may still give up).
pub const RESET_STREAMS_REMEMBERED: usize = 2_048;
/// How long it remembers them (ours; longer than any answer is late).
pub const RESET_STREAMS_FOR: Duration = Duration::from_secs(60);
/// PING while requests wait for answers (ours).
pub const PING_BUSY_EVERY: Duration = Duration::from_secs(10);
/// PING while none does (ours: Apple suggests an hour, but NAT gateways forget a connection after 350 s).
pub const PING_IDLE_EVERY: Duration = Duration::from_secs(60);
/// A connection is dead if a PING is not answered within this (ours).
pub const PONG_WITHIN: Duration = Duration::from_secs(5);
/// Look-up, TCP, TLS and HTTP/2 handshake together (ours).
pub const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// Between the first dials of two neighbours in a pool (ours; Apple treats bursts of connections as an attack).
pub const STAGGER: Duration = Duration::from_millis(10);
/// First wait before a connection that did not come about or proved useless is dialled again (ours).
pub const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// Longest such wait (ours; it doubles each time, with jitter).
pub const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// How long closing waits for answers that are still on their way (ours).
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Most connections of one pool (ours; a lane does not feed more).
pub const CONNECTIONS_MAX: u16 = 1_000;
