//! A memory backend with a clock moved by hand, and short ways to fill it.

use audience::build::OnProgress;
use audience::{BuildError, BuildJob, Builder, OnSettled, build};
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::content::Content;
use common::device::{Device, DeviceRow, Environment, Target};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Backend, Campaigns, Devices, ObjectStore, PutMode, Written};
use common::snapshot::keys;
use common::time::{ManualClock, UnixMs};
use contract::memory::MemoryParts;
use std::sync::{Arc, Mutex};

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) parts: MemoryParts,
    pub(crate) backend: Backend,
    /// What builders told of the ends of their builds.
    pub(crate) told: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn quiet() -> OnProgress {
    Arc::new(|_| {})
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(UnixMs(1_000_000)));
        let parts = MemoryParts::new(clock.clone());
        Self { backend: parts.backend(), clock, parts, told: Arc::default() }
    }

    pub(crate) async fn devices(&self, rows: Vec<DeviceRow>) {
        let mut refused = vec![];
        self.parts.devices.upsert(rows, &mut refused).await.unwrap();
        assert_eq!(refused, [0usize; 0]);
    }

    /// A campaign in state building, with this list.
    pub(crate) async fn campaign(&self, list: &[u8], format: ListFormat, options: Options) -> Campaign {
        let stamp = Stamp::new("eve", UnixMs(1_000_000));
        let mut draft = Campaign::new("spring", Content::english("a", "b"), options, stamp.clone());
        draft.id = CampaignId(uuid(7));
        let object = keys::upload(draft.id, "first");
        self.parts.objects.put(&object, list.to_vec().into(), PutMode::Replace).await.unwrap();
        let upload = Upload { object, format, bytes: list.len() as u64, stamp };
        let Decision::Change(building) = draft.upload(upload) else { panic!("not taken") };
        assert_eq!(self.parts.campaigns.create(&building).await.unwrap(), Written::Yes);
        *building
    }

    pub(crate) async fn record(&self, id: CampaignId) -> Campaign {
        // A failure that a test ordered for the builder may hit this read.
        let read = self.parts.campaigns.get(id).await;
        if let Ok(Some(campaign)) = read {
            campaign
        } else {
            self.parts.campaigns.get(id).await.unwrap().unwrap()
        }
    }

    pub(crate) fn job(&self, campaign: &Campaign, concurrency: usize, progress: OnProgress) -> BuildJob {
        BuildJob {
            backend: self.backend.clone(),
            clock: self.clock.clone(),
            campaign: campaign.clone(),
            holder: WorkerId(5),
            concurrency,
            progress,
        }
    }

    pub(crate) async fn build(
        &self,
        campaign: &Campaign,
        concurrency: usize,
    ) -> Result<SnapshotRef, BuildError> {
        Box::pin(build(self.job(campaign, concurrency, quiet()))).await
    }

    pub(crate) fn builder(&self, holder: u64) -> Builder {
        Builder {
            backend: self.backend.clone(),
            clock: self.clock.clone(),
            holder: WorkerId(holder),
            concurrency: 2,
            on_settled: self.telling(),
        }
    }

    pub(crate) fn telling(&self) -> OnSettled {
        let told = Arc::clone(&self.told);
        Arc::new(move |_, said| told.lock().unwrap().push(said))
    }

    /// Keys of scratch objects.
    pub(crate) async fn scratch(&self) -> Vec<String> {
        let all = self.parts.objects.list("campaigns/").await.unwrap();
        all.into_iter().map(|o| o.key).filter(|key| key.contains("/build-")).collect()
    }

    pub(crate) async fn manifests(&self) -> usize {
        let all = self.parts.objects.list("campaigns/").await.unwrap();
        all.iter().filter(|o| o.key.ends_with("manifest.json")).count()
    }
}

fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

/// A device that is the same for the same number.
pub(crate) fn device(number: u64, registered_at: i64, locale: &str) -> Device {
    let mut token = vec![number as u8; 24];
    token.extend_from_slice(&number.to_le_bytes());
    let target = if number.is_multiple_of(3) {
        Target::FcmToken(format!("fcm-token-number-{number:08}").into())
    } else {
        Target::Apns(token.into())
    };
    Device {
        target,
        locale: locale.into(),
        timezone: "".into(),
        registered_at: UnixMs(registered_at),
        app: "app".into(),
        environment: Environment::Production,
    }
}

pub(crate) fn row(user: &str, device: Device) -> DeviceRow {
    DeviceRow { user_id: user.into(), opted_out: None, device }
}

pub(crate) fn options(shards: u16, batch_users: u16) -> Options {
    Options { shards, batch_users, ..Options::default() }
}
