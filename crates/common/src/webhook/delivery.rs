//! One message to one webhook: who may send it now, and when it is tried again. Pure; the caller writes the result
//! conditionally, so that of several processes one sends.
//!
//! The lease is held against the wall clocks of the processes: one that is ahead takes a delivery over early, and the
//! receiver sees the same `webhook-id` twice. That is allowed; losing one is not.

use super::{Event, HookId, MessageId};
use crate::ids::CampaignId;
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Pauses between attempts: the first attempt is at once, the last one 23 h 43 min later.
pub const PAUSES: [Duration; 10] = [
    SECOND.saturating_mul(5),
    SECOND.saturating_mul(30),
    MINUTE.saturating_mul(2),
    MINUTE.saturating_mul(10),
    MINUTE.saturating_mul(30),
    HOUR,
    HOUR.saturating_mul(2),
    HOUR.saturating_mul(4),
    HOUR.saturating_mul(8),
    HOUR.saturating_mul(8),
];
/// A receiver may ask for a longer pause than ours, up to this.
pub const PAUSE_ASKED_MAX: Duration = Duration::from_secs(2 * 3_600);
/// An attempt ends after this, whatever the receiver does.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(15);
/// Whoever claimed a delivery has it for so long: an attempt, and time to write down what came.
pub const LEASE: Duration = Duration::from_secs(30);
/// What happened longer ago is not told any more: nobody was there to tell it.
pub const TOLD_WITHIN: Duration = Duration::from_secs(24 * 3_600);
/// Deliveries that are still to be tried happened less than this ago: [`TOLD_WITHIN`], all pauses, the longest ones that
/// receivers may ask for, and a little.
pub const OPEN_FOR: Duration = Duration::from_secs(70 * 3_600);
/// A backend may forget deliveries whose event is older than this.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// The pause that it asked for.
        retry_after: Option<Duration>,
        /// The beginning of its text.
        text: String,
    },
    /// None, and why, in a sentence.
    Nothing(String),
}

/// The last attempt, as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// When it ended.
    pub at: UnixMs,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// Why it was no success, in a sentence.
    pub error: Option<String>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// To be tried (again).
    Waiting {
        /// Not before this.
        next_at: UnixMs,
    },
    /// The receiver said 2xx.
    Delivered {
        /// When.
        at: UnixMs,
    },
    /// It is not tried again.
    GivenUp {
        /// Since when.
        at: UnixMs,
    },
}

/// A message to one webhook, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// To whom.
    pub hook: HookId,
    /// What the log is sorted by: a time of the campaign's record, the same for every process that sees the event. Of `half`
    /// it is the press.
    pub at: UnixMs,
    /// Its `webhook-id`.
    pub message: MessageId,
    /// Raised by every write: a write names the version that it read.
    pub version: u64,
    /// What it is about.
    pub event: Event,
    /// Which campaign it is about.
    pub campaign: Option<CampaignId>,
    /// The body, the same in every attempt.
    pub body: String,
    /// Attempts begun.
    pub attempts: u32,
    /// The last one that ended.
    pub last: Option<Attempt>,
    /// Until when somebody is sending it.
    pub held_until: Option<UnixMs>,
    /// Where it stands.
    pub progress: Progress,
}

impl Delivery {
    /// A new one, to be sent at once.
    #[must_use]
    pub fn new(
        hook: HookId,
        at: UnixMs,
        message: MessageId,
        event: Event,
        campaign: Option<CampaignId>,
        body: String,
    ) -> Self {
        // At once by everybody's clock: `at` may be of one that is ahead.
        let progress = Progress::Waiting { next_at: UnixMs(0) };
        Self {
            hook,
            at,
            message,
            version: 1,
            event,
            campaign,
            body,
            attempts: 0,
            last: None,
            held_until: None,
            progress,
        }
    }

    /// When somebody may send it; `None` when nobody is to any more.
    #[must_use]
    pub fn due_at(&self) -> Option<UnixMs> {
        let Progress::Waiting { next_at } = self.progress else { return None };
        Some(self.held_until.map_or(next_at, |until| until.max(next_at)))
    }

    /// The record of somebody who sends it now; `None` when it is not due.
    #[must_use]
    pub fn claim(&self, now: UnixMs) -> Option<Self> {
        let due = self.due_at().is_some_and(|at| at <= now);
        let (version, attempts) = (self.version + 1, self.attempts.saturating_add(1));
        due.then(|| Self { version, attempts, held_until: Some(now.plus(LEASE)), ..self.clone() })
    }

    /// The record of somebody who claimed it and ends before an answer came: it is due as it was, and has used up no
    /// attempt.
    #[must_use]
    pub fn give_back(&self) -> Self {
        let (version, attempts) = (self.version + 1, self.attempts.saturating_sub(1));
        Self { version, attempts, held_until: None, ..self.clone() }
    }

    /// The record once an attempt ended.
    #[must_use]
    pub fn settle(&self, came: &Came, now: UnixMs) -> Self {
        let (status, error) = match came {
            Came::Answer { status, .. } => (Some(*status), refusal(*status)),
            Came::Nothing(why) => (None, Some(why.clone())),
        };
        let progress = match (came, self.pause(came)) {
            (Came::Answer { status: 200..=299, .. }, _) => Progress::Delivered { at: now },
            (Came::Answer { status: GONE, .. }, _) | (_, None) => Progress::GivenUp { at: now },
            (_, Some(pause)) => Progress::Waiting { next_at: now.plus(pause) },
        };
        let last = Some(Attempt { at: now, status, error });
        Self { version: self.version + 1, last, held_until: None, progress, ..self.clone() }
    }

    /// The record of one that was tried once, and is not tried again.
    #[must_use]
    pub fn settle_for_good(&self, came: &Came, now: UnixMs) -> Self {
        let settled = self.settle(came, now);
        match settled.progress {
            Progress::Waiting { .. } => Self { progress: Progress::GivenUp { at: now }, ..settled },
            _ => settled,
        }
    }

    /// The pause before the next attempt; `None` after the last one. A receiver may make it longer, not shorter.
    fn pause(&self, came: &Came) -> Option<Duration> {
        let ended = usize::try_from(self.attempts).unwrap_or(usize::MAX).max(1);
        let ours = *PAUSES.get(ended - 1)?;
        let asked = match came {
            Came::Answer { retry_after, .. } => retry_after.unwrap_or_default().min(PAUSE_ASKED_MAX),
            Came::Nothing(_) => Duration::ZERO,
        };
        Some(ours.max(asked))
    }
}

/// The receiver wants nothing more, ever.
pub const GONE: u16 = 410;

/// Why a status is no success, in a sentence; `None` when it is one.
fn refusal(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => {
            Some(format!("it answered {status}: redirects are not followed, so give the last address"))
        }
        GONE => Some("it answered 410: it wants no more messages, and the webhook is disabled".to_owned()),
        _ => Some(format!("it answered {status}, and 2xx is success")),
    }
}
