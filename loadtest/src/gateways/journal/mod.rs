//! The journal as its readers see it: one entry for each device that a gateway heard of.
//!
//! [`Journal`] reads what `GET /v1/journal` answers. Entries know a device by the hash of its token only.

mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use store::{Note, Store};

/// Bytes of one entry in the octet stream.
pub const RECORD_BYTES: usize = 24;
/// Header that carries the start of the journal, in milliseconds since the Unix epoch.
pub const START_HEADER: &str = "x-journal-start-unix-ms";

/// Whose gateway an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Apple's.
    Apns = 0,
    /// Google's.
    Fcm = 1,
}

/// What one device got. Counts stop at 255; times are milliseconds since the journal's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// xxh3_64 of the token's ASCII bytes (APNs: lower-case hexadecimal).
    pub hash: u64,
    /// The gateway.
    pub platform: Platform,
    /// Notifications that were accepted, those among them whose answer was lost.
    pub accepted: u8,
    /// Final refusals: 4xx other than 429 and than those about credentials.
    pub rejected: u8,
    /// Answers that invite a retry: 429 and 5xx.
    pub retryable: u8,
    /// Requests that got no answer and were not accepted: reset, stalled, or their connection ended.
    pub unanswered: u8,
    /// Time of the first answer.
    pub first_ms: u32,
    /// Time of the last answer.
    pub last_ms: u32,
}

/// Figures over the whole journal and the process: `GET /v1/journal/summary`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Requests that ended, in whatever way.
    pub requests: u64,
    /// Devices that were heard of.
    pub devices: u64,
    /// Devices with at least one accepted notification.
    pub accepted_devices: u64,
    /// Devices with more than one accepted notification.
    pub duplicates: u64,
    /// Devices with at least one final refusal.
    pub rejected_devices: u64,
    /// Answers about devices for which the journal had no room.
    pub overflow: u64,
    /// How requests ended, such as `apns/410 Unregistered`.
    pub by_reason: BTreeMap<String, u64>,
    /// Start of the journal, in milliseconds since the Unix epoch.
    pub start_unix_ms: u64,
    /// Last answer, in milliseconds since the Unix epoch; 0 if there was none.
    pub last_answer_unix_ms: u64,
    /// Connections that were opened since the gateways started.
    pub connections_opened: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Different JWTs with a good signature.
    pub distinct_jwts: u64,
    /// Processor time of the process so far, in seconds, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// The most memory that the process ever held, in bytes, where the system tells.
    pub peak_rss_bytes: Option<u64>,
}

/// A journal cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The stream ends within a record.
    #[error("a journal of {0} bytes does not consist of whole records")]
    Truncated(usize),
    /// A record's platform is unknown.
    #[error("record {record} has the unknown platform {platform}")]
    Platform {
        /// The record's number, from 0.
        record: usize,
        /// What stands there.
        platform: u8,
    },
}

/// The hash that stands for a token: APNs tokens have to be in lower case.
#[must_use]
pub fn token_hash(token: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(token)
}

impl JournalEntry {
    /// The entry as it stands in the octet stream.
    #[must_use]
    pub fn to_record(&self) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        record[..8].copy_from_slice(&self.hash.to_le_bytes());
        record[8] = self.platform as u8;
        record[9..13].copy_from_slice(&[self.accepted, self.rejected, self.retryable, self.unanswered]);
        record[16..20].copy_from_slice(&self.first_ms.to_le_bytes());
        record[20..].copy_from_slice(&self.last_ms.to_le_bytes());
        record
    }

    /// The same, in a journal that began so much earlier.
    fn later(self, ms: u32) -> Self {
        Self { first_ms: self.first_ms.saturating_add(ms), last_ms: self.last_ms.saturating_add(ms), ..self }
    }

    /// Adds what another gateway says of the same device.
    fn add(&mut self, other: &Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.retryable = self.retryable.saturating_add(other.retryable);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }

    /// Reads one record; its platform if that is unknown.
    fn from_record(record: &[u8; RECORD_BYTES]) -> Result<Self, u8> {
        let [
            h0,
            h1,
            h2,
            h3,
            h4,
            h5,
            h6,
            h7,
            platform,
            accepted,
            rejected,
            retryable,
            unanswered,
            _,
            _,
            _,
            rest @ ..,
        ] = *record;
        let [f0, f1, f2, f3, l0, l1, l2, l3] = rest;
        let platform = match platform {
            0 => Platform::Apns,
            1 => Platform::Fcm,
            other => return Err(other),
        };
        Ok(Self {
            hash: u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]),
            platform,
            accepted,
            rejected,
            retryable,
            unanswered,
            first_ms: u32::from_le_bytes([f0, f1, f2, f3]),
            last_ms: u32::from_le_bytes([l0, l1, l2, l3]),
        })
    }
}

/// A journal in memory: 24 bytes an entry, found by binary search.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Start of the journal in milliseconds since the Unix epoch; the entries' times count from here.
    pub start_unix_ms: u64,
    entries: Vec<JournalEntry>,
}

impl Journal {
    /// Reads the octet stream of `GET /v1/journal`; `start_unix_ms` is in its header [`START_HEADER`].
    pub fn parse(stream: &[u8], start_unix_ms: u64) -> Result<Self, JournalError> {
        let (records, rest) = stream.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() {
            return Err(JournalError::Truncated(stream.len()));
        }
        let mut entries = Vec::with_capacity(records.len());
        for (record, bytes) in records.iter().enumerate() {
            let entry = JournalEntry::from_record(bytes)
                .map_err(|platform| JournalError::Platform { record, platform })?;
            entries.push(entry);
        }
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.platform));
        Ok(Self { start_unix_ms, entries })
    }

    /// The journals of several gateways, as if one had kept it: what each says of a device is added up.
    #[must_use]
    pub fn together(journals: Vec<Self>) -> Self {
        let start_unix_ms = journals.iter().map(|journal| journal.start_unix_ms).min().unwrap_or_default();
        let mut entries = Vec::with_capacity(journals.iter().map(|journal| journal.entries.len()).sum());
        for journal in journals {
            let later = u32::try_from(journal.start_unix_ms - start_unix_ms).unwrap_or(u32::MAX);
            entries.extend(journal.entries.into_iter().map(|entry| entry.later(later)));
        }
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.platform));
        entries.dedup_by(|next, kept| {
            let same = (next.hash, next.platform) == (kept.hash, kept.platform);
            if same {
                kept.add(next);
            }
            same
        });
        Self { start_unix_ms, entries }
    }

    /// What it says of all devices: how many there are, accepted, accepted twice, and refused.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |is: fn(&JournalEntry) -> bool| self.entries.iter().filter(|e| is(e)).count() as u64;
        Summary {
            devices: self.entries.len() as u64,
            accepted_devices: count(|entry| entry.accepted > 0),
            duplicates: count(|entry| entry.accepted > 1),
            rejected_devices: count(|entry| entry.rejected > 0),
            start_unix_ms: self.start_unix_ms,
            ..Summary::default()
        }
    }

    /// The entry of the device whose token has this hash.
    #[must_use]
    pub fn lookup(&self, hash: u64) -> Option<&JournalEntry> {
        let place = self.entries.partition_point(|entry| entry.hash < hash);
        self.entries.get(place).filter(|entry| entry.hash == hash)
    }

    /// The entry of a token as text; upper-case hexadecimal has to be made lower-case before.
    #[must_use]
    pub fn lookup_token(&self, token: &str) -> Option<&JournalEntry> {
        self.lookup(token_hash(token.as_bytes()))
    }

    /// All entries, by hash.
    #[must_use]
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: u64, platform: Platform) -> JournalEntry {
        JournalEntry {
            hash,
            platform,
            accepted: 1,
            rejected: 2,
            retryable: 3,
            unanswered: 4,
            first_ms: 5,
            last_ms: 6,
        }
    }

    #[test]
    fn a_written_journal_reads_back() {
        let written = [entry(u64::MAX, Platform::Fcm), entry(7, Platform::Apns)];
        let stream: Vec<u8> = written.iter().flat_map(JournalEntry::to_record).collect();
        let journal = Journal::parse(&stream, 99).expect("a whole journal");
        assert_eq!(journal.start_unix_ms, 99);
        assert_eq!(journal.lookup(7), Some(&written[1]));
        assert_eq!(journal.lookup(u64::MAX), Some(&written[0]));
        assert_eq!(journal.lookup(8), None);
    }

    #[test]
    fn what_two_gateways_accepted_was_accepted_twice() {
        let of = |start, entries: &[JournalEntry]| {
            let stream: Vec<u8> = entries.iter().flat_map(JournalEntry::to_record).collect();
            Journal::parse(&stream, start).expect("a whole journal")
        };
        let once = |hash| JournalEntry { rejected: 0, ..entry(hash, Platform::Apns) };
        let both = Journal::together(vec![of(40, &[once(1), once(2)]), of(30, &[once(2), once(3)])]);
        assert_eq!((both.start_unix_ms, both.entries().len()), (30, 3));
        let twice = both.lookup(2).expect("a device of both");
        assert_eq!((twice.accepted, twice.retryable, twice.first_ms, twice.last_ms), (2, 6, 5, 16));
        let summary = both.summary();
        assert_eq!((summary.accepted_devices, summary.duplicates, summary.rejected_devices), (3, 1, 0));
    }

    #[test]
    fn damage_is_named() {
        let mut record = entry(7, Platform::Apns).to_record();
        assert_eq!(Journal::parse(&record[..23], 0).err(), Some(JournalError::Truncated(23)));
        record[8] = 9;
        assert_eq!(Journal::parse(&record, 0).err(), Some(JournalError::Platform { record: 0, platform: 9 }));
    }
}
