//! The JSON shapes that are the API's own. Where nothing else is said, an answer is the domain's type as it is
//! (`common::campaign::Campaign`, `control::Status`, `control::Report`, `control::Receipt`, `control::Preflight`).

mod webhooks;

pub use self::webhooks::{
    DeliveryList, DeliveryView, NewWebhook, WebhookList, WebhookMade, WebhookTested, WebhookView,
};

use ::audience::UploadFacts;
use common::access::{Role, TokenId};
use common::audit::AuditEntry;
use common::campaign::{Campaign, Options, Stamp};
use common::content::Content;
use common::device::Environment;
use common::fleet::{FleetSize, Slot, WorkerRow};
use common::ids::{CampaignId, SnapshotId};
use common::limits;
use common::secret::Secret;
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Body of `POST /v1/campaigns`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaign {
    /// The name, for people.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// What it says.
    pub content: Content,
    /// Choices; the usual ones where left out.
    #[serde(default)]
    pub options: Options,
}

/// Body of `PATCH /v1/campaigns/{id}`. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct CampaignPatch {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// The whole content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Single options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsPatch>,
}

/// Options to change; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the fields of common::campaign::Options")]
pub struct OptionsPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = limits::DEADLINE_MS_MIN, max = limits::DEADLINE_MS_MAX))]
    pub deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::SHARDS_MAX))]
    pub shards: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::BATCH_USERS_MAX))]
    pub batch_users: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resend_ambiguous: Option<bool>,
    /// `null` takes it away.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub app: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// Tells `null` from a field that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(d).map(Some)
}

impl OptionsPatch {
    /// These options with the changes.
    #[must_use]
    pub fn onto(self, old: Options) -> Options {
        Options {
            deadline_ms: self.deadline_ms.unwrap_or(old.deadline_ms),
            shards: self.shards.unwrap_or(old.shards),
            batch_users: self.batch_users.unwrap_or(old.batch_users),
            resend_ambiguous: self.resend_ambiguous.unwrap_or(old.resend_ambiguous),
            app: self.app.unwrap_or(old.app),
            environment: self.environment.unwrap_or(old.environment),
        }
    }
}

/// Body of `POST /v1/campaigns/{id}/clone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloneRequest {
    /// Name of the copy; the old one with "(copy)" when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
}

/// Body of the actions that have nothing to say: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Answer of `GET /v1/campaigns`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CampaignList {
    /// Newest first. Their books are without the histograms (`accepted_by_ms`, and `by_ms` of the steps).
    pub campaigns: Vec<Campaign>,
}

/// Answer of `PUT /v1/campaigns/{id}/audience`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Uploaded {
    /// The campaign, building now.
    pub campaign: Campaign,
    /// What was seen on the way.
    pub facts: UploadFacts,
}

/// Answer of `GET /v1/campaigns/{id}/preview`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PreviewList {
    /// The campaign.
    pub campaign: CampaignId,
    /// One for each locale.
    pub texts: Vec<payload::Preview>,
}

/// Answer of `GET /v1/campaigns/{id}/snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotView {
    /// Its name: the hash of its content.
    pub id: SnapshotId,
    /// The campaign that it was built for.
    pub campaign: CampaignId,
    /// When its build finished.
    pub built_at: UnixMs,
    /// Lines uploaded that should name a user.
    pub uploaded: u64,
    /// Users in it.
    pub users: u64,
    /// Users left out, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Devices by gateway.
    pub devices: BTreeMap<String, u64>,
    /// Devices left out, by reason.
    pub dropped_devices: BTreeMap<String, u64>,
    /// Batches in all shards.
    pub batches: u64,
    /// Users of a batch, at most.
    pub batch_users: u16,
    /// Locales of its devices.
    pub locales: Vec<String>,
    /// The shards, in order.
    pub shards: Vec<common::snapshot::ShardEntry>,
}

/// Answer of `GET /v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchView {
    /// The shard.
    pub shard: u16,
    /// The batch within it.
    pub batch: u32,
    /// Its users, in order.
    pub users: Vec<BatchUser>,
}

/// A user of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchUser {
    /// The id.
    pub user: String,
    /// The devices that get it.
    pub devices: Vec<BatchDevice>,
}

/// A device of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchDevice {
    /// Its place in the batch.
    pub place: u16,
    /// Its gateway.
    pub gateway: String,
    /// Hash of its token.
    pub token_hash: String,
    /// Its locale; empty when unknown.
    pub locale: String,
}

/// Answer of `GET /v1/testers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestersList {
    /// By name.
    pub lists: Vec<control::TestersBrief>,
}

/// Answer of `POST /v1/devices`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Rows in the file, good and bad ones.
    pub rows: u64,
    /// Rows taken: new, or at least as new as what was there.
    pub taken: u64,
    /// Rows older than what is stored for the same device; left alone.
    pub older: u64,
    /// Good rows of users that have the most devices allowed already.
    pub refused: u64,
    /// The first hundred bad or refused rows.
    pub bad: Vec<BadDeviceRow>,
    /// Bad rows in all.
    pub bad_lines: u64,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadDeviceRow {
    /// Counted from 1.
    pub line: u64,
    /// The column at fault; `line` when it is the line as a whole.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

/// Answer of `GET /v1/devices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceCount {
    /// Users in the table.
    pub users: u64,
}

/// Answer of `GET /v1/devices/{user}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserView {
    /// The id.
    pub user: String,
    /// Wants no notifications.
    pub opted_out: bool,
    /// The user's devices.
    pub devices: Vec<DeviceView>,
}

/// A device in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceView {
    /// Its gateway.
    pub gateway: String,
    /// `token` or `fid`.
    pub target_kind: common::device::TargetKind,
    /// Hash of its token; the token itself is shown nowhere.
    pub token_hash: String,
    /// Language tag; empty when unknown.
    pub locale: String,
    /// Time zone; empty when unknown.
    pub timezone: String,
    /// When the app registered it.
    pub registered_at: UnixMs,
    /// Bundle id or package name; empty when there is one app only.
    pub app: String,
    /// Environment of the token.
    pub environment: Environment,
}

/// Answer of `GET /v1/fleet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetView {
    /// Which campaign has the fleet.
    pub slot: Slot,
    /// Live workers.
    pub workers: Vec<WorkerRow>,
    /// Tasks by role, by whoever runs them; empty where all roles run in one process.
    #[serde(default)]
    pub sizes: Vec<FleetSize>,
}

/// Answer of `GET /v1/audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditList {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
}

/// Body of `POST /v1/session`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The token.
    pub token: Secret,
}

/// Body of `POST /v1/session/first`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FirstCode {
    /// The code of the one-time link.
    pub code: Secret,
}

/// Answer of `GET` and `POST /v1/session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// The token's name: what stands in records.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// When it ends; `null`: never.
    pub expires_at: Option<UnixMs>,
    /// What it may do, by the actions of docs/access.md.
    pub can: Vec<String>,
}

/// Answer of `POST /v1/session/first`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct FirstSession {
    /// The new token, told this once.
    pub token: String,
    /// Whose it is.
    #[serde(flatten)]
    pub session: SessionView,
}

/// Body of `POST /v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Whose it will be: what stands in records.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it ends: in 90 days where left out; `null`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub expires_at: Option<Option<UnixMs>>,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// Its public part.
    pub id: TokenId,
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it, and when.
    pub created: Stamp,
    /// When it ends; `null`: never.
    pub expires_at: Option<UnixMs>,
    /// Who revoked it, and when.
    pub revoked: Option<Stamp>,
}

/// Answer of `GET /v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenList {
    /// Newest first, revoked ones included.
    pub tokens: Vec<TokenView>,
}

/// Answer of `POST /v1/tokens`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// The token, told this once.
    pub token: String,
    /// The page that signs a browser in with it. What stands behind the `#` is not sent to any server.
    pub link: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: TokenView,
}

impl std::fmt::Debug for FirstSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstSession").field("session", &self.session).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TokenMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMade").field("record", &self.record).finish_non_exhaustive()
    }
}
