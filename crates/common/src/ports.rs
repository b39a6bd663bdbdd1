//! The ports to the outside: small object-safe traits at batch granularity. The doc comments are the contract; the
//! suite in `contract` runs it on every adapter.
//!
//! All of them are shaped by what SQS, S3 and DynamoDB can do: calls of ten with an answer for each, ack ids that change
//! at each receive, conditional writes, no cheap scan, no hot key.

mod disk;
mod webhooks;

pub use disk::Disk;
pub use webhooks::Webhooks;

use crate::access::{TokenId, TokenRecord};
use crate::audit::AuditEntry;
use crate::campaign::Campaign;
use crate::device::{DeviceRow, Target, UserDevices};
use crate::envelope::NewEnvelope;
use crate::fleet::{CounterRow, FleetSize, Role, Slot, WorkerRow};
use crate::ids::{BatchNo, CampaignId, Epoch, ShardNo, WorkerId};
use crate::ledger::{
    BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest, RenewRequest,
    ShardRecord,
};
use crate::time::UnixMs;
use crate::trace::TraceParent;
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Why a port could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Not now: throttled, timed out, out of reach. Trying again may help.
    #[error("{what} is unavailable: {why}")]
    Unavailable {
        /// Which part.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// What was asked breaks a limit or a rule; trying again does not help.
    #[error("{what} refused the call: {why}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// The rule.
        why: String,
    },
    /// What is stored can't be read.
    #[error("{what} holds something unreadable: {why}")]
    Corrupt {
        /// Which part.
        what: &'static str,
        /// Where and why.
        why: String,
    },
}

impl PortError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// One entry of a call of several: what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryResult {
    /// Done, and durable.
    Ok,
    /// Not done; trying again may help.
    Failed(String),
    /// The ack id is not the newest one of its envelope, or the envelope is gone.
    StaleAck,
}

/// Names one receive of one envelope. Changes at each receive; only the newest works.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AckId(pub String);

/// An envelope that was handed out.
#[derive(Debug, Clone)]
pub struct Received {
    /// For deleting, extending and giving back.
    pub ack: AckId,
    /// The bytes as they were sent.
    pub body: Bytes,
    /// How often it was handed out, this time included.
    pub receive_count: u32,
    /// The trace that was sent with it, or none: a backend within one process may drop it.
    pub trace: Option<TraceParent>,
}

/// How full a queue is. On SQS these are approximate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Ready to be handed out.
    pub visible: u64,
    /// Handed out, hidden.
    pub in_flight: u64,
    /// Waiting for their delay.
    pub delayed: u64,
    /// In the dead-letter queue beside it.
    pub dead: u64,
}

impl Depth {
    /// Whether nothing is on it, dead letters aside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.visible + self.in_flight + self.delayed == 0
    }
}

/// A queue: FIFO for shards, standard for batches.
///
/// - **At least once**: an envelope whose send was answered `Ok` is handed out until it is deleted, over restarts and
///   `kill -9`, or dead-lettered after [`crate::limits::RECEIVES_MAX`] receives.
/// - **FIFO**: within a group, in order, and none while another of the group is in flight; a deduplication id seen in the
///   last 5 minutes is answered `Ok` and dropped, also when its envelope was deleted meanwhile.
/// - At most ten entries and 1 MiB a call; more is [`PortError::Invalid`], and nothing is done.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends up to ten envelopes. An answer for each, in order: some may fail while others are in.
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError>;

    /// Hands out up to `max` (1 to 10) envelopes, each hidden for `visibility`; waits up to `wait` (at most 20 s) while
    /// there is none. Cancel-safe: a dropped call hides nothing for longer than `visibility`.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError>;

    /// Deletes up to ten envelopes for good.
    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError>;

    /// Hides up to ten envelopes for this long from now; zero gives them back at once.
    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError>;

    /// How full it is.
    async fn depth(&self) -> Result<Depth, PortError>;

    /// Hands out up to ten envelopes of the dead-letter queue beside it, each hidden from the next such call for
    /// `visibility`. They stay there until they are deleted.
    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError>;

    /// Deletes up to ten dead letters for good.
    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError>;
}

/// An object's key and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: String,
    /// Its length, in bytes.
    pub bytes: u64,
}

/// Whether a put may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Last writer wins.
    Replace,
    /// Keeps what is there already (If-None-Match), and answers [`Put::Exists`].
    IfAbsent,
}

/// What a put came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Stored.
    Stored,
    /// There was one already, and it is unchanged.
    Exists,
}

/// Immutable-by-habit blobs: uploads, snapshots, reports. A get sees a whole object or none, never a part of one that is
/// being written; what was stored survives `kill -9`.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Stores a whole object.
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError>;
    /// Begins an object that is too large for memory. Nothing is visible before [`ObjectWriter::finish`].
    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError>;
    /// The object, or a range of it (cut at its end); `None` when there is none.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError>;
    /// Its size; `None` when there is none.
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError>;
    /// Every object under this prefix, by key.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError>;
    /// Removes an object; fine when there is none.
    async fn delete(&self, key: &str) -> Result<(), PortError>;
}

/// An object being written in parts. Dropped without finishing, it leaves nothing behind.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends. Back-pressure: returns when the bytes are on their way.
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError>;
    /// Makes it visible, whole, and durable. Answers its length.
    async fn finish(self: Box<Self>) -> Result<u64, PortError>;
}

/// What a conditional write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Stored.
    Yes,
    /// The condition did not hold: somebody else wrote meanwhile, or it exists already.
    Conflict,
}

/// Campaign records, one document each.
#[async_trait]
pub trait Campaigns: Send + Sync {
    /// Stores a new record; conflict when the id exists.
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError>;
    /// Stores `next` if the stored version is exactly `next.version - 1`.
    async fn update(&self, next: &Campaign) -> Result<Written, PortError>;
    /// Reads one, with all that was written before.
    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError>;
    /// Only its version, with all that was written before: what every worker asks several times a second, so an adapter
    /// that pays by the size of a record keeps it apart. It may run ahead of a `get` that began earlier, never behind one.
    async fn version(&self, id: CampaignId) -> Result<Option<u64>, PortError> {
        Ok(self.get(id).await?.map(|campaign| campaign.version))
    }
    /// The newest `limit` campaigns, newest first.
    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError>;
    /// Reads the fleet's slot.
    async fn slot(&self) -> Result<Slot, PortError>;
    /// Stores `next` if the stored version is exactly `next.version - 1` (a slot never written has version 0).
    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError>;
}

/// The ledger: one record per batch, one per shard. Decisions are those of [`crate::ledger`], applied atomically to each
/// record by itself; what was answered is durable.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Claims many batches; an answer for each, in order.
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError>;
    /// Completes many batches; an answer for each, in order.
    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError>;
    /// Renews many claims; whether each is still held.
    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError>;
    /// Closes many batches after the deadline; whether each is settled.
    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError>;
    /// The records of one bucket: numbers `bucket * LEDGER_BUCKET ..` of a shard, those that exist, in order.
    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError>;
    /// Every shard's record of a campaign that exists (at most 1,000).
    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError>;
    /// Writes down that these shards' envelopes of this attempt are on the queue. Never takes back an expansion of the
    /// same epoch, never replaces a newer epoch.
    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError>;
    /// Writes down that all batches of a shard are on the batch queue. Never replaces a newer epoch.
    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError>;
}

/// What an import did with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Upserted {
    /// Rows taken (new, or at least as new as what was there).
    pub taken: u64,
    /// Rows older than what is stored for the same device.
    pub older: u64,
    /// Rows of users that have the most devices allowed already.
    pub refused: u64,
}

/// The device table: one item per user.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Adds rows by [`UserDevices::merge`]; any number of rows a call, kept whole per user. `refused_rows` gets the
    /// places in `rows` that were refused.
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError>;
    /// The users' items, in order; `None` for those that don't exist. Any number of ids a call; callers ask in order of
    /// [`crate::snapshot::user_hash`] where they can, because adapters may store them so.
    async fn get_many(&self, users: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError>;
    /// Removes dead tokens, each by [`UserDevices::remove_dead`]. Answers how many went.
    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError>;
    /// Users in the table; approximate where counting is dear.
    async fn users(&self) -> Result<u64, PortError>;
}

/// The fleet's rows.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Overwrites this worker's heartbeat row.
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError>;
    /// Removes a worker that says goodbye.
    async fn leave(&self, worker: WorkerId) -> Result<(), PortError>;
    /// Every row written since `after`.
    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError>;
    /// Stores what a worker counted in a second; the same worker and second again replaces it.
    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError>;
    /// Every counter row of a campaign from this second on.
    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError>;
}

/// The audit trail.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends an entry.
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError>;
    /// The newest entries, newest first.
    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError>;
}

/// Access tokens, by their public id. A few dozen records, never deleted.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Stores a new record; conflict when the id exists.
    async fn put_new(&self, token: &TokenRecord) -> Result<Written, PortError>;
    /// Stores `next` if the stored version is exactly `next.version - 1`.
    async fn update(&self, next: &TokenRecord) -> Result<Written, PortError>;
    /// Reads one, with all that was written before.
    async fn get(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError>;
    /// Every record, with all that was written before, by id. One that can't be read is left out with a warning: it must not
    /// hide that another was revoked.
    async fn list(&self) -> Result<Vec<TokenRecord>, PortError>;
}

/// Whoever starts and stops the workers' tasks. Absent where somebody else does: within one process, or by hand.
#[async_trait]
pub trait Scaling: Send + Sync {
    /// Both roles' sizes.
    async fn sizes(&self) -> Result<Vec<FleetSize>, PortError>;
    /// Wants this many tasks of a role. Answers when it is noted down, not when they run.
    async fn scale(&self, role: Role, wanted: u32) -> Result<(), PortError>;
}

/// All ports of one backend.
#[derive(Clone)]
pub struct Backend {
    /// The FIFO queue of shard envelopes.
    pub shards: Arc<dyn Queue>,
    /// The standard queue of batch envelopes.
    pub batches: Arc<dyn Queue>,
    /// Uploads, snapshots, reports.
    pub objects: Arc<dyn ObjectStore>,
    /// Campaign records.
    pub campaigns: Arc<dyn Campaigns>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The device table.
    pub devices: Arc<dyn Devices>,
    /// Heartbeats and counters.
    pub fleet: Arc<dyn Fleet>,
    /// The audit trail.
    pub audit: Arc<dyn Audit>,
    /// Access tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Webhooks, and their log.
    pub webhooks: Arc<dyn Webhooks>,
    /// What all of these are written to, where it can fill up.
    pub disk: Option<Arc<dyn Disk>>,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}
