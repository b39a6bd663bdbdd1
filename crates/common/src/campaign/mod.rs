//! A campaign's record: one document with a version, changed by conditional writes only.
//!
//! [`actions`] holds the state table: who may do what when. Nothing here does I/O.

pub mod actions;
pub mod arming;
mod options;
mod refusal;
#[cfg(test)]
pub(crate) mod tests;

pub use actions::Decision;
pub use arming::Arming;
pub use options::Options;
pub use refusal::{Refusal, RefusalCode};

use crate::content::Content;
use crate::fleet::Expect;
use crate::ids::{CampaignId, ContentId, Epoch, SnapshotId, WorkerId};
use crate::report::Books;
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a campaign stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Created, no audience yet.
    Draft,
    /// Its snapshot is being built.
    Building,
    /// The build did not work; the record says why.
    Failed,
    /// It has a snapshot and can be armed.
    Ready,
    /// Frozen and loaded: the button works.
    Armed,
    /// Pressed.
    Sending,
    /// Stopped by a person; some claims are still out.
    Stopping,
    /// Nothing more leaves; the rest can be resumed.
    Stopped,
    /// Every device has its outcome.
    Done,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 9] = [
        Self::Draft,
        Self::Building,
        Self::Failed,
        Self::Ready,
        Self::Armed,
        Self::Sending,
        Self::Stopping,
        Self::Stopped,
        Self::Done,
    ];

    /// Its name as people read it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Building => "building",
            Self::Failed => "failed",
            Self::Ready => "ready",
            Self::Armed => "armed",
            Self::Sending => "sending",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

/// Who did something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// The person's name.
    pub by: String,
    /// When it was written down.
    pub at: UnixMs,
}

impl Stamp {
    /// `by`, now.
    #[must_use]
    pub fn new(by: &str, at: UnixMs) -> Self {
        Self { by: by.to_owned(), at }
    }
}

/// How a list of user ids is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListFormat {
    /// Comma-separated with a header that has `user_id`.
    Csv,
    /// One JSON object with `user_id`, or one JSON string, a line.
    Ndjson,
    /// One id a line.
    Plain,
}

/// An uploaded list, as it lies in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// Object key.
    pub object: String,
    /// How it is written.
    pub format: ListFormat,
    /// Bytes as stored.
    pub bytes: u64,
    /// Who uploaded it, and when.
    pub stamp: Stamp,
}

/// The build of a snapshot, under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Who builds; `None` when nobody does.
    pub holder: Option<WorkerId>,
    /// Until when the holder has it.
    pub lease_until: UnixMs,
    /// What it is doing, for people.
    pub stage: String,
    /// Users done in this stage.
    pub done: u64,
    /// Users to do in this stage, as far as known.
    pub total: u64,
    /// When the first holder began.
    pub started_at: UnixMs,
}

/// Why a user or a device of the upload is not in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The line is not a user id.
    BadLine,
    /// The id stood on an earlier line too.
    Duplicate,
    /// Nobody with this id has a device.
    Unknown,
    /// The user wants no notifications.
    OptedOut,
    /// The user is known, but none of their devices is left (dead, another app, or another user's by now).
    NoDevice,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::BadLine, Self::Duplicate, Self::Unknown, Self::OptedOut, Self::NoDevice];

    /// Its name in files and reports.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::BadLine => "bad_line",
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
            Self::OptedOut => "opted_out",
            Self::NoDevice => "no_device",
        }
    }
}

/// A finished snapshot, as the campaign's record names it. `uploaded = users + dropped`, each counted by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotRef {
    /// Its content hash.
    pub id: SnapshotId,
    /// Lines that should name a user.
    pub uploaded: u64,
    /// Users in it.
    pub users: u64,
    /// Devices in it, by gateway label.
    pub devices: BTreeMap<String, u64>,
    /// Batches in it.
    pub batches: u64,
    /// Users left out, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Devices left out of users that are in, or of users that lost their last one, by reason.
    pub dropped_devices: BTreeMap<String, u64>,
    /// When it was finished.
    pub built_at: UnixMs,
    /// How long the build took, in milliseconds.
    pub build_ms: u64,
}

impl SnapshotRef {
    /// All devices of both gateways.
    #[must_use]
    pub fn device_count(&self) -> u64 {
        self.devices.values().sum()
    }
}

/// What arming froze. No worker's configuration can change what "shard 3, batch 7" means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The content.
    pub content: ContentId,
    /// Shards.
    pub shards: u16,
    /// Users of a batch.
    pub batch_users: u16,
    /// Deadline after press, canary or resume, in milliseconds.
    pub deadline_ms: u64,
}

/// A campaign that was armed: by whom, expecting what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Armed {
    /// Who armed it, and when.
    pub stamp: Stamp,
    /// What was frozen.
    pub frozen: Frozen,
    /// The fleet that was asked for.
    pub expect: Expect,
    /// Checks that were overridden, with the reason given.
    pub overrides: BTreeMap<String, String>,
}

/// What started a run of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A small share of the batches, while armed.
    Canary,
    /// The press.
    Press,
    /// The rest, after a stop.
    Resume,
}

/// One run of sending: an epoch and a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// What started it.
    pub kind: RunKind,
    /// Its epoch.
    pub epoch: Epoch,
    /// Who, and when.
    pub stamp: Stamp,
    /// Nothing is sent after this.
    pub deadline_at: UnixMs,
}

/// A stop: when it was asked for, and when nothing more could leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// Who asked, and when.
    pub stamp: Stamp,
    /// When the last claim was settled.
    pub stopped_at: Option<UnixMs>,
}

/// The record of one campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// Its name, for people.
    pub name: String,
    /// Raised by every write: a write names the version that it read.
    pub version: u64,
    /// Where it stands.
    pub state: State,
    /// Raised by canary, press, abort and resume.
    pub epoch: Epoch,
    /// Who created it, and when.
    pub created: Stamp,
    /// What it sends.
    pub content: Content,
    /// Hash of the content.
    pub content_id: ContentId,
    /// Choices.
    pub options: Options,
    /// The audience as uploaded.
    pub upload: Option<Upload>,
    /// The build that is under way or was the last.
    pub build: Option<Build>,
    /// The snapshot, once built.
    pub snapshot: Option<SnapshotRef>,
    /// Why the build failed.
    pub failure: Option<String>,
    /// Who wants it armed, where that takes two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arming: Option<Arming>,
    /// Set while armed and from then on.
    pub armed: Option<Armed>,
    /// The first press: who pressed, and when, for everybody who presses later.
    pub pressed: Option<Stamp>,
    /// Runs of sending so far, the newest last.
    pub runs: Vec<Run>,
    /// Stops so far, the newest last.
    pub stops: Vec<Stop>,
    /// The final books, or those of the last stop.
    pub books: Option<Books>,
    /// When the last device had its outcome.
    pub done_at: Option<UnixMs>,
    /// Dead tokens taken out of the device table after it was done; `None` until that has been seen to.
    pub tokens_removed: Option<u64>,
    /// Since when somebody is taking them out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing_since: Option<UnixMs>,
}

impl Campaign {
    /// A new one, in draft. `content` and `options` are already checked.
    #[must_use]
    pub fn new(name: &str, content: Content, options: Options, created: Stamp) -> Self {
        Self {
            id: CampaignId::random(),
            name: name.to_owned(),
            version: 1,
            state: State::Draft,
            epoch: Epoch(0),
            created,
            content_id: content.id(),
            content,
            options,
            upload: None,
            build: None,
            snapshot: None,
            failure: None,
            arming: None,
            armed: None,
            pressed: None,
            runs: Vec::new(),
            stops: Vec::new(),
            books: None,
            done_at: None,
            tokens_removed: None,
            removing_since: None,
        }
    }

    /// The run that may send now: the newest one, while armed (a canary) or sending, and if it is of this epoch.
    #[must_use]
    pub fn live_run(&self) -> Option<&Run> {
        let run = self.runs.last()?;
        let on = match run.kind {
            RunKind::Canary => self.state == State::Armed,
            RunKind::Press | RunKind::Resume => self.state == State::Sending,
        };
        (on && run.epoch == self.epoch).then_some(run)
    }

    /// What was frozen when it was armed.
    #[must_use]
    pub fn frozen(&self) -> Option<&Frozen> {
        self.armed.as_ref().map(|a| &a.frozen)
    }

    /// When the first press happened: what all times in reports count from.
    #[must_use]
    pub fn pressed_at(&self) -> Option<UnixMs> {
        self.pressed.as_ref().map(|p| p.at)
    }

    /// Whether anything of it may have reached a phone already.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        !self.runs.is_empty()
    }
}
