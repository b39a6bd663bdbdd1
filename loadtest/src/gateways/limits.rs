//! Every number of the stand-in gateways, with its unit and its source (FACTS.md, or our own choice).

use std::time::Duration;

/// Bytes of a payload that APNs and FCM still take. Source: both vendors' documentation.
pub const MAX_PAYLOAD_BYTES: usize = 4096;
/// Bytes of a request body that are kept; what is longer is read, thrown away and refused. Our choice.
pub const MAX_KEPT_BODY_BYTES: usize = 32 * 1024;
/// Bytes of `apns-collapse-id`. Source: Apple.
pub const MAX_COLLAPSE_ID_BYTES: usize = 64;
/// Bytes of a topic (a bundle id, perhaps with a suffix) that can be right at all. Our choice.
pub const MAX_TOPIC_BYTES: usize = 255;
/// Hexadecimal digits of a device token: at least. Source: today's tokens have 64.
pub const MIN_APNS_TOKEN_HEX: usize = 64;
/// Hexadecimal digits of a device token: at most. Source: Apple allows up to 100 bytes.
pub const MAX_APNS_TOKEN_HEX: usize = 200;
/// Bytes of an FCM registration token or installation id: at least. An installation id has 22.
pub const MIN_FCM_TOKEN_BYTES: usize = 20;
/// Bytes of an FCM registration token: at most. Our choice.
pub const MAX_FCM_TOKEN_BYTES: usize = 4096;
/// Streams at once on an APNs connection that has proven itself. Source: practitioners' reports.
pub const APNS_STREAMS: u32 = 1000;
/// Streams at once on an FCM connection. Source: practitioners' reports.
pub const FCM_STREAMS: u32 = 100;
/// Seconds that a provider token (JWT) is good for. Source: Apple.
pub const JWT_LIFE_S: u32 = 3600;
/// Seconds that a JWT's `iat` may lie in our future. Our choice.
pub const JWT_SKEW_S: i64 = 60;
/// Seconds within which only a few different JWTs may be used. Source: Apple ("no more than once per 20 minutes").
pub const JWT_WINDOW_S: i64 = 20 * 60;
/// Different JWTs within [`JWT_WINDOW_S`] that are taken, unless set otherwise. Our choice.
pub const JWT_UPDATES: u32 = 4;
/// Credentials (JWTs, bearers) that are remembered at once. Our choice.
pub const MAX_REMEMBERED_CREDENTIALS: usize = 4096;
/// Bytes of an access token. Source: Google's are roughly 1 kB.
pub const ACCESS_TOKEN_BYTES: usize = 1024;
/// Seconds that an access token lives, unless set otherwise. Source: Google answers 3599.
pub const ACCESS_TOKEN_LIFE_S: u32 = 3599;
/// Seconds between `iat` and `exp` of an assertion: at most. Source: Google.
pub const ASSERTION_LIFE_S: i64 = 3600;
/// Seconds of `android.ttl`: at most. Source: Google (4 weeks).
pub const MAX_TTL_S: f64 = 2_419_200.0;
/// How long FCM's quota takes to be full again. Source: Google.
pub const QUOTA_WINDOW: Duration = Duration::from_secs(60);
/// Bytes that a client may send on one connection before we have taken any. Our choice: 1000 full payloads.
pub const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Bytes that a client may send on one stream before we have taken any. Source: HTTP/2's default.
pub const STREAM_WINDOW_BYTES: u32 = 65_535;
/// Bytes of a request's headers, names and values; h2 answers 431 to more. Our choice.
pub const MAX_HEADERS_BYTES: u32 = 16 * 1024;
/// Streams that a client may reset before we saw them, as many as it may open. Our choice.
pub const MAX_EARLY_RESETS: usize = 4096;
/// How long a TLS and HTTP/2 handshake may take. Our choice.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take to hang up after a connection was closed. Our choice.
pub const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection is held that nobody serves, if the client does not hang up. Our choice.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(3600);
/// Accepted connections waiting for a thread. Our choice.
pub const CONNECTION_BACKLOG: usize = 1024;
/// Devices in the journal, both platforms together; further ones are only counted. Our choice: about 1 GB.
pub const MAX_JOURNAL_DEVICES: u64 = 32_000_000;
/// Parts of the journal, folded one after the other. Our choice: one part of 4 million devices fits a core's cache, and at 1, 2
/// and 4 million devices the parts have just not grown again (31 bytes a device; a power of two makes it 54).
pub const JOURNAL_SHARDS: usize = 300;
/// Notes that gather before they are folded into the journal. Our choice: 4 MiB, folded in a few milliseconds.
pub const JOURNAL_NOTES: usize = 1 << 18;
/// Bytes of a request body that the admin listener takes. Our choice.
pub const MAX_ADMIN_BODY_BYTES: usize = 64 * 1024;
/// Rest after a connection could not be accepted, for lack of file descriptors say. Our choice.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Bytes that one call to the kernel may bring. Our choice: some forty requests.
pub const READ_BYTES: usize = 16 * 1024;
/// Bytes that are read before answers are written. Our choice: as many as a client writes at once.
pub const TURN_BYTES: usize = 64 * 1024;
/// Messages that a connection remembers to be good, whatever their target. Our choice: more than a blast has locales.
pub const REMEMBERED_MESSAGES: usize = 16;
/// Milliseconds of a round trip: at most. Our choice: two hours, so that tests can wait for ever.
pub const ROUND_TRIP_MS_MAX: f64 = 7_200_000.0;
/// Points of a round trip's quantiles: at most. Our choice.
pub const QUANTILES_MAX: usize = 100;
/// Bursts of one profile: at most. Our choice.
pub const BURSTS_MAX: usize = 100;
/// Seconds of any setting that has a fraction: at most. Our choice: eleven days.
pub const SETTING_S_MAX: f64 = 1_000_000.0;
/// Streams at once that a setting may allow: at most. Our choice: each may hold a body of [`MAX_KEPT_BODY_BYTES`].
pub const STREAMS_MAX: u32 = 100_000;
/// By how many milliseconds answers come later on a connection that is slowed down, unless set otherwise. Our choice: Apple
/// gives no figure.
pub const SLOWDOWN_MS: u32 = 500;
/// Share of good requests without an answer that are accepted all the same, unless set otherwise. Our choice: nobody outside can
/// tell.
pub const LOST_ANSWER_ACCEPTED_SHARE: f64 = 0.5;
/// Answers over which the share of a connection's 4xx is taken, each weighing less than the next. Our choice.
pub const SLOWDOWN_ANSWERS: f64 = 100.0;
/// How often BadDeviceToken counts. Source: Apple acts soonest on it; the number is our choice.
pub const BAD_TOKEN_WEIGHT: f64 = 2.0;
