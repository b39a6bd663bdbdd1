//! The fleet as others see it: heartbeat rows, counter rows, and the slot that holds the one armed campaign.

use crate::ids::{CampaignId, ContentId, Epoch, SnapshotId, WorkerId};
use crate::time::UnixMs;
use serde::{Deserialize, Serialize};

/// How many workers an arming asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Expands shards.
    Interim,
    /// Drains batches.
    Push,
}

/// One worker's heartbeat: one row, overwritten each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// A worker's connections to one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// What one worker counted in one second for one campaign. Written once, when the second is over.
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

/// Which campaign holds a fleet. One armed or sending campaign for each fleet.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slot {
    /// Raised by every write.
    pub version: u64,
    /// The campaign; `None` when free.
    pub campaign: Option<CampaignId>,
}
