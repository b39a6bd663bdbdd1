//! Reads a finished snapshot for people: its summary, who is in a shard or batch, and where one user is or why not.
//!
//! Tokens are shown as hashes only. Every object is checked against the manifest, and the manifest against its id.

use crate::build::{BuildError, DroppedLine};
use common::campaign::DropReason;
use common::device::Platform;
use common::envelope::{BatchBody, DeviceView};
use common::ids::{BatchNo, CampaignId, ShardNo, SnapshotId};
use common::limits::SHARD_CHECKED_AT_ONCE_BYTES;
use common::ports::{ObjectStore, PortError};
use common::snapshot::{BadShard, Manifest, Shard, keys, shard_of};
use common::time::UnixMs;
use serde::Serialize;
use std::collections::BTreeMap;

/// Why a snapshot can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// It never was finished, or was removed.
    #[error("there is no snapshot {0}")]
    NoSnapshot(SnapshotId),
    /// The shard is not one of its shards.
    #[error("the snapshot has {shards} shards, counted from 0: there is no shard {shard}")]
    NoShard {
        /// What was asked for.
        shard: ShardNo,
        /// How many there are.
        shards: usize,
    },
    /// The batch is not one of the shard's.
    #[error("shard {shard} has {batches} batches, counted from 0: there is no batch {number}")]
    NoBatch {
        /// The shard.
        shard: ShardNo,
        /// What was asked for.
        number: BatchNo,
        /// How many there are.
        batches: u32,
    },
    /// An object is damaged or gone: build the snapshot again.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// The store does not answer.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl From<BadShard> for ListingError {
    fn from(e: BadShard) -> Self {
        Self::Damaged(e.to_string())
    }
}

impl From<ListingError> for BuildError {
    fn from(e: ListingError) -> Self {
        match e {
            ListingError::Port(e) => e.into(),
            other => Self::Store(PortError::Corrupt { what: "the object store", why: other.to_string() }),
        }
    }
}

/// A snapshot in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: SnapshotId,
    /// Lines that should name a user.
    pub uploaded: u64,
    /// Users in it.
    pub users: u64,
    /// Devices in it, by gateway.
    pub devices: BTreeMap<String, u64>,
    /// Shards.
    pub shards: usize,
    /// Batches of all shards.
    pub batches: u64,
    /// Users of a batch, at most.
    pub batch_users: u16,
    /// Bytes of all shards: what each interim worker keeps in memory.
    pub bytes: u64,
    /// Locales of its devices.
    pub locales: Vec<String>,
    /// Users left out, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Devices left out, by reason.
    pub dropped_devices: BTreeMap<String, u64>,
    /// When it was built.
    pub built_at: UnixMs,
}

impl Summary {
    /// Of this manifest.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id(),
            uploaded: manifest.uploaded,
            users: manifest.users(),
            devices: manifest.devices.clone(),
            shards: manifest.shards.len(),
            batches: manifest.batches(),
            batch_users: manifest.batch_users,
            bytes: manifest.shards.iter().map(|s| s.bytes).sum(),
            locales: manifest.locales.clone(),
            dropped: manifest.dropped.clone(),
            dropped_devices: manifest.dropped_devices.clone(),
            built_at: manifest.built_at,
        }
    }
}

/// A device as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedDevice {
    /// Its gateway.
    pub platform: Platform,
    /// Hash of its token, in hexadecimal.
    pub token_hash: String,
    /// Its language tag; empty when unknown.
    pub locale: String,
}

/// A user as people see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedUser {
    /// The id.
    pub user: String,
    /// The devices, in the order of the batch.
    pub devices: Vec<ListedDevice>,
}

/// Where a user stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundUser {
    /// The shard.
    pub shard: ShardNo,
    /// The batch.
    pub batch: BatchNo,
    /// The place of the user's first device in the batch.
    pub first: u16,
    /// The user.
    #[serde(flatten)]
    pub user: ListedUser,
}

/// The manifest of a snapshot, checked against its id.
///
/// # Errors
/// [`ListingError::NoSnapshot`], or what went wrong.
pub async fn manifest(
    objects: &dyn ObjectStore,
    campaign: CampaignId,
    id: SnapshotId,
) -> Result<Manifest, ListingError> {
    let bytes =
        objects.get(&keys::manifest(campaign, id), None).await?.ok_or(ListingError::NoSnapshot(id))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|e| ListingError::Damaged(format!("its manifest: {e}")))?;
    if manifest.id() != id || manifest.campaign != campaign {
        return Err(ListingError::Damaged(format!("its manifest is that of {}", manifest.id())));
    }
    Ok(manifest)
}

/// One shard, checked against the manifest.
///
/// # Errors
/// [`ListingError::NoShard`], or what went wrong.
pub async fn shard(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    shard: ShardNo,
) -> Result<Shard, ListingError> {
    let none = ListingError::NoShard { shard, shards: manifest.shards.len() };
    let entry = manifest.shards.get(usize::from(shard.0)).ok_or(none)?;
    let key = keys::shard(manifest.campaign, shard, entry.blake3);
    let bytes = objects.get(&key, None).await?;
    let bytes = bytes.ok_or_else(|| ListingError::Damaged(format!("shard {shard} is gone")))?;
    let expected = entry.blake3;
    if bytes.len() <= SHARD_CHECKED_AT_ONCE_BYTES {
        return Ok(Shard::open(shard, &bytes, expected)?);
    }
    // Hashing megabytes would hold up everything else on this thread.
    let opened = tokio::task::spawn_blocking(move || Shard::open(shard, &bytes, expected)).await;
    Ok(opened.map_err(|e| ListingError::Damaged(e.to_string()))??)
}

/// The users of one batch.
///
/// # Errors
/// [`ListingError::NoBatch`], or what went wrong.
pub async fn batch(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    shard: ShardNo,
    number: BatchNo,
) -> Result<Vec<ListedUser>, ListingError> {
    let opened = self::shard(objects, manifest, shard).await?;
    let none = ListingError::NoBatch { shard, number, batches: opened.batches() };
    let body = opened.batch(number).ok_or(none)?;
    Ok(BatchBody::new(&body).users().map(|u| listed(u.id, &u.devices, manifest)).collect())
}

/// Up to `limit` users of a shard behind the first `skip`, in the snapshot's order.
///
/// # Errors
/// [`ListingError::NoShard`], or what went wrong.
pub async fn users(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    shard: ShardNo,
    skip: usize,
    limit: usize,
) -> Result<Vec<ListedUser>, ListingError> {
    let opened = self::shard(objects, manifest, shard).await?;
    let (mut skip, mut out) = (skip, vec![]);
    for number in (0..opened.batches()).map(BatchNo) {
        let (users, _) = opened.batch_counts(number).unwrap_or_default();
        if skip >= usize::from(users) {
            skip -= usize::from(users);
            continue;
        }
        let body = opened.batch(number).unwrap_or_default();
        let left = limit - out.len();
        out.extend(
            BatchBody::new(&body).users().skip(skip).take(left).map(|u| listed(u.id, &u.devices, manifest)),
        );
        skip = 0;
        if out.len() == limit {
            break;
        }
    }
    Ok(out)
}

/// Where a user stands, if they are in the snapshot.
///
/// # Errors
/// As [`shard`].
pub async fn find_user(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    user: &str,
) -> Result<Option<FoundUser>, ListingError> {
    let shard = shard_of(user, shards(manifest));
    let opened = self::shard(objects, manifest, shard).await?;
    let Some(place) = opened.find(user) else { return Ok(None) };
    let body = opened.batch(place.number).unwrap_or_default();
    let found = BatchBody::new(&body).users().find(|u| u.id == user).map(|view| FoundUser {
        shard,
        batch: place.number,
        first: place.first,
        user: listed(view.id, &view.devices, manifest),
    });
    Ok(found)
}

/// Every line of the upload with this user that was left out, and why. A bad line is found by the start of what stood
/// there.
///
/// # Errors
/// What went wrong.
pub async fn find_dropped(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    user: &str,
) -> Result<Vec<DroppedLine<'static>>, ListingError> {
    let all = dropped(objects, manifest, shard_of(user, shards(manifest))).await?;
    let mut found: Vec<_> = all.into_iter().filter(|d| d.user == user).collect();
    found.sort_by_key(|d| d.line);
    Ok(found)
}

/// Every user of a shard's that was left out.
///
/// # Errors
/// What went wrong.
pub async fn dropped(
    objects: &dyn ObjectStore,
    manifest: &Manifest,
    shard: ShardNo,
) -> Result<Vec<DroppedLine<'static>>, ListingError> {
    let key = keys::dropped(manifest.campaign, manifest.id(), shard);
    let Some(bytes) = objects.get(&key, None).await? else { return Ok(vec![]) };
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let parsed: Result<_, _> = lines.map(serde_json::from_slice).collect();
    parsed.map_err(|e| ListingError::Damaged(format!("its list of dropped users: {e}")))
}

fn shards(manifest: &Manifest) -> u16 {
    u16::try_from(manifest.shards.len()).unwrap_or(u16::MAX)
}

fn listed(id: &str, devices: &[DeviceView<'_>], manifest: &Manifest) -> ListedUser {
    let device = |d: &DeviceView<'_>| ListedDevice {
        platform: d.target.platform(),
        token_hash: format!("{:016x}", d.target.hash()),
        locale: manifest.locales.get(usize::from(d.locale)).cloned().unwrap_or_default(),
    };
    ListedUser { user: id.to_owned(), devices: devices.iter().map(device).collect() }
}
