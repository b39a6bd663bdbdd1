//! A campaign with a real snapshot on the model backend, and a pretend fleet.

use common::campaign::{Campaign, DropReason, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::content::Content;
use common::device::Target;
use common::envelope::{BatchBody, ShardEnvelope, UserWriter};
use common::fleet::{LinkRow, Role, WorkerRow};
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo, SnapshotId, WorkerId};
use common::ledger::{ClaimAnswer, ClaimRequest, CompleteRequest, DeviceResult};
use common::limits::CLAIM_LEASE;
use common::outcome::Outcome;
use common::ports::{Put, PutMode};
use common::snapshot::{Manifest, Shard, ShardEntry, ShardWriter, VERSION, keys, shard_of, user_hash};
use common::time::{Clock, UnixMs};
use contract::memory::{MemoryParts, TokioClock};
use control::{ArmRequest, Control, Who};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) const SHARDS: u16 = 50;

pub(super) struct Stage {
    pub(super) parts: MemoryParts,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) control: Arc<Control>,
    pub(super) id: CampaignId,
    pub(super) shards: Vec<Shard>,
}

pub(super) fn who(name: &str) -> Who {
    Who::named(name)
}

impl Stage {
    /// A campaign that is ready, with `users` users of one device each, and one worker of each role.
    pub(super) async fn ready(users: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::at(UnixMs(1_700_000_000_000)));
        let parts = MemoryParts::new(Arc::clone(&clock));
        let control = Control::new(parts.backend(), Arc::clone(&clock));
        let options = Options { shards: SHARDS, batch_users: 2, ..Options::default() };
        let draft = control
            .create(&who("engineer"), "night", Content::english("Hi", "there"), options)
            .await
            .unwrap();
        let upload = Upload {
            object: "o".into(),
            format: ListFormat::Plain,
            bytes: 1,
            stamp: Stamp::new("e", clock.now()),
        };
        let building = control.uploaded(&who("engineer"), draft.id, upload).await.unwrap();
        let mut stage = Self { parts, clock, control, id: draft.id, shards: Vec::new() };
        let snapshot = stage.build(users).await;
        let common::campaign::Decision::Change(ready) = building.build_done(snapshot) else {
            panic!("not built")
        };
        stage.parts.campaigns.poke(*ready);
        stage.control.stage(stage.id).await.unwrap();
        stage.beat(|_| {}).await;
        stage
    }

    pub(super) async fn armed(users: usize) -> Self {
        let stage = Self::ready(users).await;
        stage.control.arm(&who("sre"), stage.id, &ArmRequest::default()).await.unwrap();
        stage
    }

    async fn build(&mut self, users: usize) -> SnapshotRef {
        let mut ids: Vec<_> = (0..users).map(|i| format!("u{i}")).collect();
        ids.sort_by_key(|id| user_hash(id));
        let mut writers: Vec<_> = (0..SHARDS).map(|s| ShardWriter::new(ShardNo(s), 2)).collect();
        for id in &ids {
            let mut user = UserWriter::new(id);
            user.device(Target::Apns(blake3::hash(id.as_bytes()).as_bytes()[..].into()).as_ref(), 0);
            writers[usize::from(shard_of(id, SHARDS).0)].push(user);
        }
        let objects = self.parts.backend().objects;
        let mut entries = Vec::new();
        for (no, writer) in (0..).map(ShardNo).zip(writers) {
            let bytes = writer.finish();
            let sum = SnapshotId(*blake3::hash(&bytes).as_bytes());
            let shard = Shard::open(no, &bytes, sum).unwrap();
            let (users, devices, batches) =
                (u64::from(shard.users), u64::from(shard.devices), shard.batches());
            entries.push(ShardEntry { users, devices, batches, bytes: bytes.len() as u64, blake3: sum });
            let put = objects.put(&keys::shard(self.id, no, sum), bytes, PutMode::IfAbsent).await.unwrap();
            assert_eq!(put, Put::Stored);
            self.shards.push(shard);
        }
        let n = users as u64;
        let manifest = Manifest {
            version: VERSION,
            campaign: self.id,
            batch_users: 2,
            locales: vec!["en".to_owned()],
            shards: entries,
            uploaded: n,
            dropped: BTreeMap::<DropReason, u64>::new(),
            devices: BTreeMap::from([("apns".to_owned(), n)]),
            dropped_devices: BTreeMap::new(),
            built_at: self.clock.now(),
        };
        let json = serde_json::to_vec(&manifest).unwrap();
        objects.put(&keys::manifest(self.id, manifest.id()), json.into(), PutMode::Replace).await.unwrap();
        SnapshotRef {
            id: manifest.id(),
            uploaded: n,
            users: n,
            devices: manifest.devices.clone(),
            batches: manifest.batches(),
            dropped: BTreeMap::new(),
            dropped_devices: BTreeMap::new(),
            built_at: self.clock.now(),
            build_ms: 1,
        }
    }

    pub(super) async fn campaign(&self) -> Campaign {
        self.control.get(self.id).await.unwrap()
    }

    /// One heartbeat of one worker of each role, both ready, changed by `with`.
    pub(super) async fn beat(&self, with: impl Fn(&mut WorkerRow)) {
        let campaign = self.campaign().await;
        for (worker, role) in [(1, Role::Interim), (2, Role::Push)] {
            let link = LinkRow {
                gateway: "apns".into(),
                connections: 1,
                streams: 1,
                quota_per_s: None,
                credentials_until: None,
                trouble: None,
            };
            let mut row = WorkerRow {
                worker: WorkerId(worker),
                role,
                at: self.clock.now(),
                started_at: self.clock.now(),
                campaign: Some(self.id),
                epoch: Epoch(0),
                snapshot: campaign.snapshot.as_ref().map(|s| s.id),
                content: Some(campaign.content_id),
                prepare_ms: 1,
                trouble: None,
                ready: true,
                claims: 0,
                tripped: false,
                links: vec![link],
                payload_bytes_max: 100,
                rehearsal: true,
                version: None,
            };
            with(&mut row);
            self.parts.backend().fleet.beat(&row).await.unwrap();
        }
    }

    /// Shards whose envelopes are on the FIFO queue.
    pub(super) fn on_queue(&self) -> Vec<u16> {
        let decode = |body: &bytes::Bytes| ShardEnvelope::decode(body).unwrap().shard.0;
        let mut shards: Vec<_> = self.parts.shards.bodies().iter().map(decode).collect();
        shards.sort_unstable();
        shards
    }

    pub(super) fn keys(&self) -> Vec<BatchKey> {
        let of = |s: &Shard| {
            (0..s.batches()).map(|n| BatchKey { shard: s.shard, number: BatchNo(n) }).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(of).collect()
    }

    /// Every shard was expanded, as interim workers would say.
    pub(super) async fn expand_all(&self) {
        let (ledger, epoch) = (self.parts.backend().ledger, self.campaign().await.epoch);
        for shard in (0..SHARDS).map(ShardNo) {
            ledger.mark_expanded(self.id, epoch, shard, self.clock.now()).await.unwrap();
        }
    }

    /// Claims a batch as a worker would; `None` when it is not granted.
    pub(super) async fn claim(&self, key: BatchKey) -> Option<common::ids::Fence> {
        let shard = &self.shards[usize::from(key.shard.0)];
        let ask = ClaimRequest {
            key,
            epoch: self.campaign().await.epoch,
            holder: WorkerId(2),
            lease: CLAIM_LEASE,
            blank: shard.blank(key.number),
            only: Vec::new(),
            resend_ambiguous: false,
            now: self.clock.now(),
        };
        match self.parts.backend().ledger.claim_many(self.id, &[ask]).await.unwrap().pop() {
            Some(ClaimAnswer::Granted { fence, .. }) => Some(fence),
            _ => None,
        }
    }

    /// Claims a batch and gives each of its devices this outcome.
    pub(super) async fn send(&self, key: BatchKey, outcome: Outcome) {
        let Some(fence) = self.claim(key).await else { return };
        let body = self.shards[usize::from(key.shard.0)].batch(key.number).unwrap();
        let devices = BatchBody::new(&body).devices().count() as u16;
        let now = self.clock.now();
        let result = |index| DeviceResult { index, outcome, at: now, dead_since: None };
        let done = CompleteRequest {
            key,
            fence,
            results: (0..devices).map(result).collect(),
            sent_at: Some(now),
            now,
        };
        self.parts.backend().ledger.complete_many(self.id, &[done]).await.unwrap();
    }

    /// Lets the reconciler step for this long.
    pub(super) async fn reconcile_for(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.control.reconcile().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
