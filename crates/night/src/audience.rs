//! The audience of a night: a real snapshot, and for every device the batch and place where it stands.

use crate::dice::Dice;
use crate::spec::Spec;
use bytes::Bytes;
use common::campaign::SnapshotRef;
use common::device::{Platform, Target, TargetRef};
use common::envelope::{BatchBody, UserWriter};
use common::ids::{BatchKey, BatchNo, CampaignId, ShardNo, SnapshotId};
use common::snapshot::{Manifest, Shard, ShardEntry, ShardWriter, VERSION, keys, shard_of, user_hash};
use common::time::UnixMs;
use std::collections::BTreeMap;

/// One device, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    pub(crate) key: BatchKey,
    pub(crate) place: u16,
    /// The gateway says that its token is dead.
    pub(crate) dead: bool,
    /// The gateway says that its token is bad.
    pub(crate) bad: bool,
}

/// The audience, built.
pub(crate) struct Audience {
    pub(crate) devices: Vec<Device>,
    /// The body of every batch, and how many devices it has.
    pub(crate) batches: BTreeMap<BatchKey, (Bytes, u16)>,
    pub(crate) snapshot: SnapshotRef,
    pub(crate) objects: Vec<(String, Bytes)>,
}

/// A target with the device's number in it.
fn target(n: u32, platform: Platform) -> Target {
    match platform {
        Platform::Apns => {
            let mut token = [0x5A; 32];
            token[..4].copy_from_slice(&n.to_le_bytes());
            Target::Apns(token[..].into())
        }
        Platform::Fcm => Target::FcmToken(format!("night-device-{n:010}").into()),
    }
}

/// The number of a device, out of its target.
pub(crate) fn number(target: TargetRef<'_>) -> Option<usize> {
    let n = match target {
        TargetRef::Apns(token) => u32::from_le_bytes(token.get(..4)?.try_into().ok()?),
        TargetRef::FcmToken(text) | TargetRef::FcmFid(text) => text.rsplit('-').next()?.parse().ok()?,
    };
    usize::try_from(n).ok()
}

/// Users with one to three devices each, spread over the shards.
fn shards(spec: &Spec, d: &mut Dice) -> (Vec<Bytes>, BTreeMap<String, u64>) {
    let mut users: Vec<_> = (0..spec.users).map(|i| format!("user{i}")).collect();
    users.sort_by_key(|id| user_hash(id));
    let mut writers: Vec<_> =
        (0..spec.shards).map(|s| ShardWriter::new(ShardNo(s), spec.batch_users)).collect();
    let (mut n, mut counts) = (0, BTreeMap::new());
    for id in users {
        let mut user = UserWriter::new(&id);
        for _ in 0..d.one_of(&[1, 1, 1, 2, 3]) {
            let platform = d.one_of(&Platform::ALL);
            user.device(target(n, platform).as_ref(), 0);
            *counts.entry(platform.label().to_owned()).or_insert(0) += 1;
            n += 1;
        }
        writers[usize::from(shard_of(&id, spec.shards).0)].push(user);
    }
    (writers.into_iter().map(ShardWriter::finish).collect(), counts)
}

impl Audience {
    /// Builds it; fails only when the product's own writer and reader disagree.
    pub(crate) fn build(spec: &Spec, campaign: CampaignId, now: UnixMs) -> anyhow::Result<Self> {
        let mut d = Dice::new(spec.seed, 3);
        let (bodies, counts) = shards(spec, &mut d);
        let (mut objects, mut entries, mut batches) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (no, bytes) in (0..).map(ShardNo).zip(bodies) {
            let blake3 = SnapshotId(*blake3::hash(&bytes).as_bytes());
            let shard = Shard::open(no, &bytes, blake3)?;
            for number in (0..shard.batches()).map(BatchNo) {
                let (body, counts) = (shard.batch(number), shard.batch_counts(number));
                batches.extend(
                    body.zip(counts).map(|(body, (_, n))| (BatchKey { shard: no, number }, (body, n))),
                );
            }
            let (users, devices, batches) = (shard.users.into(), shard.devices.into(), shard.batches());
            entries.push(ShardEntry { users, devices, batches, bytes: bytes.len() as u64, blake3 });
            objects.push((keys::shard(campaign, no, blake3), bytes));
        }
        let manifest = Manifest {
            version: VERSION,
            campaign,
            batch_users: spec.batch_users,
            locales: vec!["en".to_owned()],
            shards: entries,
            uploaded: spec.users.into(),
            dropped: BTreeMap::new(),
            devices: counts.clone(),
            dropped_devices: BTreeMap::new(),
            built_at: now,
        };
        objects.push((keys::manifest(campaign, manifest.id()), serde_json::to_vec(&manifest)?.into()));
        let snapshot = SnapshotRef {
            id: manifest.id(),
            uploaded: spec.users.into(),
            users: spec.users.into(),
            devices: counts,
            batches: manifest.batches(),
            dropped: BTreeMap::new(),
            dropped_devices: BTreeMap::new(),
            built_at: now,
            build_ms: 1,
        };
        let devices = places(spec, &batches, &mut d)?;
        Ok(Self { devices, batches, snapshot, objects })
    }
}

fn places(
    spec: &Spec,
    batches: &BTreeMap<BatchKey, (Bytes, u16)>,
    d: &mut Dice,
) -> anyhow::Result<Vec<Device>> {
    let mut found = BTreeMap::new();
    for (key, (body, _)) in batches {
        for (place, device) in (0..).zip(BatchBody::new(body).devices()) {
            let n = number(device.target).ok_or_else(|| anyhow::anyhow!("a target without a number"))?;
            let (dead, bad) = (d.per_mille(spec.weather.dead), d.per_mille(spec.weather.bad));
            let device = Device { key: *key, place, dead, bad: bad && !dead };
            anyhow::ensure!(found.insert(n, device).is_none(), "device {n} stands in two batches");
        }
    }
    anyhow::ensure!(found.keys().copied().eq(0..found.len()), "a device is in no batch");
    Ok(found.into_values().collect())
}
