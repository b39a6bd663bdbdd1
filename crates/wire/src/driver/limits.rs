//! Every number of the driver and the pool, with its unit and its source.

use std::time::Duration;

/// Requests written between two questions whether bytes may still leave (ours: about 30 KB, 20 us of a core; a batch's part
/// for one gateway as a rule, so that it leaves with one call).
pub const WRITE_GROUP: usize = 64;
/// How often requests that wait for a stream ask whether they may still leave (ours).
pub const ASK_EVERY: Duration = Duration::from_millis(100);
/// With more requests than this on a connection, answers are gathered (ours: with fewer, each is read as it comes).
pub const GATHER_ABOVE: usize = 16;
/// How long answers are gathered (ours; a timer of tokio's is up to 1 ms late).
pub const GATHER: Duration = Duration::from_millis(1);
/// Bytes read from a socket with one call, and kept for it (ours).
pub const READ_BYTES: usize = 16 * 1024;
/// Bytes read before the other connections have their turn (ours).
pub const READ_TURN_BYTES: usize = 256 * 1024;
/// A connection that is about to write fewer bytes than this gets the next requests as well (ours: a call to the kernel costs
/// as much as copying some 16 KiB).
pub const GOOD_WRITE_BYTES: usize = 32 * 1024;
/// Bytes of output that TLS takes while the socket takes none (ours: what is there leaves after an abort).
pub const TLS_BYTES: usize = 64 * 1024;
/// Kernel's send buffer, in bytes (ours: sent and not yet acknowledged. Linux doubles it. 128 KiB in each 50 ms round trip
/// is about 5,000 APNs requests a second, more than a connection does).
pub const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes that the kernel takes beyond what it may send at once (ours: what is there leaves after an abort).
pub const NOT_SENT_BYTES: u32 = 16 * 1024;
/// A connection is replaced after this many requests in a row of which none was answered in time (ours: more than one
/// group, fewer than the streams of one connection).
pub const UNANSWERED_MAX: u32 = 256;
/// Look-up, TCP and TLS together (ours).
pub const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// Between the first dials of two neighbours in a pool (ours; Apple treats bursts of connections as an attack).
pub const STAGGER: Duration = Duration::from_millis(10);
/// First wait before a connection that did not come about or proved useless is dialled again (ours).
pub const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// Longest such wait (ours; it doubles each time, with jitter).
pub const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// How long closing waits for answers that are still on their way (ours).
pub const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection that takes no more requests waits for their answers (ours: requests have time-outs of their own).
pub const RETIRE_WITHIN: Duration = Duration::from_secs(60);
/// Connections of one slot that wait for their last answers; with so many, no other is dialled until one has ended (ours).
pub const RETIRING_MAX: usize = 4;
/// How long saying goodbye may take (ours).
pub const GOODBYE_WITHIN: Duration = Duration::from_millis(500);
/// Most connections of one pool (ours; a thread does not feed more).
pub const CONNECTIONS_MAX: u16 = 1_000;
