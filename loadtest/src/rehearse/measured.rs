//! What a rehearsal measured. It is written as JSON beside the page, and read as the baseline of a later one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Change, Judged, Limits, Served};

/// A whole rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub about: String,
    /// The scenario's text, as it was run.
    pub text: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_unix_ms: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What answered: `validating`, `witness` or `sink`.
    pub gateways: String,
    /// The services, where they ran already; nothing where `owl rehearse` started everything itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Served>,
    /// Each press.
    pub presses: Vec<Pressed>,
    /// Objectives over all presses.
    pub growth: Vec<Judged>,
    /// Against the baseline, if one was given.
    pub compared: Vec<Change>,
    /// Why it could not go on to its end, if it could not.
    #[serde(default)]
    pub failed: Option<String>,
    /// Whether it went to its end and all objectives hold.
    pub passed: bool,
}

/// Where it ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as the system names it.
    pub cpu: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The kernel.
    pub kernel: String,
    /// The program's version.
    pub version: String,
}

/// One press, from arming to the books. Times in milliseconds from the press.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressed {
    /// Users in the snapshot.
    pub users: u64,
    /// Devices in it.
    pub devices: u64,
    /// The outcomes.
    pub counted: Counted,
    /// Nobody looked at the gateways' journal: lost and doubled are by the ledger's books.
    #[serde(default)]
    pub by_books: bool,
    /// Outcomes by gateway and name.
    pub by_outcome: BTreeMap<String, BTreeMap<String, u64>>,
    /// From the request to the receipt.
    pub receipt_ms: i64,
    /// When steps were taken.
    pub steps: Steps,
    /// The push workers, slowest first.
    pub workers: Vec<WorkerDid>,
    /// What was seen from outside while it sent.
    pub samples: Vec<Sample>,
    /// What broke.
    pub happened: Vec<Happened>,
    /// Who was later than five seconds.
    pub late: Late,
    /// From the press to the end of the books.
    pub wall_ms: i64,
    /// Processor time of ours from the press until everybody had an outcome, in seconds; 0 where it was not measured.
    pub cpu_seconds: f64,
    /// The same of the gateways.
    pub gateway_cpu_seconds: f64,
    /// Over so many milliseconds.
    #[serde(default)]
    pub sending_ms: i64,
    /// Memory of ours after it, in bytes; 0 where it was not measured.
    pub rss_bytes: u64,
    /// The most that it ever was.
    pub peak_rss_bytes: u64,
    /// Open files and connections of ours after it; 0 where they were not counted.
    pub open_files: u64,
    /// Making the snapshot took so long.
    pub build_ms: u64,
    /// Loading it took the slowest worker so long.
    pub preload_ms: u64,
    /// What limited it.
    pub limits: Limits,
    /// The objectives.
    pub judged: Vec<Judged>,
}

/// The books, and what the gateways' own journal says to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Accepted.
    pub accepted: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Not sent before the deadline.
    pub expired: u64,
    /// Not sent because of a stop.
    pub aborted: u64,
    /// Written and never answered.
    pub ambiguous: u64,
    /// Without an outcome.
    pub pending: u64,
    /// What the ledger says may be doubled, at most.
    pub doubled_at_most: u64,
    /// Journal: devices accepted more than once.
    pub doubled: u64,
    /// Journal: devices accepted twice in batches of which the ledger knows no reason (the last press of a size only).
    #[serde(default)]
    pub doubled_unexplained: u64,
    /// Journal: devices accepted at all.
    pub seen: u64,
    /// Devices of which ledger and journal say different things, or that nobody sent to.
    pub lost: u64,
    /// Journal: devices that are not in the snapshot.
    pub strangers: u64,
}

/// When each step was taken, by all that took it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Envelopes of shards on the FIFO queue.
    pub dispatched: Passed,
    /// Shards expanded: their batches on the batch queue.
    pub expanded: Passed,
    /// Batches claimed by a push worker.
    pub claimed: Passed,
    /// Batches with the last request of their first turn on a connection. Later turns change nothing: their waiting is not sending.
    #[serde(default)]
    pub sent: Passed,
    /// Devices accepted by a gateway.
    pub accepted: Passed,
    /// Batches with the last answer to them.
    #[serde(default)]
    pub answered: Passed,
    /// Batches with their outcomes in the ledger.
    pub completed: Passed,
}

impl Steps {
    /// All, in order, with their names.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &Passed); 7] {
        [
            ("on the FIFO queue", &self.dispatched),
            ("expanded", &self.expanded),
            ("claimed", &self.claimed),
            ("sent", &self.sent),
            ("accepted", &self.accepted),
            ("answered", &self.answered),
            ("in the ledger", &self.completed),
        ]
    }
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Its quantiles.
    pub times: Times,
    /// How many took it in each slot of time, by the slot's begin: slots are 10 ms wide below a second, 100 ms below 10 s, a second
    /// below ten minutes, then a minute. Figures of older versions have 100 ms below 10 s, a second below a minute, then a minute.
    pub by_ms: BTreeMap<i64, u64>,
}

impl Passed {
    /// How many took it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_ms.values().sum()
    }
}

/// Quantiles, in milliseconds from the press.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what they are stands in their names")]
pub struct Times {
    pub first_ms: Option<i64>,
    pub p50_ms: Option<i64>,
    pub p95_ms: Option<i64>,
    pub p99_ms: Option<i64>,
    pub last_ms: Option<i64>,
    pub mean_ms: Option<i64>,
}

/// What one push worker did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerDid {
    /// Who.
    pub worker: String,
    /// Devices whose outcome it wrote down.
    pub devices: u64,
    /// Batches.
    pub batches: u64,
    /// Half of its answers came within about so long.
    pub p50_ms: Option<u64>,
    /// 99 of a hundred.
    pub p99_ms: Option<u64>,
    /// Devices whose outcome it wrote down in each slot of time, under the milliseconds from the press at which the slot begins.
    #[serde(default)]
    pub by_ms: BTreeMap<i64, u64>,
    /// How many milliseconds a slot is wide.
    #[serde(default)]
    pub slot_ms: i64,
}

/// What was seen from outside at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Milliseconds from the press.
    pub ms: i64,
    /// Envelopes on the FIFO queue, in flight among them.
    pub shard_queue: u64,
    /// Envelopes on the batch queue that wait.
    pub batch_queue: u64,
    /// Envelopes of the batch queue that a worker has.
    pub batches_in_flight: u64,
    /// Devices with an outcome, so far.
    pub settled: u64,
}

/// Something that broke, or was mended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Milliseconds from the press.
    pub ms: i64,
    /// In words.
    pub what: String,
}

/// Devices that were accepted later than five seconds after the press.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// All of them.
    pub devices: u64,
    /// Their batch was claimed late: it waited on a queue, or for a quota.
    pub waited_on_queue: u64,
    /// They came in a later turn of their batch: they were tried again, or a quota put them off.
    pub tried_again: u64,
    /// The gateway took that long.
    pub slow_gateway: u64,
    /// The latest: shard/batch, time, and why.
    pub examples: Vec<String>,
    /// We sent late: requests of their batch waited for a stream, or for our CPU.
    #[serde(default)]
    pub left_late: u64,
}
