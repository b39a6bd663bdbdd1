//! A campaign on the model backend, from its audience to its press: what the tests of both workers start from.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::content::Content;
use common::device::{Platform, Target};
use common::envelope::{BatchEnvelope, Head, NewEnvelope, Scope, ShardEnvelope, UserWriter};
use common::fleet::{Expect, Slot};
use common::ids::{BatchKey, BatchNo, ShardNo, SnapshotId};
use common::ledger::BatchRecord;
use common::limits::LEDGER_BUCKET;
use common::plan;
use common::ports::{Campaigns, Ledger, ObjectStore, PutMode, Queue, Written};
use common::snapshot::{Manifest, Shard, ShardEntry, ShardWriter, VERSION, keys, shard_of, user_hash};
use common::time::{Clock, UnixMs};
use contract::memory::{MemoryParts, TokioClock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to build.
pub struct Spec {
    pub users: u32,
    pub shards: u16,
    pub batch_users: u16,
    /// One user in this many is at FCM, the others at APNs.
    pub fcm_one_in: u32,
    pub options: Options,
}

impl Default for Spec {
    fn default() -> Self {
        Self { users: 100, shards: 1, batch_users: 10, fcm_one_in: 2, options: Options::default() }
    }
}

pub struct World {
    pub parts: MemoryParts,
    pub clock: Arc<dyn Clock>,
    pub campaign: Campaign,
    pub shards: Vec<Shard>,
    pub manifest: Manifest,
}

fn target(i: u32, fcm_one_in: u32) -> Target {
    let hash = blake3::hash(&i.to_le_bytes());
    if i.is_multiple_of(fcm_one_in) {
        Target::FcmToken(hash.to_hex().as_str().into())
    } else {
        Target::Apns(hash.as_bytes()[..].into())
    }
}

pub fn stamp(at: UnixMs) -> Stamp {
    Stamp::new("tester", at)
}

impl World {
    /// A campaign that is ready and in the slot, its snapshot in the object store.
    pub async fn ready(spec: Spec) -> Self {
        Self::on(Arc::new(TokioClock::at(UnixMs(1_000_000))), spec).await
    }

    /// The same, on this clock.
    pub async fn on(clock: Arc<dyn Clock>, spec: Spec) -> Self {
        let parts = MemoryParts::new(Arc::clone(&clock));
        let options = Options { shards: spec.shards, batch_users: spec.batch_users, ..spec.options.clone() };
        let draft = Campaign::new("test", Content::english("a", "b"), options, stamp(clock.now()));
        assert_eq!(parts.campaigns.create(&draft).await, Ok(Written::Yes));
        let (objects, devices) = objects(&spec);
        let entry = |bytes: &bytes::Bytes| {
            let blake3 = SnapshotId(*blake3::hash(bytes).as_bytes());
            (Shard::open_unchecked(bytes).expect("a shard"), blake3)
        };
        let (mut shards, mut entries) = (Vec::new(), Vec::new());
        for bytes in &objects {
            let (shard, blake3) = entry(bytes);
            let key = keys::shard(draft.id, shard.shard, blake3);
            parts.objects.put(&key, bytes.clone(), PutMode::Replace).await.expect("put");
            let (users, devices, batches) = (shard.users.into(), shard.devices.into(), shard.batches());
            entries.push(ShardEntry { users, devices, batches, bytes: bytes.len() as u64, blake3 });
            shards.push(shard);
        }
        let manifest = Manifest {
            version: VERSION,
            campaign: draft.id,
            batch_users: spec.batch_users,
            locales: vec!["en".into()],
            shards: entries,
            uploaded: spec.users.into(),
            dropped: BTreeMap::new(),
            devices,
            dropped_devices: BTreeMap::new(),
            built_at: clock.now(),
        };
        let key = keys::manifest(draft.id, manifest.id());
        let json = serde_json::to_vec(&manifest).expect("json");
        parts.objects.put(&key, json.into(), PutMode::Replace).await.expect("put");
        let mut world = Self { parts, clock, campaign: draft, shards, manifest };
        world.build_done().await;
        world
    }

    /// The same, armed and pressed.
    pub async fn pressed(spec: Spec) -> Self {
        let mut world = Self::ready(spec).await;
        world.arm().await;
        world.press().await;
        world
    }

    async fn build_done(&mut self) {
        let now = self.clock.now();
        let upload = Upload { object: "u".into(), format: ListFormat::Plain, bytes: 1, stamp: stamp(now) };
        self.store(self.campaign.upload(upload)).await;
        let snapshot = SnapshotRef {
            id: self.manifest.id(),
            uploaded: self.manifest.uploaded,
            users: self.manifest.users(),
            devices: self.manifest.devices.clone(),
            batches: self.manifest.batches(),
            dropped: BTreeMap::new(),
            dropped_devices: BTreeMap::new(),
            built_at: now,
            build_ms: 0,
        };
        self.store(self.campaign.build_done(snapshot)).await;
        let old = self.parts.campaigns.slot().await.expect("slot");
        let slot = Slot { version: old.version + 1, campaign: Some(self.campaign.id), ..old };
        assert_eq!(self.parts.campaigns.set_slot(&slot).await, Ok(Written::Yes));
    }

    pub async fn store(&mut self, decision: Decision) {
        let Decision::Change(next) = decision else { unreachable!("expected a change, got {decision:?}") };
        assert_eq!(self.parts.campaigns.update(&next).await, Ok(Written::Yes));
        self.campaign = *next;
    }

    pub async fn arm(&mut self) {
        let arm = self.campaign.arm(stamp(self.clock.now()), Expect::default(), BTreeMap::new());
        self.store(arm).await;
    }

    pub async fn press(&mut self) {
        self.store(self.campaign.press(stamp(self.clock.now()))).await;
    }

    pub async fn abort(&mut self) {
        self.store(self.campaign.abort(stamp(self.clock.now()))).await;
    }

    /// From stopping to sending again.
    pub async fn resume(&mut self) {
        let at = self.clock.now();
        self.store(self.campaign.stopped(at, common::report::Books::default())).await;
        self.store(self.campaign.resume(stamp(at))).await;
    }

    pub fn head(&self) -> Head {
        plan::head(&self.campaign).expect("a live run")
    }

    pub fn shard_envelope(&self, shard: u16, scope: Scope) -> ShardEnvelope {
        ShardEnvelope { head: self.head(), shard: ShardNo(shard), scope, attempt: 0 }
    }

    pub async fn send_shard(&self, envelope: &ShardEnvelope) {
        let fifo = Some(envelope.fifo_key());
        let new = NewEnvelope { fifo, ..NewEnvelope::plain(envelope.encode()) };
        self.parts.shards.send(&[new]).await.expect("sent");
    }

    /// Every batch of the snapshot, as an expansion makes it.
    pub fn batches(&self) -> Vec<BatchEnvelope> {
        let head = self.head();
        let of = |shard: &Shard| {
            let (head, shard) = (head.clone(), shard.clone());
            (0..shard.batches()).map(BatchNo).map(move |number| BatchEnvelope {
                head: head.clone(),
                key: BatchKey { shard: shard.shard, number },
                attempt: 0,
                only: vec![],
                devices: shard.batch_counts(number).expect("counts").1,
                body: shard.batch(number).expect("body"),
            })
        };
        self.shards.iter().flat_map(of).collect()
    }

    /// Puts every batch on its queue.
    pub async fn send_batches(&self) {
        for batch in self.batches() {
            self.send_batch(&batch).await;
        }
    }

    pub async fn send_batch(&self, batch: &BatchEnvelope) {
        self.parts.batches.send(&[NewEnvelope::plain(batch.encode())]).await.expect("sent");
    }

    pub async fn record(&self, key: BatchKey) -> Option<BatchRecord> {
        let bucket = key.number.0 / LEDGER_BUCKET;
        let records = self.parts.ledger.bucket(self.campaign.id, key.shard, bucket).await.expect("bucket");
        records.into_iter().find(|(n, _)| *n == key.number).map(|(_, r)| r)
    }

    /// Every record of the campaign, whatever its state.
    pub async fn records(&self) -> Vec<BatchRecord> {
        let mut all = Vec::new();
        for shard in &self.shards {
            for bucket in 0..shard.batches().div_ceil(LEDGER_BUCKET) {
                let records = self.parts.ledger.bucket(self.campaign.id, shard.shard, bucket).await;
                all.extend(records.expect("bucket").into_iter().map(|(_, r)| r));
            }
        }
        all
    }

    /// Envelopes on the batch queue, hidden ones included.
    pub fn queued(&self) -> Vec<BatchEnvelope> {
        self.parts.batches.bodies().iter().map(|b| BatchEnvelope::decode(b).expect("a batch")).collect()
    }
}

/// The shard objects of an audience, and its devices by gateway.
fn objects(spec: &Spec) -> (Vec<bytes::Bytes>, BTreeMap<String, u64>) {
    let mut writers: Vec<_> =
        (0..spec.shards).map(|s| ShardWriter::new(ShardNo(s), spec.batch_users)).collect();
    let mut users: Vec<_> = (0..spec.users).map(|i| (format!("user{i}"), i)).collect();
    users.sort_by_key(|(id, _)| user_hash(id));
    let mut devices = BTreeMap::new();
    for (id, i) in users {
        let (mut user, target) = (UserWriter::new(&id), target(i, spec.fcm_one_in));
        user.device(target.as_ref(), 0);
        let label = if target.platform() == Platform::Apns { "apns" } else { "fcm" };
        *devices.entry(label.to_owned()).or_insert(0) += 1;
        writers[usize::from(shard_of(&id, spec.shards).0)].push(user);
    }
    (writers.into_iter().map(ShardWriter::finish).collect(), devices)
}
