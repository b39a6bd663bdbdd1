//! A campaign on a backend, pressed, with every batch on the queue: what an interim worker leaves a push worker.

use crate::job::Gateway;
use crate::message::{content, target};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::envelope::{BatchEnvelope, NewEnvelope, UserWriter};
use common::fleet::{Expect, Slot};
use common::ids::{BatchKey, BatchNo, ShardNo, SnapshotId};
use common::limits::{LEDGER_BUCKET, QUEUE_CALL_ENTRIES_MAX};
use common::outcome::Outcome;
use common::plan;
use common::ports::{Backend, PutMode, Written};
use common::snapshot::{Manifest, Shard, ShardEntry, ShardWriter, VERSION, keys, shard_of, user_hash};
use common::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The campaign and its shards.
pub struct World {
    backend: Backend,
    clock: Arc<dyn Clock>,
    campaign: Campaign,
    shards: Vec<Shard>,
}

impl World {
    /// Makes users with one device each at this gateway, and presses.
    pub async fn pressed(
        backend: &Backend,
        clock: &Arc<dyn Clock>,
        gateway: Gateway,
        users: u64,
    ) -> Result<Self> {
        let options = Options::default();
        let draft =
            Campaign::new("bench", content(gateway), options.clone(), Stamp::new("bench", clock.now()));
        if backend.campaigns.create(&draft).await? != Written::Yes {
            bail!("the campaign was not written");
        }
        let (mut shards, mut entries) = (Vec::new(), Vec::new());
        for bytes in objects(&options, gateway, users) {
            let shard = Shard::open_unchecked(&bytes).context("a shard that does not open")?;
            let blake3 = SnapshotId(*blake3::hash(&bytes).as_bytes());
            entries.push(ShardEntry {
                users: shard.users.into(),
                devices: shard.devices.into(),
                batches: shard.batches(),
                bytes: bytes.len() as u64,
                blake3,
            });
            backend.objects.put(&keys::shard(draft.id, shard.shard, blake3), bytes, PutMode::Replace).await?;
            shards.push(shard);
        }
        let label = if gateway == Gateway::Apns { "apns" } else { "fcm" };
        let manifest = Manifest {
            version: VERSION,
            campaign: draft.id,
            batch_users: options.batch_users,
            locales: vec!["en".into()],
            shards: entries,
            uploaded: users,
            dropped: BTreeMap::new(),
            devices: BTreeMap::from([(label.to_owned(), users)]),
            dropped_devices: BTreeMap::new(),
            built_at: clock.now(),
        };
        let key = keys::manifest(draft.id, manifest.id());
        backend.objects.put(&key, serde_json::to_vec(&manifest)?.into(), PutMode::Replace).await?;
        let (backend, clock) = (backend.clone(), Arc::clone(clock));
        let mut world = Self { backend, clock, campaign: draft, shards };
        world.press(&manifest).await?;
        Ok(world)
    }

    async fn press(&mut self, manifest: &Manifest) -> Result<()> {
        let now = self.clock.now();
        let stamp = || Stamp::new("bench", now);
        let upload = Upload { object: "u".into(), format: ListFormat::Plain, bytes: 1, stamp: stamp() };
        self.store(self.campaign.upload(upload)).await?;
        let snapshot = SnapshotRef {
            id: manifest.id(),
            uploaded: manifest.uploaded,
            users: manifest.users(),
            devices: manifest.devices.clone(),
            batches: manifest.batches(),
            dropped: BTreeMap::new(),
            dropped_devices: BTreeMap::new(),
            built_at: now,
            build_ms: 0,
        };
        self.store(self.campaign.build_done(snapshot)).await?;
        let old = self.backend.campaigns.slot().await?;
        let slot = Slot { version: old.version + 1, campaign: Some(self.campaign.id), ..old };
        self.backend.campaigns.set_slot(&slot).await?;
        self.store(self.campaign.arm(stamp(), Expect::default(), BTreeMap::new())).await?;
        self.store(self.campaign.press(stamp())).await
    }

    async fn store(&mut self, decision: Decision) -> Result<()> {
        let Decision::Change(next) = decision else { bail!("expected a change, got {decision:?}") };
        self.backend.campaigns.update(&next).await?;
        self.campaign = *next;
        Ok(())
    }

    /// Puts every batch on its queue, ten a call. Answers how many.
    pub async fn send_batches(&self) -> Result<usize> {
        let head = plan::head(&self.campaign).context("no live run")?;
        let mut count = 0;
        for shard in &self.shards {
            let numbers: Vec<BatchNo> = (0..shard.batches()).map(BatchNo).collect();
            for ten in numbers.chunks(QUEUE_CALL_ENTRIES_MAX) {
                let envelope = |&number: &BatchNo| {
                    let batch = BatchEnvelope {
                        head: head.clone(),
                        key: BatchKey { shard: shard.shard, number },
                        attempt: 0,
                        only: vec![],
                        devices: shard.batch_counts(number)?.1,
                        body: shard.batch(number)?,
                    };
                    Some(NewEnvelope::plain(batch.encode()))
                };
                let envelopes: Vec<NewEnvelope> = ten.iter().filter_map(envelope).collect();
                self.backend.batches.send(&envelopes).await?;
                count += envelopes.len();
            }
        }
        Ok(count)
    }

    /// Devices that the ledger says were accepted.
    pub async fn accepted(&self) -> Result<u64> {
        let mut accepted = 0;
        for shard in &self.shards {
            for bucket in 0..shard.batches().div_ceil(LEDGER_BUCKET) {
                let records = self.backend.ledger.bucket(self.campaign.id, shard.shard, bucket).await?;
                let outcomes = records.iter().flat_map(|(_, record)| record.outcomes());
                accepted += outcomes.filter(|(outcome, _)| *outcome == Outcome::Accepted).count() as u64;
            }
        }
        Ok(accepted)
    }
}

fn objects(options: &Options, gateway: Gateway, users: u64) -> Vec<Bytes> {
    let mut writers: Vec<_> =
        (0..options.shards).map(|s| ShardWriter::new(ShardNo(s), options.batch_users)).collect();
    let mut users: Vec<_> = (0..users).map(|i| (format!("user{i:08}"), i)).collect();
    users.sort_by_cached_key(|(id, _)| user_hash(id));
    for (id, i) in users {
        let (mut user, target) = (UserWriter::new(&id), target(gateway, i));
        user.device(target.as_ref(), 0);
        writers[usize::from(shard_of(&id, options.shards).0)].push(user);
    }
    writers.into_iter().map(ShardWriter::finish).collect()
}
