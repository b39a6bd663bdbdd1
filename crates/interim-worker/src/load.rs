//! A snapshot in memory: the manifest, and each shard once it was fetched and its checksum found right.
//!
//! Preloading and fetching on demand are the same call, so a worker that comes late gets the one shard that it needs and
//! nobody fetches a shard twice at the same time.

use crate::config::InterimConfig;
use bytes::{Bytes, BytesMut};
use common::ids::{CampaignId, ShardNo, SnapshotId};
use common::limits::SHARD_CHECKED_AT_ONCE_BYTES;
use common::ports::{ObjectStore, PortError};
use common::snapshot::{BadShard, Manifest, Shard, ShardEntry, keys};
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Why a snapshot or one of its shards can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The object store failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// An object that the campaign names is not there.
    #[error("object `{0}` is missing: build the snapshot again")]
    Missing(String),
    /// The manifest is not what the campaign names.
    #[error("the manifest is damaged: {0}")]
    BadManifest(String),
    /// A shard is not what the manifest names.
    #[error(transparent)]
    BadShard(#[from] BadShard),
    /// The manifest has no such shard.
    #[error("the snapshot has no shard {0}")]
    NoShard(ShardNo),
}

/// A snapshot that this worker holds, whole or in part.
pub struct Held {
    /// The campaign that it was built for.
    pub campaign: CampaignId,
    /// Its id, checked against the manifest.
    pub snapshot: SnapshotId,
    manifest: Manifest,
    shards: Vec<OnceCell<Shard>>,
    /// Whether it fits the bound, so that shards stay in memory.
    keep: bool,
    config: InterimConfig,
    objects: Arc<dyn ObjectStore>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("snapshot", &self.snapshot)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

impl Held {
    /// Fetches and checks the manifest; no shard as yet.
    ///
    /// # Errors
    /// When it can't be had, or is not the one that is named.
    pub async fn open(
        objects: Arc<dyn ObjectStore>,
        campaign: CampaignId,
        snapshot: SnapshotId,
        config: InterimConfig,
    ) -> Result<Self, LoadError> {
        let key = keys::manifest(campaign, snapshot);
        let bytes = objects.get(&key, None).await?.ok_or(LoadError::Missing(key))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| LoadError::BadManifest(e.to_string()))?;
        if manifest.id() != snapshot {
            return Err(LoadError::BadManifest(format!("its id is {}, not {snapshot}", manifest.id())));
        }
        let total: u64 = manifest.shards.iter().map(|s| s.bytes).sum();
        let shards = manifest.shards.iter().map(|_| OnceCell::new()).collect();
        let keep = total <= config.snapshot_bytes_max;
        Ok(Self { campaign, snapshot, manifest, shards, keep, config, objects })
    }

    /// Fetches every shard that is not here yet, a few at a time.
    ///
    /// # Errors
    /// The first shard that can't be had; the others stay.
    pub async fn preload(&self) -> Result<(), LoadError> {
        if !self.keep {
            return Ok(());
        }
        let all = stream::iter((0..self.shards.len()).map(|n| ShardNo(u16::try_from(n).unwrap_or(u16::MAX))));
        let few = self.config.loads_in_flight.max(1);
        all.map(|n| self.shard(n)).buffer_unordered(few).try_for_each(|_| async { Ok(()) }).await
    }

    /// One shard, from memory or fetched now.
    ///
    /// # Errors
    /// When it can't be had or is damaged.
    pub async fn shard(&self, number: ShardNo) -> Result<Shard, LoadError> {
        let at = usize::from(number.0);
        let (Some(cell), Some(entry)) = (self.shards.get(at), self.manifest.shards.get(at)) else {
            return Err(LoadError::NoShard(number));
        };
        if !self.keep {
            return self.fetch(number, entry).await;
        }
        cell.get_or_try_init(|| self.fetch(number, entry)).await.cloned()
    }

    /// Whether it is too large for the memory that this worker may use.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        !self.keep
    }

    /// Whether every shard is in memory, checked.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.keep && self.shards.iter().all(OnceCell::initialized)
    }

    /// Shards in memory, and shards in all.
    #[must_use]
    pub fn loaded(&self) -> (usize, usize) {
        (self.shards.iter().filter(|s| s.initialized()).count(), self.shards.len())
    }

    async fn fetch(&self, number: ShardNo, entry: &ShardEntry) -> Result<Shard, LoadError> {
        let key = keys::shard(self.campaign, number, entry.blake3);
        let bytes = self.get_in_parts(key, entry.bytes).await?;
        let expected = entry.blake3;
        if bytes.len() <= SHARD_CHECKED_AT_ONCE_BYTES {
            return Ok(Shard::open(number, &bytes, expected)?);
        }
        // Hashing megabytes would hold up whoever shares this thread.
        let opened = tokio::task::spawn_blocking(move || Shard::open(number, &bytes, expected)).await;
        opened
            .map_err(|e| PortError::Unavailable { what: "shard check", why: e.to_string() })?
            .map_err(Into::into)
    }

    /// The whole object, in ranged gets of bounded size, a few at a time.
    async fn get_in_parts(&self, key: String, length: u64) -> Result<Bytes, LoadError> {
        let step = self.config.part_bytes.max(1);
        if length <= step {
            return self.objects.get(&key, None).await?.ok_or(LoadError::Missing(key));
        }
        let starts = (0..length.div_ceil(step)).map(|n| n * step);
        let parts = stream::iter(starts).map(|from| {
            let (key, objects) = (&key, &self.objects);
            async move {
                let range = from..length.min(from + step);
                objects.get(key, Some(range)).await?.ok_or_else(|| LoadError::Missing(key.clone()))
            }
        });
        let mut whole = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
        let mut parts = parts.buffered(self.config.loads_in_flight.max(1));
        while let Some(part) = parts.try_next().await? {
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }
}
