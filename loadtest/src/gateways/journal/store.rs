//! The journal as the gateways write it: notes first, folded into 24 bytes a device when many have gathered.
//!
//! A table of millions of devices fits no cache: looking one device up at a time costs a third of a gateway's whole work.
//! Notes are therefore appended to a log, and folded in the order of the table's parts, each of which does fit.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::limits::{JOURNAL_NOTES, JOURNAL_SHARDS, MAX_JOURNAL_DEVICES};
use super::super::reason::{Class, Reason};
use super::super::shared::Moment;
use super::{JournalEntry, Platform, Summary};

/// How one request ended.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    /// 0 where it named no token: so does one token in 2^64, which is then only counted.
    hash: u64,
    now_ms: u32,
    platform: Platform,
    reason: Reason,
}

/// What is kept of one device.
#[derive(Clone, Copy, Default)]
struct Slot {
    accepted: u8,
    rejected: u8,
    retryable: u8,
    unanswered: u8,
    first_ms: u32,
    last_ms: u32,
}

/// Token hashes are evenly spread already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Slots = HashMap<u64, Slot, BuildHasherDefault<Identity>>;

/// A part of the journal: the devices whose hashes lie close together.
#[derive(Default)]
struct Shard {
    devices: [Slots; 2],
    accepted_devices: u64,
    duplicates: u64,
    rejected_devices: u64,
    overflow: u64,
}

impl Shard {
    /// Notes an answer about a device; true if the device is new. Without `room`, only known devices are noted.
    fn record(&mut self, note: &Note, room: bool) -> bool {
        let Note { hash, now_ms, platform, reason } = *note;
        let devices = &mut self.devices[platform as usize];
        let before = devices.len();
        if !room && !devices.contains_key(&hash) {
            self.overflow += 1;
            return false;
        }
        let slot = devices.entry(hash).or_insert(Slot { first_ms: now_ms, ..Slot::default() });
        slot.last_ms = now_ms;
        match reason.class() {
            Class::Accepted => {
                slot.accepted = slot.accepted.saturating_add(1);
                self.accepted_devices += u64::from(slot.accepted == 1);
                self.duplicates += u64::from(slot.accepted == 2);
            }
            Class::Rejected => {
                slot.rejected = slot.rejected.saturating_add(1);
                self.rejected_devices += u64::from(slot.rejected == 1);
            }
            Class::Retryable => slot.retryable = slot.retryable.saturating_add(1),
            Class::Unanswered => slot.unanswered = slot.unanswered.saturating_add(1),
            Class::Neither => {}
        }
        devices.len() > before
    }
}

/// What waits, and what was folded.
struct Pages {
    notes: Vec<Note>,
    /// The notes again, by part; kept so that folding allocates nothing.
    sorted: Vec<Note>,
    shards: Vec<Shard>,
    reasons: [u64; Reason::COUNT],
    last_ms: Option<u32>,
    devices: u64,
}

impl Pages {
    fn new() -> Self {
        Self {
            notes: Vec::new(),
            sorted: Vec::new(),
            shards: (0..JOURNAL_SHARDS).map(|_| Shard::default()).collect(),
            reasons: [0; Reason::COUNT],
            last_ms: None,
            devices: 0,
        }
    }

    /// Puts the notes where they belong, part by part; within a part they keep their order.
    fn fold(&mut self) {
        let Some(&any) = self.notes.first() else { return };
        let mut starts = [0; JOURNAL_SHARDS + 1];
        for note in &self.notes {
            starts[shard_of(note.hash) + 1] += 1;
        }
        for shard in 0..JOURNAL_SHARDS {
            starts[shard + 1] += starts[shard];
        }
        self.sorted.resize(self.notes.len(), any);
        for note in self.notes.drain(..) {
            let place = &mut starts[shard_of(note.hash)];
            self.sorted[*place] = note;
            *place += 1;
        }
        for note in &self.sorted {
            self.reasons[note.reason as usize] += 1;
            self.last_ms = self.last_ms.max(Some(note.now_ms));
            if note.hash != 0 {
                let room = self.devices < MAX_JOURNAL_DEVICES;
                self.devices += u64::from(self.shards[shard_of(note.hash)].record(note, room));
            }
        }
    }
}

/// The journal of one process.
pub(crate) struct Store {
    pages: Mutex<Pages>,
    base: Instant,
    base_unix_ms: u64,
    start_ms: AtomicU64,
}

impl Store {
    /// An empty journal that starts now.
    pub(crate) fn new() -> Self {
        let now = Moment::now();
        Self {
            pages: Mutex::new(Pages::new()),
            base: now.instant,
            base_unix_ms: now.unix_ms,
            start_ms: AtomicU64::new(0),
        }
    }

    /// A note of how a request ended; `hash` is missing if it named no token. It counts once it was [appended](Self::append).
    pub(crate) fn note(&self, platform: Platform, hash: Option<u64>, reason: Reason, now: Instant) -> Note {
        Note { hash: hash.unwrap_or(0), now_ms: self.since_start_ms(now), platform, reason }
    }

    /// Takes the notes over.
    pub(crate) fn append(&self, notes: &mut Vec<Note>) {
        let mut pages = self.pages();
        pages.notes.append(notes);
        if pages.notes.len() >= JOURNAL_NOTES {
            pages.fold();
        }
    }

    /// Notes how a request ended.
    pub(crate) fn record(&self, platform: Platform, hash: Option<u64>, reason: Reason, now: Instant) {
        self.append(&mut vec![self.note(platform, hash, reason, now)]);
    }

    /// Figures over all devices.
    pub(crate) fn summary(&self) -> Summary {
        let mut sum = Summary { start_unix_ms: self.start_unix_ms(), ..Summary::default() };
        let pages = self.folded();
        for shard in &pages.shards {
            sum.devices += shard.devices.iter().map(|slots| slots.len() as u64).sum::<u64>();
            sum.accepted_devices += shard.accepted_devices;
            sum.duplicates += shard.duplicates;
            sum.rejected_devices += shard.rejected_devices;
            sum.overflow += shard.overflow;
        }
        sum.last_answer_unix_ms = pages.last_ms.map_or(0, |ms| sum.start_unix_ms + u64::from(ms));
        sum.requests = pages.reasons.iter().sum();
        let counted = Reason::all().zip(pages.reasons).filter(|(_, count)| *count > 0);
        sum.by_reason = counted.map(|(reason, count)| (reason.label(), count)).collect();
        sum
    }

    /// The number of parts that [`Self::records`] knows.
    pub(crate) fn parts(&self) -> usize {
        JOURNAL_SHARDS
    }

    /// The records of one part, as they stand in the octet stream.
    pub(crate) fn records(&self, part: usize) -> Vec<u8> {
        let pages = self.folded();
        let [apns, fcm] = &pages.shards[part].devices;
        let apns = apns.iter().map(|(&hash, slot)| slot.entry(hash, Platform::Apns));
        let fcm = fcm.iter().map(|(&hash, slot)| slot.entry(hash, Platform::Fcm));
        apns.chain(fcm).flat_map(|entry| entry.to_record()).collect()
    }

    /// What is known of one device.
    pub(crate) fn entry(&self, platform: Platform, hash: u64) -> Option<JournalEntry> {
        let pages = self.folded();
        let slots = &pages.shards[shard_of(hash)].devices[platform as usize];
        slots.get(&hash).map(|slot| slot.entry(hash, platform))
    }

    /// Forgets everything; time counts from now.
    pub(crate) fn reset(&self) {
        let mut pages = self.pages();
        *pages = Pages::new();
        self.start_ms.store(self.base.elapsed().as_millis() as u64, Relaxed);
    }

    /// Start of the journal, in milliseconds since the Unix epoch.
    pub(crate) fn start_unix_ms(&self) -> u64 {
        self.base_unix_ms + self.start_ms.load(Relaxed)
    }

    /// Milliseconds since the journal's start.
    pub(crate) fn since_start_ms(&self, now: Instant) -> u32 {
        let ms = now.saturating_duration_since(self.base).as_millis() as u64;
        ms.saturating_sub(self.start_ms.load(Relaxed)).min(u64::from(u32::MAX)) as u32
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // What a panicking thread left behind is still a count.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folded(&self) -> MutexGuard<'_, Pages> {
        let mut pages = self.pages();
        pages.fold();
        pages
    }
}

impl Slot {
    fn entry(&self, hash: u64, platform: Platform) -> JournalEntry {
        let Self { accepted, rejected, retryable, unanswered, first_ms, last_ms } = *self;
        JournalEntry { hash, platform, accepted, rejected, retryable, unanswered, first_ms, last_ms }
    }
}

/// From bits that neither the hash table's buckets (the lowest) nor its tags (the highest) use.
fn shard_of(hash: u64) -> usize {
    let bits = (hash >> 24) & u64::from(u32::MAX);
    ((bits * JOURNAL_SHARDS as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_devices_duplicates_and_reasons() {
        let store = Store::new();
        let now = Instant::now();
        let (twice, once, dead) = (1 << 50, 2 << 50, 3);
        for (hash, reason) in [
            (twice, Reason::ApnsAccepted),
            (twice, Reason::ApnsAccepted),
            (once, Reason::ApnsAccepted),
            (dead, Reason::ApnsUnregistered),
        ] {
            store.record(Platform::Apns, Some(hash), reason, now);
        }
        store.record(Platform::Fcm, Some(once), Reason::FcmAccepted, now);
        store.record(Platform::Apns, None, Reason::ApnsBadPath, now);
        let sum = store.summary();
        assert_eq!(
            (sum.requests, sum.devices, sum.accepted_devices, sum.duplicates, sum.rejected_devices),
            (6, 4, 3, 1, 1)
        );
        assert_eq!(sum.by_reason["apns/410 Unregistered"], 1);
        let bytes: Vec<u8> = (0..store.parts()).flat_map(|part| store.records(part)).collect();
        let journal = super::super::Journal::parse(&bytes, 0).expect("whole records");
        assert_eq!(journal.lookup(twice).map(|entry| entry.accepted), Some(2));
        store.reset();
        assert_eq!(store.summary().requests, 0);
        assert_eq!(store.entry(Platform::Apns, twice), None);
    }
}
