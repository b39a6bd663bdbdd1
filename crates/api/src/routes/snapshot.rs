//! What is in a campaign's snapshot: the manifest, and single batches with hashed tokens.

use crate::Shared;
use crate::extract::{Id, Place};
use crate::problem::Problem;
use crate::views::{BatchDevice, BatchUser, BatchView, SnapshotView};
use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use common::envelope::BatchBody;
use common::ids::{BatchNo, ShardNo};
use common::ports::PortError;
use common::snapshot::{Manifest, Shard, ShardEntry, keys};

pub(crate) async fn summary(State(app): Shared, Id(id): Id) -> Result<Json<SnapshotView>, Problem> {
    let m = app.control.snapshot_manifest(id).await?;
    Ok(Json(SnapshotView {
        id: m.id(),
        campaign: m.campaign,
        built_at: m.built_at,
        uploaded: m.uploaded,
        users: m.users(),
        dropped: m.dropped.iter().map(|(reason, n)| (reason.label().to_owned(), *n)).collect(),
        batches: m.batches(),
        devices: m.devices,
        dropped_devices: m.dropped_devices,
        batch_users: m.batch_users,
        locales: m.locales,
        shards: m.shards,
    }))
}

pub(crate) async fn batch(State(app): Shared, Id(id): Id, place: Place) -> Result<Json<BatchView>, Problem> {
    let manifest = app.control.snapshot_manifest(id).await?;
    let Some(entry) = manifest.shards.get(usize::from(place.shard)).cloned() else {
        let n = manifest.shards.len();
        return Err(Problem::not_found(format!("there is no shard {}: the snapshot has {n}", place.shard)));
    };
    if place.batch >= entry.batches {
        let why = format!("there is no batch {}: shard {} has {}", place.batch, place.shard, entry.batches);
        return Err(Problem::not_found(why));
    }
    let key = keys::shard(id, ShardNo(place.shard), entry.blake3);
    let bytes = app.control.backend().objects.get(&key, None).await?;
    let bytes = bytes.ok_or_else(|| Problem::not_found("the shard is no longer in the object store"))?;
    // Checking a shard's checksum takes milliseconds of computing.
    let read = tokio::task::spawn_blocking(move || listed(place, &bytes, &entry, &manifest)).await;
    Ok(Json(read.map_err(|_| Problem::internal("the listing broke off"))??))
}

fn listed(
    place: Place,
    bytes: &Bytes,
    entry: &ShardEntry,
    manifest: &Manifest,
) -> Result<BatchView, PortError> {
    let corrupt = |why: String| PortError::Corrupt { what: "snapshot shard", why };
    let shard = Shard::open(ShardNo(place.shard), bytes, entry.blake3).map_err(|e| corrupt(e.to_string()))?;
    let body = shard.batch(BatchNo(place.batch)).ok_or_else(|| corrupt("a batch is missing".to_owned()))?;
    let mut places = 0..;
    let users = BatchBody::new(&body).users().map(|user| BatchUser {
        user: user.id.to_owned(),
        devices: user
            .devices
            .iter()
            .zip(&mut places)
            .map(|(device, place)| BatchDevice {
                place,
                gateway: device.target.platform().label().to_owned(),
                token_hash: format!("{:016x}", device.target.hash()),
                locale: manifest.locales.get(usize::from(device.locale)).cloned().unwrap_or_default(),
            })
            .collect(),
    });
    Ok(BatchView { shard: place.shard, batch: place.batch, users: users.collect() })
}
