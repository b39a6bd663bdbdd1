//! The snapshot: an audience with its devices, resolved and immutable. One manifest (JSON) and one binary object per
//! shard, all named by content. `docs/formats.md` has the layout byte by byte.
//!
//! A shard's user records are the very bytes that batch envelopes carry, so that a worker keeps the object as it is in
//! memory and expands by copying slices of it.

mod shard;
#[cfg(test)]
mod tests;

pub use shard::{BadShard, Shard, ShardWriter, UserPlace};

use crate::campaign::DropReason;
use crate::ids::{CampaignId, ShardNo, SnapshotId};
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of manifest and shard objects.
pub const VERSION: u16 = 1;

/// What a shard object holds, as the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardEntry {
    /// Users in it.
    pub users: u64,
    /// Devices in it.
    pub devices: u64,
    /// Batches in it.
    pub batches: u32,
    /// Length of the object, in bytes.
    pub bytes: u64,
    /// BLAKE3 of the object, in hexadecimal.
    pub blake3: SnapshotId,
}

/// The manifest: what is in the snapshot, and the checksum of each part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub version: u16,
    /// The campaign that it was built for.
    pub campaign: CampaignId,
    /// Users of a batch, at most.
    pub batch_users: u16,
    /// The locales that device records number.
    pub locales: Vec<String>,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
    /// Lines of the upload that should name a user.
    pub uploaded: u64,
    /// Users left out, by reason; each is listed with its line in the `dropped` objects.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Devices by gateway label.
    pub devices: BTreeMap<String, u64>,
    /// Devices left out, by reason.
    pub dropped_devices: BTreeMap<String, u64>,
    /// When the build finished. Not part of the id.
    pub built_at: UnixMs,
}

impl Manifest {
    /// The snapshot's name: the hash of everything in here but the time, so that the same audience, devices and
    /// options give the same id.
    #[must_use]
    pub fn id(&self) -> SnapshotId {
        let timeless = Self { built_at: UnixMs(0), ..self.clone() };
        SnapshotId(*blake3::hash(&serde_json::to_vec(&timeless).unwrap_or_default()).as_bytes())
    }

    /// Users in all shards.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.shards.iter().map(|s| s.users).sum()
    }

    /// Devices in all shards.
    #[must_use]
    pub fn device_count(&self) -> u64 {
        self.shards.iter().map(|s| s.devices).sum()
    }

    /// Batches in all shards.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.shards.iter().map(|s| u64::from(s.batches)).sum()
    }
}

/// Which shard a user is in: fixed by the id, so that "where is user X?" needs no index.
#[must_use]
pub fn shard_of(user_id: &str, shards: u16) -> ShardNo {
    shard_of_hash(user_hash(user_id), shards)
}

/// The hash that users are spread by. Within a shard, users stand in the order of it.
#[must_use]
pub fn user_hash(user_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(user_id.as_bytes())
}

/// As [`shard_of`], for a hash at hand: equal ranges of the hash, in order.
#[must_use]
pub fn shard_of_hash(hash: u64, shards: u16) -> ShardNo {
    let shard = (u128::from(hash) * u128::from(shards.max(1))) >> 64;
    ShardNo(u16::try_from(shard).unwrap_or(u16::MAX))
}

/// Object keys of a campaign's parts.
pub mod keys {
    use super::{CampaignId, ShardNo, SnapshotId};

    /// Everything of one snapshot lies under this.
    #[must_use]
    pub fn prefix(campaign: CampaignId, snapshot: SnapshotId) -> String {
        format!("campaigns/{campaign}/snapshots/{snapshot}")
    }

    /// The manifest. Written last: a snapshot without it does not exist.
    #[must_use]
    pub fn manifest(campaign: CampaignId, snapshot: SnapshotId) -> String {
        format!("{}/manifest.json", prefix(campaign, snapshot))
    }

    /// One shard, named by its checksum: shards are written before the snapshot's own id is known.
    #[must_use]
    pub fn shard(campaign: CampaignId, shard: ShardNo, blake3: SnapshotId) -> String {
        format!("campaigns/{campaign}/shards/{:04}-{blake3}.owl", shard.0)
    }

    /// The dropped users of one shard, as NDJSON with line, user and reason.
    #[must_use]
    pub fn dropped(campaign: CampaignId, snapshot: SnapshotId, shard: ShardNo) -> String {
        format!("{}/dropped-{:04}.ndjson", prefix(campaign, snapshot), shard.0)
    }

    /// An uploaded audience.
    #[must_use]
    pub fn upload(campaign: CampaignId, upload: &str) -> String {
        format!("campaigns/{campaign}/uploads/{upload}")
    }

    /// Scratch of a build; removed when it ends.
    #[must_use]
    pub fn scratch(campaign: CampaignId, upload: &str) -> String {
        format!("campaigns/{campaign}/build-{upload}")
    }

    /// The report made from the final books.
    #[must_use]
    pub fn report(campaign: CampaignId) -> String {
        format!("campaigns/{campaign}/report.json")
    }
}
