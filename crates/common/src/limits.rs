//! Every number that comes from outside, or that bounds something, with its unit and its source.
//!
//! Sources: "Apple" and "Google" are the vendors' own pages, "AWS" the service quotas, "ours" a choice that is
//! explained here.

use std::time::Duration;

/// Shards of a campaign when nobody says otherwise: one FIFO envelope each (ours; the number the story used).
pub const SHARDS_DEFAULT: u16 = 50;
/// Most shards a campaign may have (ours; 1,000 FIFO envelopes still go out in 100 calls).
pub const SHARDS_MAX: u16 = 1_000;
/// Users of a batch when nobody says otherwise (ours; 4M users make 40,000 envelopes, far below [`SQS_IN_FLIGHT_MAX`]).
pub const BATCH_USERS_DEFAULT: u16 = 100;
/// Most users a batch may have (ours).
pub const BATCH_USERS_MAX: u16 = 1_000;
/// Most bytes of user records in one batch. In base64, with the head and a retry's list of places (2 bytes for each of at
/// most 2,000 devices), it stays near 100 KB, so that ten envelopes fit one call of 1 MiB (AWS, since August 2025).
pub const BATCH_BODY_BYTES_MAX: usize = 73_000;
/// Most bytes of one envelope as handed to a queue port, before any text encoding.
pub const ENVELOPE_BYTES_MAX: usize = 78_000;
/// Most envelopes in one send, receive or delete call (AWS).
pub const QUEUE_CALL_ENTRIES_MAX: usize = 10;
/// Most envelopes in flight on a queue before a receive returns nothing (AWS).
pub const SQS_IN_FLIGHT_MAX: usize = 120_000;
/// A FIFO queue forgets a deduplication id after this long (AWS).
pub const FIFO_DEDUP: Duration = Duration::from_secs(5 * 60);
/// Longest wait of one receive call (AWS).
pub const QUEUE_WAIT_MAX: Duration = Duration::from_secs(20);
/// Longest visibility time-out (AWS).
pub const QUEUE_VISIBILITY_MAX: Duration = Duration::from_secs(12 * 3600);
/// Longest delay of one envelope on a standard queue (AWS).
pub const QUEUE_DELAY_MAX: Duration = Duration::from_secs(15 * 60);
/// An envelope received this often without being deleted is dead-lettered (ours; at least 10, because a batch that is
/// held by another worker is handed back each time).
pub const RECEIVES_MAX: u32 = 20;

/// Longest user id, in bytes (ours).
pub const USER_ID_BYTES_MAX: usize = 128;
/// Most devices that one user may have; an import beyond it is refused with the line (ours).
pub const USER_DEVICES_MAX: usize = 20;
/// Longest registration token, in bytes (ours; Google gives no bound, seen: 140 to 250).
pub const FCM_TOKEN_BYTES_MAX: usize = 1_024;
/// Shortest registration token that is not obviously a mistake, in bytes (ours).
pub const FCM_TOKEN_BYTES_MIN: usize = 20;
/// Device token of APNs, in bytes before hexadecimal: 32 today; Apple says not to count on it, so up to 100.
pub const APNS_TOKEN_BYTES: std::ops::RangeInclusive<usize> = 32..=100;
/// Most distinct locales in one snapshot (ours; a locale is one byte in a device record).
pub const LOCALES_MAX: usize = 255;
/// Longest line in an uploaded list, in bytes (ours).
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most users of one audience (ours; ten times the largest that was asked for).
pub const AUDIENCE_USERS_MAX: u64 = 40_000_000;
/// Largest audience upload, in bytes as sent (ours).
pub const UPLOAD_BYTES_MAX: u64 = 4 << 30;
/// Largest audience after decompression, in bytes (ours; a zip bomb ends here).
pub const UPLOAD_PLAIN_BYTES_MAX: u64 = 8 << 30;
/// Largest JSON body of the API, in bytes (ours).
pub const JSON_BODY_BYTES_MAX: usize = 1 << 20;

/// Largest payload of a notification, in bytes (Apple and Google alike).
pub const PAYLOAD_BYTES_MAX: usize = 4_096;
/// Longest `apns-collapse-id`, in bytes (Apple).
pub const COLLAPSE_ID_BYTES_MAX: usize = 64;
/// Shortest deadline after the press, in milliseconds (ours).
pub const DEADLINE_MS_MIN: u64 = 1_000;
/// Longest deadline after the press, in milliseconds (ours; a timed blast is not a mailing).
pub const DEADLINE_MS_MAX: u64 = 4 * 3_600_000;
/// Deadline after the press when nobody says otherwise, in milliseconds (ours).
pub const DEADLINE_MS_DEFAULT: u64 = 10 * 60_000;
/// Most devices that a silent campaign may reach through real gateways (ours; Apple: 2 to 3 background pushes an hour
/// and device, with no promise of delivery, so a large one proves nothing more than a small one).
pub const SILENT_REAL_DEVICES_MAX: u64 = 10_000;
/// A push later than this after the press is listed as late, in milliseconds (the promise of the product).
pub const LATE_MS: i64 = 5_000;

/// Life of a claim in the ledger (ours; DESIGN.md asks for 5 to 10 s).
pub const CLAIM_LEASE: Duration = Duration::from_secs(8);
/// How much later than any lease one may end, by the clock of whoever asks, and still bind (ours). A lease that ends later was written by a
/// clock that ran ahead. Not smaller: a process that was held up between reading its clock and asking asks with a time long past, and
/// must not take the claim of whoever sends now.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(60);
/// A holder stops sending this long before its lease ends (ours; covers a group of writes and the clocks' drift).
pub const CLAIM_MARGIN: Duration = Duration::from_millis(1_500);
/// Visibility of a received batch envelope: about the lease, so that a dead worker's batches come back in seconds.
pub const BATCH_VISIBILITY: Duration = Duration::from_secs(10);
/// Visibility of a received shard envelope, renewed while its expansion lasts.
pub const SHARD_VISIBILITY: Duration = Duration::from_secs(10);
/// A shard object up to this length is checked where it was fetched, in bytes (ours: hashing so little takes less time than
/// handing it to another thread; 20 us).
pub const SHARD_CHECKED_AT_ONCE_BYTES: usize = 32 * 1024;
/// How often a worker looks at the campaign.
pub const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A worker may send only while its last good look at the campaign began less than this ago.
pub const LOOK_GOOD_FOR: Duration = Duration::from_millis(1_000);
/// Looks that one worker may have under way: one that hangs must not keep the next from being begun.
pub const LOOKS_MAX: usize = 4;
/// A worker that could not receive for this long says so, and is not ready (ours; a few calls with their retries).
pub const DEAF_AFTER: Duration = Duration::from_secs(3);
/// What failed, and was not tried again for this long, is told no more (ours; longer than any pause between two tries).
pub const OUTAGE_KEPT_FOR: Duration = Duration::from_secs(30);
/// A worker whose heartbeats ended this long ago, without leaving, is still spoken of (ours).
pub const SILENT_KEPT_FOR: Duration = Duration::from_secs(60);
/// A worker whose last heartbeat is older than this does not count as live.
pub const HEARTBEAT_GOOD_FOR: Duration = Duration::from_secs(5);
/// How often a worker writes its heartbeat row.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);
/// Batches of one ledger bucket: neighbours that are read together and share a partition.
pub const LEDGER_BUCKET: u32 = 100;
/// One process takes a campaign's dead tokens out of the device table; after this long another one may (ours: it takes
/// minutes, and what two take out twice is gone once).
pub const REMOVING_MAX: Duration = Duration::from_secs(10 * 60);
/// Most tasks of one role that `owl fleet scale` takes (AWS: an ECS service has at most 5,000 tasks; ours: a typing
/// mistake must not cost a year's budget).
pub const FLEET_TASKS_MAX: u32 = 2_000;
/// Attempts for one device, the first included, before it is recorded with its last answer (ours).
pub const ATTEMPTS_MAX: u8 = 6;
/// Most devices on one list of testers (ours; one envelope holds them).
pub const TESTERS_MAX: usize = 100;
/// Most bytes of the tokens of one list together (ours; with all else the envelope stays below [`ENVELOPE_BYTES_MAX`]).
pub const TESTER_TOKENS_BYTES_MAX: usize = 70_000;
/// Most lists of testers (ours; listing them reads each).
pub const TESTER_LISTS_MAX: usize = 100;
/// Largest file of a list of testers, in bytes (ours).
pub const TESTER_LIST_BYTES_MAX: u64 = 256 * 1024;
/// A test send that no push worker took within this is over (ours; an idle worker takes it within about a second).
pub const TEST_TAKEN_WITHIN: Duration = Duration::from_secs(15);
/// A test send that was taken has its outcomes within this, or its worker died (ours; a connection, two tries of ten
/// seconds each, cut short where needed, and writing it down).
pub const TEST_DONE_WITHIN: Duration = Duration::from_secs(45);
