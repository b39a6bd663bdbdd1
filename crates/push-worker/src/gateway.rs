//! The seam between draining and the gateways: a group of pushes goes in, an answer for each comes out.
//!
//! A gateway's answer is not an error. What to do about each is decided in one place, by the worker.

use async_trait::async_trait;
use common::content::Content;
use common::device::{Platform, TargetRef};
use common::fleet::LinkRow;
use common::ids::CampaignId;
use common::outcome::Outcome;
use common::time::UnixMs;
use std::time::Duration;

/// One device of a batch, on its way.
#[derive(Clone, Copy, Debug)]
pub struct Push<'a> {
    /// Its place in the batch.
    pub place: u16,
    /// Where it is reached.
    pub target: TargetRef<'a>,
    /// Number of its locale in the snapshot's manifest.
    pub locale: u8,
}

/// Asked before each group of writes: may bytes leave at this instant? False once the campaign was stopped, the look at it
/// is too old, the claim's lease nears its end, or the deadline has passed.
pub type MaySend<'a> = &'a dyn Fn() -> bool;

/// What a gateway said to one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Accepted,
    /// The token is dead, since when if the gateway said so.
    TokenGone {
        /// From the body of APNs' 410.
        since: Option<UnixMs>,
    },
    /// Refused for good: the outcome to record.
    Rejected(Outcome),
    /// Too fast. For the rate in general, or (`device`) for this one device.
    Throttled {
        /// As Retry-After said.
        retry_after: Option<Duration>,
        /// Only this device is throttled.
        device: bool,
    },
    /// 500 or 503: one more try elsewhere may help.
    Unavailable {
        /// As Retry-After said.
        retry_after: Option<Duration>,
    },
    /// Refused because of our credentials or configuration: wrong for everybody if it is not just this row.
    Misconfigured,
    /// Our token had expired; it has been renewed, so that a second try may succeed.
    CredentialsExpired,
    /// Never written, or the gateway said that it was not processed (GOAWAY, REFUSED_STREAM): send it again freely.
    NotSent,
    /// Handed to the kernel and never answered.
    Ambiguous,
}

/// One push's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which device.
    pub place: u16,
    /// What was said.
    pub answer: Answer,
    /// When.
    pub at: UnixMs,
}

/// What a gateway said to one push in its own words: a twin keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which device.
    pub place: u16,
    /// HTTP status.
    pub status: u16,
    /// The gateway's id of the notification.
    pub id: Option<String>,
    /// Its word for the reason.
    pub reason: Option<String>,
}

/// What a twin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It sends.
    Real,
    /// Nothing reaches a phone: FCM only looks at messages (`validate_only`), APNs is not asked, because it can't be.
    Dry,
}

/// What a run of sending is about: rendered once per campaign, not per push.
#[derive(Clone, Debug)]
pub struct Prepare<'a> {
    /// The campaign: its id is the collapse id when the content names none.
    pub campaign: CampaignId,
    /// What it says.
    pub content: &'a Content,
    /// The locales that pushes number.
    pub locales: &'a [String],
}

/// A connection pool to APNs or FCM, owned by one lane (an OS thread with a current-thread runtime).
#[async_trait(?Send)]
pub trait Gateway {
    /// Which gateway it is.
    fn platform(&self) -> Platform;

    /// Renders the content for every locale, mints credentials, opens the connections. Answers the largest payload, in
    /// bytes. Called again when campaign, content or locales change.
    ///
    /// # Errors
    /// In words for a person: what is wrong and what to do.
    async fn prepare(&self, what: &Prepare<'_>) -> Result<u32, String>;

    /// Sends a group and waits for every answer, at most `patience` for each once written. Bounded by its streams: a slow
    /// gateway makes this call slow, and nothing grows. Answers exactly one entry per push, in any order.
    ///
    /// `deadline_at` goes into each request (apns-expiration, ttl).
    async fn send(
        &self,
        pushes: &[Push<'_>],
        deadline_at: UnixMs,
        may_send: MaySend<'_>,
        patience: Duration,
    ) -> Vec<Answered>;

    /// The campaign was stopped: what was written and is not read by the other side within this leaves no more, and its pushes
    /// are answered at once, as not sent or as ambiguous. Nothing to do where nothing is held back.
    fn fence(&self, _within: Duration) {}

    /// Another gateway with the same configuration and credentials, one connection of its own, and an ear for what is said:
    /// for test sends. What it does is its own; this one does not notice. `None` where there is no such thing.
    fn twin(&self, _: Trial) -> Option<Box<dyn Gateway>> {
        None
    }

    /// What was said to the pushes of the last [`Gateway::send`], once. Only a twin knows.
    fn said(&self) -> Vec<Said> {
        Vec::new()
    }

    /// Its connections, for the heartbeat.
    fn link(&self) -> LinkRow;

    /// Whether everything it reaches is a stand-in: the rehearsal type, with its own CA only.
    fn is_rehearsal(&self) -> bool;

    /// Closes its connections politely.
    async fn close(&self);
}
