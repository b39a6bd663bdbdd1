//! The fleet as others see it: heartbeat rows, counter rows, and the slot that holds the one armed campaign.

use crate::ids::{CampaignId, ContentId, Epoch, SnapshotId, WorkerId};
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many workers an arming asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Interim workers.
    pub interim: u32,
    /// Push workers.
    pub push: u32,
    /// How many of a hundred of them suffice, 1 to 100.
    pub percent: u8,
}

impl Default for Expect {
    fn default() -> Self {
        Self { interim: 1, push: 1, percent: 95 }
    }
}

impl Expect {
    /// How many of `asked` suffice; at least one.
    #[must_use]
    pub fn enough(&self, asked: u32) -> u32 {
        let need = (u64::from(asked) * u64::from(self.percent.min(100))).div_ceil(100);
        u32::try_from(need).unwrap_or(u32::MAX).max(1)
    }
}

/// What is said of the fleet that is expected; what is left out is as it was last scaled, or as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// Interim workers.
    pub interim: Option<u32>,
    /// Push workers.
    pub push: Option<u32>,
    /// How many of a hundred of them suffice, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub percent: Option<u8>,
}

impl Expected {
    /// Nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The whole of it.
    #[must_use]
    pub fn or(&self, scaled: Option<&ScaleWish>) -> Expect {
        let usual = Expect::default();
        let (interim, push) = scaled.map_or((usual.interim, usual.push), |wish| (wish.interim, wish.push));
        Expect {
            interim: self.interim.unwrap_or(interim),
            push: self.push.unwrap_or(push),
            percent: self.percent.unwrap_or(usual.percent),
        }
    }
}

impl From<Expect> for Expected {
    fn from(e: Expect) -> Self {
        Self { interim: Some(e.interim), push: Some(e.push), percent: Some(e.percent) }
    }
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkerRole")]
pub enum Role {
    /// Expands shards.
    Interim,
    /// Drains batches.
    Push,
}

/// One worker's heartbeat: one row, overwritten each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerRow {
    /// Who.
    pub worker: WorkerId,
    /// What it does.
    pub role: Role,
    /// When it wrote this, by its own clock.
    pub at: UnixMs,
    /// When it started.
    pub started_at: UnixMs,
    /// The campaign it has prepared for.
    pub campaign: Option<CampaignId>,
    /// The newest epoch it has seen of that campaign.
    pub epoch: Epoch,
    /// The snapshot it has in memory, checked.
    pub snapshot: Option<SnapshotId>,
    /// The content it has rendered.
    pub content: Option<ContentId>,
    /// Loading its snapshot or connecting took this long, in milliseconds.
    pub prepare_ms: u64,
    /// Why it is not ready, in words for people.
    pub trouble: Option<String>,
    /// Ready to do its part of a press now.
    pub ready: bool,
    /// Claims it holds now.
    pub claims: u32,
    /// It gives back and takes nothing: its breaker tripped. The reason is in `trouble`.
    pub tripped: bool,
    /// Gateways it has connections to.
    pub links: Vec<LinkRow>,
    /// Largest payload it rendered for the campaign, in bytes.
    pub payload_bytes_max: u32,
    /// Nothing it could reach is a phone: all its gateways are of the rehearsal type.
    pub rehearsal: bool,
    /// The version of the program that it is; older ones say none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A worker's connections to one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkRow {
    /// `apns` or `fcm`.
    pub gateway: String,
    /// Open connections.
    pub connections: u32,
    /// Streams that may be open at once over all of them, as the gateway's SETTINGS say.
    pub streams: u32,
    /// Messages a second that this fleet may send there by quota; `None` when unlimited.
    pub quota_per_s: Option<u64>,
    /// When its credentials stop being valid, if known.
    pub credentials_until: Option<UnixMs>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// What one worker counted in one second for one campaign. Written anew while the second lasts.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CounterRow {
    /// Who counted.
    pub worker: WorkerId,
    /// The second, since 1970.
    pub second: i64,
    /// Outcomes by their byte (see [`crate::outcome::Outcome::to_byte`]), as pairs of byte and count.
    pub outcomes: Vec<(u8, u32)>,
    /// Devices that got an outcome in this second, by milliseconds since the press in powers of two: entry `i` counts
    /// those below 2^i ms.
    pub latency: Vec<u32>,
    /// Batches completed.
    pub batches: u32,
    /// Shard envelopes received (interim workers).
    pub shards_received: u32,
    /// Batches expanded (interim workers).
    pub expanded: u32,
}

impl CounterRow {
    /// Counts one device's outcome, by its byte.
    pub fn add_outcome(&mut self, byte: u8) {
        match self.outcomes.binary_search_by_key(&byte, |(b, _)| *b) {
            Ok(at) => self.outcomes[at].1 += 1,
            Err(at) => self.outcomes.insert(at, (byte, 1)),
        }
    }

    /// Counts one device's time from the press.
    pub fn add_latency(&mut self, latency: Duration) {
        let index = (u128::BITS - latency.as_millis().leading_zeros()) as usize;
        if self.latency.len() <= index {
            self.latency.resize(index + 1, 0);
        }
        self.latency[index] += 1;
    }
}

/// A worker's counter rows on their way to the table: the current second's, and those that could not be written yet.
#[derive(Debug)]
pub struct CounterRows {
    worker: WorkerId,
    /// Rows by campaign and second, and whether each was changed since it was written.
    open: BTreeMap<(CampaignId, i64), (CounterRow, bool)>,
}

impl CounterRows {
    /// No rows as yet.
    #[must_use]
    pub fn new(worker: WorkerId) -> Self {
        Self { worker, open: BTreeMap::new() }
    }

    /// The current second's row, for counting something in it.
    pub fn at(&mut self, campaign: CampaignId, now: UnixMs) -> &mut CounterRow {
        let second = now.0.div_euclid(1000);
        let worker = self.worker;
        let new = || (CounterRow { worker, second, ..CounterRow::default() }, true);
        let (row, changed) = self.open.entry((campaign, second)).or_insert_with(new);
        *changed = true;
        row
    }

    /// Every row that was changed since it was last taken; rows of seconds that are over are forgotten. Writing a row
    /// replaces the one of the same second, so a row may be taken several times while its second lasts.
    pub fn take(&mut self, now: UnixMs) -> Vec<(CampaignId, CounterRow)> {
        let current = now.0.div_euclid(1000);
        let changed = self.open.iter_mut().filter(|(_, (_, changed))| *changed);
        let rows = changed.map(|((campaign, _), (row, changed))| {
            *changed = false;
            (*campaign, row.clone())
        });
        let rows = rows.collect();
        self.open.retain(|(_, second), _| *second >= current);
        rows
    }

    /// A row that was taken could not be written.
    pub fn put_back(&mut self, campaign: CampaignId, row: CounterRow) {
        // What stands there meanwhile has counted on from this row, so it knows more.
        self.open.entry((campaign, row.second)).or_insert((row, true)).1 = true;
    }
}

/// The fleet's one record: which campaign holds it (one armed or sending campaign for each fleet), and how large it
/// is wanted. Workers read it several times a second, so it stays small.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// Raised by every write.
    pub version: u64,
    /// The campaign; `None` when free.
    pub campaign: Option<CampaignId>,
    /// What was last asked of `owl fleet scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleWish>,
}

/// How large somebody wants the fleet, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScaleWish {
    /// Interim workers.
    pub interim: u32,
    /// Push workers.
    pub push: u32,
    /// Then both go to zero, unless a campaign holds the fleet: then as soon as it is over. `None`: until asked again.
    pub until: Option<UnixMs>,
    /// Who asked.
    pub by: String,
    /// When.
    pub at: UnixMs,
    /// Whether whoever runs the tasks has noted it down; until then it is asked again.
    pub noted: bool,
}

/// Tasks of one role, as whoever runs them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetSize {
    /// What they do.
    pub role: Role,
    /// Wanted.
    pub wanted: u32,
    /// Running.
    pub running: u32,
    /// On their way.
    pub pending: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_anew_while_its_second_lasts_and_comes_back_when_it_failed() {
        let (mut rows, id) = (CounterRows::new(WorkerId(1)), CampaignId::random());
        let shards = |rows: &[(CampaignId, CounterRow)]| {
            rows.iter().map(|(_, r)| r.shards_received).collect::<Vec<_>>()
        };
        rows.at(id, UnixMs(1_100)).shards_received += 1;
        assert_eq!(shards(&rows.take(UnixMs(1_200))), [1]);
        assert!(rows.take(UnixMs(1_300)).is_empty(), "unchanged");
        rows.at(id, UnixMs(1_900)).shards_received += 1;
        rows.at(id, UnixMs(2_000)).shards_received += 5;
        let taken = rows.take(UnixMs(2_100));
        assert_eq!(shards(&taken), [2, 5]);
        taken.into_iter().for_each(|(id, row)| rows.put_back(id, row));
        rows.at(id, UnixMs(2_200)).shards_received += 1;
        assert_eq!(shards(&rows.take(UnixMs(3_000))), [2, 6]);
        assert!(rows.take(UnixMs(9_000)).is_empty());
    }

    #[test]
    fn latencies_are_counted_below_the_next_power_of_two() {
        let mut row = CounterRow::default();
        for ms in [0, 1, 2, 3, 4, 1023, 1024] {
            row.add_latency(Duration::from_millis(ms));
        }
        assert_eq!(row.latency, [1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        for byte in [1, 0x81, 1] {
            row.add_outcome(byte);
        }
        assert_eq!(row.outcomes, [(1, 2), (0x81, 1)]);
    }
}
