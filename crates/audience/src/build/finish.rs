//! The end: checks the books, puts the lists of dropped users in their place, and writes the manifest, last.

use super::partition::Partition;
use super::scratch::Head;
use super::write::{Done, Totals, name};
use super::{BuildError, Ctx, each_shard};
use common::campaign::SnapshotRef;
use common::ids::{ShardNo, SnapshotId};
use common::ports::{Put, PutMode};
use common::snapshot::{Manifest, VERSION, keys};
use std::sync::Arc;

pub(super) async fn finish(
    ctx: &Arc<Ctx>,
    partition: &Partition,
    locales: Vec<String>,
    done: &[Head<Done>],
) -> Result<SnapshotRef, BuildError> {
    let totals = Totals::of(done);
    let found_devices = totals.found_devices;
    let mut manifest = Manifest {
        version: VERSION,
        campaign: ctx.campaign,
        batch_users: ctx.options.batch_users,
        locales,
        shards: done.iter().map(|d| d.head.entry.clone()).collect(),
        uploaded: partition.uploaded,
        dropped: totals.dropped,
        devices: totals.devices,
        dropped_devices: totals.dropped_devices,
        built_at: ctx.clock.now(),
    };
    check_books(&manifest, ctx.options.shards, found_devices)?;
    let id = manifest.id();
    publish_dropped(ctx, id, done).await?;
    // The last moment at which a cancelled build can leave nothing behind.
    ctx.keeper.take().await?;
    let json = serde_json::to_vec(&manifest).map_err(|e| BuildError::Faulty(e.to_string()))?;
    let key = keys::manifest(ctx.campaign, id);
    if ctx.backend.objects.put(&key, json.into(), PutMode::IfAbsent).await? == Put::Exists {
        manifest = crate::listing::manifest(&*ctx.backend.objects, ctx.campaign, id).await?;
    }
    Ok(reference(id, &manifest, ctx).await)
}

async fn reference(id: SnapshotId, manifest: &Manifest, ctx: &Ctx) -> SnapshotRef {
    let took = ctx.clock.now().since(ctx.keeper.started_at().await);
    SnapshotRef {
        id,
        uploaded: manifest.uploaded,
        users: manifest.users(),
        devices: manifest.devices.clone(),
        batches: manifest.batches(),
        dropped: manifest.dropped.clone(),
        dropped_devices: manifest.dropped_devices.clone(),
        built_at: manifest.built_at,
        build_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// uploaded = users + dropped, and devices found = devices in + devices left out: each counted by itself.
fn check_books(m: &Manifest, shards: u16, found_devices: u64) -> Result<(), BuildError> {
    let dropped: u64 = m.dropped.values().sum();
    let (sent, left_out): (u64, u64) = (m.devices.values().sum(), m.dropped_devices.values().sum());
    let fault = |what: String| Err(BuildError::Faulty(what));
    if m.shards.len() != usize::from(shards) {
        return fault(format!("{} shards were made, {shards} were wanted", m.shards.len()));
    }
    if m.uploaded != m.users() + dropped {
        return fault(format!("{} uploaded, but {} users and {dropped} dropped", m.uploaded, m.users()));
    }
    if sent != m.device_count() || found_devices != sent + left_out {
        return fault(format!("{found_devices} devices found, but {sent} kept and {left_out} left out"));
    }
    Ok(())
}

async fn publish_dropped(ctx: &Arc<Ctx>, id: SnapshotId, done: &[Head<Done>]) -> Result<(), BuildError> {
    let done: Arc<[Head<Done>]> = done.into();
    each_shard(ctx, |ctx, shard| {
        let done = done.clone();
        async move {
            let list = &done[usize::from(shard)];
            if list.head.dropped_bytes > 0 {
                let bytes = ctx.scratch.body(&name(shard), list, 0..list.head.dropped_bytes).await?;
                let key = keys::dropped(ctx.campaign, id, ShardNo(shard));
                // The same snapshot may come of the same users on other lines.
                ctx.backend.objects.put(&key, bytes, PutMode::Replace).await?;
            }
            Ok(())
        }
    })
    .await?;
    Ok(())
}
