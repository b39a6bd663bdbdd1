//! A served API on a backend in memory, and campaigns in every state of their life.

use super::client::{ADMIN, Ask, Reply};
use api::access::{AccessConfig, mint};
use api::{ApiConfig, ApiLimits, Served, serve};
use common::access::{Role, Token, TokenRecord};
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, State, Upload};
use common::content::Content;
use common::device::{Platform, Target, TargetKind};
use common::envelope::UserWriter;
use common::fleet::Expect;
use common::ids::{CampaignId, ShardNo, SnapshotId};
use common::ports::{Backend, PutMode};
use common::secret::Secret;
use common::snapshot::{Manifest, ShardEntry, ShardWriter, keys};
use common::time::{ManualClock, UnixMs};
use contract::memory::MemoryParts;
use control::Control;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(super) const NOW: UnixMs = UnixMs(1_770_593_465_120);

/// A served API.
pub(super) struct Api {
    pub(super) served: Served,
    pub(super) parts: MemoryParts,
    pub(super) clock: Arc<ManualClock>,
    pub(super) shutdown: CancellationToken,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// On any free port, with these limits.
pub(super) fn config(limits: ApiLimits) -> ApiConfig {
    let access = AccessConfig { admin_token: Some(Secret::new(ADMIN.to_owned())), ..AccessConfig::default() };
    ApiConfig { listen: "127.0.0.1:0".parse().unwrap(), limits, access, ..ApiConfig::default() }
}

pub(super) async fn start() -> Api {
    start_with(config(ApiLimits::default())).await
}

pub(super) async fn start_with(config: ApiConfig) -> Api {
    start_on(config, |backend| backend).await
}

/// With some ports wrapped.
pub(super) async fn start_on(config: ApiConfig, wrap: impl FnOnce(Backend) -> Backend) -> Api {
    let clock = Arc::new(ManualClock::at(NOW));
    let parts = MemoryParts::new(clock.clone());
    let control = Control::new(wrap(parts.backend()), clock.clone());
    let shutdown = CancellationToken::new();
    let served = serve(control, config, shutdown.clone()).await.unwrap();
    Api { served, parts, clock, shutdown }
}

impl Api {
    pub(super) async fn send(&self, ask: Ask) -> Reply {
        ask.send(self.served.addr).await
    }

    pub(super) async fn get(&self, path: impl Into<String>) -> Reply {
        self.send(Ask::get(path)).await
    }

    pub(super) async fn post(&self, path: impl Into<String>, body: &serde_json::Value) -> Reply {
        self.send(Ask::post(path, body)).await
    }

    /// Somebody's token, straight in the backend.
    pub(super) fn token(&self, name: &str, role: Role) -> String {
        self.token_until(name, role, None).expose()
    }

    pub(super) fn token_until(&self, name: &str, role: Role, expires_at: Option<UnixMs>) -> Token {
        let token = mint().unwrap();
        self.parts.tokens.poke(TokenRecord::new(&token, name, role, stamp("root"), expires_at));
        token
    }

    /// An action of a campaign, with an empty body.
    pub(super) async fn act(&self, id: CampaignId, action: &str) -> Reply {
        self.post(format!("/v1/campaigns/{id}/{action}"), &json!({})).await
    }

    /// A campaign that stands in this state, straight in the backend.
    pub(super) fn campaign(&self, state: State) -> CampaignId {
        let campaign = in_state(state);
        let id = campaign.id;
        self.parts.campaigns.poke(campaign);
        id
    }

    pub(super) fn peek(&self, id: CampaignId) -> Campaign {
        self.parts.campaigns.peek(id).unwrap()
    }

    /// Waits until this path's answer is as wanted.
    pub(super) async fn until(&self, path: &str, wanted: impl Fn(&Reply) -> bool) {
        while !wanted(&self.get(path).await) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until no request is under way but the one that asks.
    pub(super) async fn until_quiet(&self) {
        self.until("/metrics", |r| r.text().contains("owl_api_requests_in_flight 1\n")).await;
    }
}

fn stamp(by: &str) -> Stamp {
    Stamp::new(by, NOW)
}

fn done(decision: Decision) -> Campaign {
    match decision {
        Decision::Change(next) => *next,
        other => panic!("{other:?}"),
    }
}

/// A campaign in this state, by the shortest life that leads there.
pub(super) fn in_state(state: State) -> Campaign {
    let draft = Campaign::new("final", Content::english("Over", "It is"), Options::default(), stamp("ada"));
    let object = keys::upload(draft.id, "first");
    let upload = Upload { object, format: ListFormat::Csv, bytes: 9, stamp: stamp("ada") };
    let building = || done(draft.upload(upload.clone()));
    let ready = || done(building().build_done(snapshot_ref(SnapshotId([7; 32]))));
    let armed = || done(ready().arm(stamp("bea"), Expect::default(), BTreeMap::new()));
    let sending = || done(armed().press(stamp("cal")));
    let stopping = || done(sending().abort(stamp("dan")));
    match state {
        State::Draft => draft,
        State::Building => building(),
        State::Failed => done(building().build_failed("no line was good")),
        State::Ready => ready(),
        State::Armed => armed(),
        State::Sending => sending(),
        State::Stopping => stopping(),
        State::Stopped => done(stopping().stopped(NOW, common::report::Books::default())),
        State::Done => done(sending().done(NOW, common::report::Books::default())),
    }
}

fn snapshot_ref(id: SnapshotId) -> SnapshotRef {
    SnapshotRef {
        id,
        uploaded: 5,
        users: 3,
        devices: BTreeMap::from([("apns".to_owned(), 3)]),
        batches: 2,
        dropped: BTreeMap::new(),
        dropped_devices: BTreeMap::new(),
        built_at: NOW,
        build_ms: 12,
    }
}

pub(super) fn token(n: u8) -> Target {
    Target::parse(Platform::Apns, TargetKind::Token, &format!("{n:02x}").repeat(32)).unwrap()
}

/// A ready campaign with a real snapshot of one shard: users `u/1`, `ü2` and `u3`, one device each, two to a batch; and
/// a list of dropped users.
pub(super) async fn with_snapshot(api: &Api) -> Campaign {
    let objects = api.parts.backend().objects;
    let mut campaign = in_state(State::Ready);
    let mut users = ["u/1", "ü2", "u3"];
    users.sort_by_key(|u| common::snapshot::user_hash(u));
    let mut writer = ShardWriter::new(ShardNo(0), 2);
    for (n, user) in (1..).zip(users) {
        let mut record = UserWriter::new(user);
        record.device(token(n).as_ref(), 1);
        writer.push(record);
    }
    let bytes = writer.finish();
    let blake3 = SnapshotId(*blake3_of(&bytes));
    let entry = ShardEntry { users: 3, devices: 3, batches: 2, bytes: bytes.len() as u64, blake3 };
    let manifest = Manifest {
        version: common::snapshot::VERSION,
        campaign: campaign.id,
        batch_users: 2,
        locales: vec![String::new(), "de".to_owned()],
        shards: vec![entry],
        uploaded: 5,
        dropped: BTreeMap::from([(common::campaign::DropReason::Unknown, 2)]),
        devices: BTreeMap::from([("apns".to_owned(), 3)]),
        dropped_devices: BTreeMap::new(),
        built_at: NOW,
    };
    let id = manifest.id();
    campaign.snapshot = Some(snapshot_ref(id));
    let dropped = "{\"line\":3,\"user\":\"x\",\"reason\":\"unknown\"}\n{\"line\":5,\"user\":\"y\",\"reason\":\"unknown\"}\n\
                   {\"line\":6,\"user\":\"z\",\"reason\":\"opted_out\"}\n";
    for (key, bytes) in [
        (keys::shard(campaign.id, ShardNo(0), blake3), bytes),
        (keys::dropped(campaign.id, id, ShardNo(0)), dropped.into()),
        (keys::manifest(campaign.id, id), serde_json::to_vec(&manifest).unwrap().into()),
    ] {
        objects.put(&key, bytes, PutMode::Replace).await.unwrap();
    }
    api.parts.campaigns.poke(campaign.clone());
    campaign
}

fn blake3_of(bytes: &[u8]) -> Box<[u8; 32]> {
    Box::new(*blake3::hash(bytes).as_bytes())
}
