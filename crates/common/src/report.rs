//! The books: what the ledger says of every device, added up. Each term is counted by itself; none is what is left over.

mod late;

pub use late::{LATE_NAMED, Late, LateDevice};

use crate::ids::{BatchKey, ShardNo};
use crate::ledger::{BatchRecord, ShardRecord};
use crate::limits::LATE_MS;
use crate::outcome::{Class, Outcome};
use crate::time::UnixMs;
use late::{Latest, Way};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sums of one campaign. `devices = accepted + rejected + expired + aborted + ambiguous + pending`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Books {
    /// Devices in the snapshot.
    pub devices: u64,
    /// Accepted by the gateways.
    pub accepted: u64,
    /// Refused by the gateways for good.
    pub rejected: u64,
    /// Not sent before the deadline.
    pub expired: u64,
    /// Not sent because of a stop (or, after a canary, not sent yet).
    pub aborted: u64,
    /// Sent without an answer.
    pub ambiguous: u64,
    /// Without an outcome as yet.
    pub pending: u64,
    /// Devices that may have been sent twice, at most.
    pub doubled_at_most: u64,
    /// Batches in the snapshot.
    pub batches: u64,
    /// Outcomes by gateway and name, such as `apns` / `unregistered`.
    pub by_outcome: BTreeMap<String, BTreeMap<String, u64>>,
    /// Times from the press, of accepted pushes.
    pub times: Times,
    /// Accepted before the press, by a canary; not among the times.
    #[serde(default)]
    pub before_press: u64,
    /// Accepted answers by time from the press: the count of each slot that is not empty, under the millisecond at which
    /// the slot begins. Slots are 10 ms wide below a second, 100 ms below 10 s, a second below ten minutes, then a minute
    /// ([`slot_begin`]).
    #[serde(default)]
    pub accepted_by_ms: BTreeMap<i64, u64>,
    /// Accepted later than 5 s after the press, with the reason where the ledger shows one.
    pub late: Late,
    /// When the steps before and after the gateways' answers were taken.
    #[serde(default)]
    pub steps: Steps,
}

impl Books {
    /// Leaves the histograms out: they are most of the bytes, and no list shows them.
    pub fn forget_slots(&mut self) {
        self.accepted_by_ms.clear();
        let Steps { dispatched, expanded, claimed, sent, answered, completed } = &mut self.steps;
        for passed in [dispatched, expanded, claimed, sent, answered, completed] {
            passed.by_ms.clear();
        }
    }
}

/// When shards and batches passed each step on their way, by the ledger's records; what a canary did before the press is not
/// among them. After a retry, a stop or a crash, a shard counts as the newest run has it: dispatched as it was last, expanded
/// as it was first. Of a batch, the claim counts as it was first, the sending as the first of the turns that were reported,
/// answers and completions as they were last.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Steps {
    /// Shards: their envelope was on the FIFO queue.
    pub dispatched: Passed,
    /// Shards: all their batches were on the batch queue.
    pub expanded: Passed,
    /// Batches: a push worker had claimed them.
    pub claimed: Passed,
    /// Batches: the last request of their first turn had been handed to a connection to its gateway.
    #[serde(default)]
    pub sent: Passed,
    /// Batches: the last answer to them had come (or they were given up as ambiguous).
    #[serde(default)]
    pub answered: Passed,
    /// Batches: their outcomes were written into the ledger.
    pub completed: Passed,
}

/// When one step was taken, by all that took it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Passed {
    /// Times from the press.
    pub times: Times,
    /// How many took it in each slot of time that is not empty ([`slot_begin`]).
    pub by_ms: BTreeMap<i64, u64>,
}

/// Where the slot of a histogram begins that this time falls into: slots are 10 ms wide below a second, 100 ms below 10 s, a
/// second below ten minutes, then a minute. A press of 300 ms has a shape so, and the books of a campaign that ran for hours,
/// which are part of its record, stay small: 780 slots for ten minutes, 230 more for four hours. Older versions had 100 ms
/// below 10 s, a second below a minute, then a minute; what they closed keeps it.
#[must_use]
pub fn slot_begin(ms: i64) -> i64 {
    let width = match ms {
        ..1_000 => 10,
        1_000..10_000 => 100,
        10_000..600_000 => 1_000,
        _ => 60_000,
    };
    ms.div_euclid(width) * width
}

/// When accepted answers came, in milliseconds from the press.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// The first.
    pub first_ms: Option<i64>,
    /// Half of them.
    pub p50_ms: Option<i64>,
    /// 95 in 100.
    pub p95_ms: Option<i64>,
    /// 99 in 100.
    pub p99_ms: Option<i64>,
    /// The last.
    pub last_ms: Option<i64>,
    /// The mean.
    #[serde(default)]
    pub mean_ms: Option<i64>,
}

/// Adds records up.
#[derive(Debug)]
pub struct BooksBuilder {
    books: Books,
    pressed_at: UnixMs,
    stopped: bool,
    accepted: Counts,
    dispatched: Counts,
    expanded: Counts,
    claimed: Counts,
    sent: Counts,
    answered: Counts,
    completed: Counts,
    latest: Latest,
}

/// How many, by millisecond from the press.
#[derive(Debug, Default)]
struct Counts(BTreeMap<i64, u64>);

impl Counts {
    fn add(&mut self, ms: i64) {
        // What came before the press was a canary's.
        if ms >= 0 {
            *self.0.entry(ms).or_default() += 1;
        }
    }

    fn passed(&self) -> Passed {
        let total: u64 = self.0.values().sum();
        let at = |share: f64| percentile(&self.0, total, share);
        let mut by_ms = BTreeMap::new();
        for (ms, n) in &self.0 {
            *by_ms.entry(slot_begin(*ms)).or_default() += n;
        }
        let sum: i128 = self.0.iter().map(|(ms, n)| i128::from(*ms) * i128::from(*n)).sum();
        let mean = sum.checked_div(total.into()).and_then(|mean| i64::try_from(mean).ok());
        let times = Times {
            first_ms: self.0.keys().next().copied(),
            p50_ms: at(0.50),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            last_ms: self.0.keys().next_back().copied(),
            mean_ms: mean,
        };
        Passed { times, by_ms }
    }
}

impl BooksBuilder {
    /// Empty books of a campaign that was pressed then. `stopped` says how a batch without a claim is called: aborted
    /// or pending.
    #[must_use]
    pub fn new(pressed_at: UnixMs, stopped: bool) -> Self {
        let none = Counts::default;
        Self {
            books: Books::default(),
            pressed_at,
            stopped,
            accepted: none(),
            dispatched: none(),
            expanded: none(),
            claimed: none(),
            sent: none(),
            answered: none(),
            completed: none(),
            latest: Latest::default(),
        }
    }

    /// Adds one shard's record.
    pub fn shard(&mut self, record: &ShardRecord) {
        self.dispatched.add(record.dispatched_at.0 - self.pressed_at.0);
        if let Some(at) = record.expanded_at {
            self.expanded.add(at.0 - self.pressed_at.0);
        }
    }

    /// Adds one batch: its record, or, when nobody ever claimed it, what the snapshot says of its devices.
    pub fn batch(
        &mut self,
        key: BatchKey,
        record: Option<&BatchRecord>,
        blank: impl FnOnce() -> Vec<u8>,
        now: UnixMs,
    ) {
        self.books.batches += 1;
        match record {
            None => self.unclaimed(&blank()),
            Some(record) => self.claimed(key, record, now),
        }
    }

    fn unclaimed(&mut self, blank: &[u8]) {
        for byte in blank {
            let (_, platform) = Outcome::from_byte(*byte);
            let class = if self.stopped { Class::Aborted } else { Class::Pending };
            self.count(class, platform.label(), if self.stopped { "aborted" } else { "pending" });
        }
    }

    fn claimed(&mut self, key: BatchKey, record: &BatchRecord, now: UnixMs) {
        self.books.doubled_at_most += u64::from(record.doubled_at_most);
        // What nobody ever claimed and was closed at the deadline has a record without an epoch.
        if record.epoch.0 > 0 {
            self.claimed.add(record.created_at.0 - self.pressed_at.0);
        }
        if record.epoch.0 > 0 && record.completed_at.0 > 0 {
            self.completed.add(record.completed_at.0 - self.pressed_at.0);
        }
        if record.sent_at.0 > 0 {
            self.sent.add(record.sent_at.0 - self.pressed_at.0);
        }
        if let Some(at) = record.last_answer_at() {
            self.answered.add(at.0 - self.pressed_at.0);
        }
        let held = record.holder.is_some();
        let way = Way::of(record, self.pressed_at);
        for (place, (outcome, platform)) in record.outcomes().enumerate() {
            let (class, label) = match outcome {
                // A claim that lapsed under a stop: nobody knows, until a resume sends it or the deadline passes.
                Outcome::Unsent if self.stopped && held && !record.is_held(now) => {
                    (Class::Ambiguous, "ambiguous")
                }
                Outcome::Unsent if self.stopped && !held => (Class::Aborted, "aborted"),
                Outcome::Unsent => (Class::Pending, "pending"),
                known => (known.class(), known.label()),
            };
            self.count(class, platform.label(), label);
            if outcome == Outcome::Accepted {
                self.accepted(key, record, place, &way);
            }
        }
    }

    fn count(&mut self, class: Class, platform: &str, label: &str) {
        self.books.devices += 1;
        let term = match class {
            Class::Pending => &mut self.books.pending,
            Class::Accepted => &mut self.books.accepted,
            Class::Rejected => &mut self.books.rejected,
            Class::Expired => &mut self.books.expired,
            Class::Aborted => &mut self.books.aborted,
            Class::Ambiguous => &mut self.books.ambiguous,
        };
        *term += 1;
        if let Some(n) = self.books.by_outcome.get_mut(platform).and_then(|labels| labels.get_mut(label)) {
            *n += 1;
        } else {
            self.books.by_outcome.entry(platform.to_owned()).or_default().insert(label.to_owned(), 1);
        }
    }

    fn accepted(&mut self, key: BatchKey, record: &BatchRecord, place: usize, way: &Way) {
        let Some(at) = record.answered_at(place) else { return };
        let ms = at.0 - self.pressed_at.0;
        if ms < 0 {
            self.books.before_press += 1;
            return;
        }
        self.accepted.add(ms);
        if ms <= LATE_MS {
            return;
        }
        let reason = way.reason(at);
        self.books.late.count(reason);
        self.latest.add(ms, key, u16::try_from(place).unwrap_or(u16::MAX), reason.words());
    }

    /// The books.
    #[must_use]
    pub fn finish(mut self) -> Books {
        let Passed { times, by_ms } = self.accepted.passed();
        (self.books.times, self.books.accepted_by_ms) = (times, by_ms);
        self.books.late.examples = self.latest.named();
        self.books.steps = Steps {
            dispatched: self.dispatched.passed(),
            expanded: self.expanded.passed(),
            claimed: self.claimed.passed(),
            sent: self.sent.passed(),
            answered: self.answered.passed(),
            completed: self.completed.passed(),
        };
        self.books
    }
}

fn percentile(counts: &BTreeMap<i64, u64>, total: u64, share: f64) -> Option<i64> {
    // A share of a count of devices: far within what both types hold exactly.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = ((total as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    counts
        .iter()
        .find(|(_, n)| {
            seen += **n;
            seen >= rank
        })
        .map(|(ms, _)| *ms)
}

impl Books {
    /// Whether the terms add up (invariant 4).
    #[must_use]
    pub fn balance(&self) -> bool {
        let sum = self.accepted + self.rejected + self.expired + self.aborted + self.ambiguous + self.pending;
        self.devices == sum
    }

    /// Devices whose tokens the gateways called dead.
    #[must_use]
    pub fn dead_tokens(&self) -> u64 {
        let dead = Outcome::Unregistered.label();
        self.by_outcome.values().filter_map(|labels| labels.get(dead)).sum()
    }
}

/// Which buckets of the ledger a shard with so many batches has.
pub fn buckets(shard: ShardNo, batches: u32) -> impl Iterator<Item = (ShardNo, u32)> {
    (0..batches.div_ceil(crate::limits::LEDGER_BUCKET)).map(move |bucket| (shard, bucket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Platform;
    use crate::ids::BatchNo;
    use crate::ledger::{CloseRequest, close};

    #[test]
    fn what_was_closed_unclaimed_was_never_claimed() {
        let key = BatchKey { shard: ShardNo(0), number: BatchNo(0) };
        let blank = vec![Outcome::Unsent.to_byte(Platform::Apns); 3];
        let ask = CloseRequest { key, blank: blank.clone(), now: UnixMs(60_000) };
        let (_, record) = close(None, &ask);
        let mut builder = BooksBuilder::new(UnixMs(1_000), false);
        builder.batch(key, record.as_ref(), || blank, UnixMs(60_000));
        let books = builder.finish();
        assert_eq!((books.expired, books.steps.claimed.times.first_ms), (3, None));
        assert_eq!(books.steps.completed, Passed::default());
    }

    #[test]
    fn a_batch_counts_as_sent_with_its_last_request_and_as_answered_with_its_last_answer() {
        let key = BatchKey { shard: ShardNo(0), number: BatchNo(0) };
        let blank = vec![Outcome::Unsent.to_byte(Platform::Apns); 3];
        let record = |sent_at| {
            let mut record = BatchRecord::blank(&blank, UnixMs(1_010));
            record.sent_at = sent_at;
            record.set(0, Outcome::Accepted, sent_at.plus(std::time::Duration::from_millis(5)));
            record.set(1, Outcome::Ambiguous, sent_at.plus(std::time::Duration::from_millis(20)));
            // It was never sent.
            record.set(2, Outcome::Expired, UnixMs(9_000));
            record
        };
        let mut builder = BooksBuilder::new(UnixMs(1_000), false);
        for sent_at in [UnixMs(1_040), UnixMs(1_060), UnixMs(0)] {
            builder.batch(key, Some(&record(sent_at)), Vec::new, UnixMs(2_000));
        }
        let Steps { sent, answered, .. } = builder.finish().steps;
        assert_eq!(
            (sent.times.first_ms, sent.times.last_ms, sent.times.mean_ms),
            (Some(40), Some(60), Some(50))
        );
        assert_eq!(sent.by_ms, BTreeMap::from([(40, 1), (60, 1)]));
        assert_eq!((answered.times.first_ms, answered.times.last_ms), (Some(60), Some(80)));
    }

    #[test]
    fn steps_are_counted_from_the_press_with_their_mean() {
        let mut builder = BooksBuilder::new(UnixMs(1_000), false);
        let shard = |ms, expanded: i64| ShardRecord {
            expanded_at: Some(UnixMs(expanded)),
            ..ShardRecord::dispatched(ShardNo(0), crate::ids::Epoch(1), 0, UnixMs(ms))
        };
        // The first is a canary's, before the press.
        for record in [shard(500, 900), shard(1_010, 1_100), shard(1_030, 1_500)] {
            builder.shard(&record);
        }
        let Steps { dispatched, expanded, .. } = builder.finish().steps;
        let ms = |t: &Times| (t.first_ms, t.last_ms, t.mean_ms);
        assert_eq!(ms(&dispatched.times), (Some(10), Some(30), Some(20)));
        assert_eq!(ms(&expanded.times), (Some(100), Some(500), Some(300)));
        assert_eq!(expanded.by_ms, BTreeMap::from([(100, 1), (500, 1)]));
    }

    #[test]
    fn slots_are_finest_where_most_happens() {
        let widest = [
            (0, 0, 9),
            (40, 40, 49),
            (990, 990, 999),
            (1_050, 1_000, 1_099),
            (9_999, 9_900, 9_999),
            (10_001, 10_000, 10_999),
            (60_500, 60_000, 60_999),
            (599_999, 599_000, 599_999),
            (600_000, 600_000, 659_999),
            (3_659_000, 3_600_000, 3_659_999),
        ];
        for (ms, begin, last) in widest {
            assert_eq!((slot_begin(ms), slot_begin(begin), slot_begin(last)), (begin, begin, begin), "{ms}");
            assert_ne!(slot_begin(last + 1), begin, "{ms}");
        }
    }

    /// They are part of the campaign's record, of which DynamoDB stores 400 KB at most: its content has the other half.
    #[test]
    fn the_books_of_the_longest_campaign_take_less_than_half_of_its_record() {
        let end = i64::try_from(crate::limits::DEADLINE_MS_MAX).unwrap();
        let by_ms: BTreeMap<_, _> = (0..end).step_by(10).map(|ms| (slot_begin(ms), 9_999_999)).collect();
        assert_eq!(by_ms.keys().filter(|ms| **ms < 600_000).count(), 780);
        let passed = Passed { times: Times::default(), by_ms: by_ms.clone() };
        let steps = Steps {
            dispatched: passed.clone(),
            expanded: passed.clone(),
            claimed: passed.clone(),
            sent: passed.clone(),
            answered: passed.clone(),
            completed: passed,
        };
        let one = LateDevice {
            batch: BatchKey { shard: ShardNo(u16::MAX), number: BatchNo(u32::MAX) },
            place: u16::MAX,
            ms: end,
            why: "x".repeat(100),
        };
        let late = Late { examples: vec![one; LATE_NAMED], ..Late::default() };
        let books = Books { accepted_by_ms: by_ms, steps, late, ..Books::default() };
        let bytes = serde_json::to_vec(&books).unwrap().len();
        assert!(bytes < 200 * 1024, "{bytes}");
    }
}
