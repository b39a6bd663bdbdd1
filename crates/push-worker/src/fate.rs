//! What an answer means for its device: recorded, or tried again. One exhaustive match, pure.

use crate::breaker::Health;
use crate::gateway::Answer;
use crate::retry::{self, Later};
use common::envelope::BatchEnvelope;
use common::outcome::Outcome;
use common::time::UnixMs;
use std::time::Duration;

/// What is put back because the whole fleet's breakers tripped comes again after this at most; it costs no attempt.
pub(crate) const TRIPPED_PAUSE: Duration = Duration::from_secs(10);
/// The same while only this worker tripped: the others can take it.
pub(crate) const TRIPPED_PAUSE_ALONE: Duration = Duration::from_secs(1);

/// What becomes of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// This is its outcome.
    Record(Outcome),
    /// It stays unsent, and comes again.
    Again(Later),
    /// It may have been sent: recorded as ambiguous, and sent again because the campaign says so.
    Resend(Later),
}

/// What the decision depends on besides the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The envelope: attempts, deadline.
    pub(crate) batch: &'a BatchEnvelope,
    /// The gateway's breaker.
    pub(crate) health: Health,
    /// How long what a tripped breaker puts back stays away.
    pub(crate) tripped_pause: Duration,
    /// The campaign's choice.
    pub(crate) resend_ambiguous: bool,
    /// The wall clock.
    pub(crate) now: UnixMs,
}

/// Whether a second request at once, on another connection, may help.
pub(crate) fn wants_second_try(answer: Answer) -> bool {
    match answer {
        Answer::NotSent | Answer::CredentialsExpired | Answer::Unavailable { retry_after: None } => true,
        Answer::Unavailable { retry_after: Some(_) }
        | Answer::Accepted
        | Answer::TokenGone { .. }
        | Answer::Rejected(_)
        | Answer::Throttled { .. }
        | Answer::Misconfigured
        | Answer::Ambiguous => false,
    }
}

/// How an answer counts for the breaker: success, failure, or neither.
pub(crate) fn is_success(answer: Answer) -> Option<bool> {
    match answer {
        // A dead token was looked up: our side is right.
        Answer::Accepted | Answer::TokenGone { .. } => Some(true),
        Answer::Rejected(_)
        | Answer::Misconfigured
        | Answer::CredentialsExpired
        | Answer::Unavailable { .. }
        | Answer::Ambiguous => Some(false),
        // Not an answer of the gateway about us: pacing and the transport take care of these.
        Answer::Throttled { .. } | Answer::NotSent => None,
    }
}

/// Whether what a tripped breaker puts back has a time to come again; else its refusal is written down as it is.
fn comes_again(around: &Around<'_>) -> bool {
    around.now.plus(around.tripped_pause) < around.batch.head.deadline_at
}

/// Decides what becomes of the device at `place`.
pub(crate) fn fate(place: u16, answer: Answer, around: &Around<'_>) -> Fate {
    let batch = around.batch;
    let back_off = || retry::back_off(batch.key, batch.attempt);
    let tripped = || {
        let after = retry::spread(around.tripped_pause, batch.key, batch.attempt);
        Fate::Again(Later { place, counts: false, after })
    };
    let again_or = |after: Duration, outcome| {
        let worth = retry::is_worth_it(batch.attempt, after, around.now, batch.head.deadline_at);
        if worth { Fate::Again(Later { place, counts: true, after }) } else { Fate::Record(outcome) }
    };
    match answer {
        Answer::Accepted => Fate::Record(Outcome::Accepted),
        Answer::TokenGone { .. } => Fate::Record(Outcome::Unregistered),
        Answer::Rejected(_)
        | Answer::Misconfigured
        | Answer::CredentialsExpired
        | Answer::Unavailable { .. }
            if around.health == Health::Tripped && comes_again(around) =>
        {
            tripped()
        }
        Answer::Rejected(outcome) => Fate::Record(outcome),
        Answer::Throttled { retry_after, device: true } => {
            again_or(retry_after.unwrap_or_else(back_off), Outcome::TooManyRequests)
        }
        Answer::Throttled { retry_after, device: false } => {
            again_or(retry_after.unwrap_or_else(back_off), Outcome::QuotaExceeded)
        }
        Answer::Unavailable { retry_after } => {
            again_or(retry_after.unwrap_or_else(back_off), Outcome::GatewayUnavailable)
        }
        Answer::Misconfigured | Answer::CredentialsExpired if around.health == Health::Suspect => {
            again_or(back_off(), Outcome::Misconfigured)
        }
        Answer::Misconfigured | Answer::CredentialsExpired => Fate::Record(Outcome::Misconfigured),
        Answer::NotSent => {
            Fate::Again(Later { place, counts: false, after: retry::soon(batch.key, batch.attempt) })
        }
        Answer::Ambiguous if around.resend_ambiguous => match again_or(back_off(), Outcome::Ambiguous) {
            Fate::Again(later) => Fate::Resend(later),
            other => other,
        },
        Answer::Ambiguous => Fate::Record(Outcome::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::envelope::Head;
    use common::ids::{BatchKey, BatchNo, CampaignId, ContentId, Epoch, ShardNo, SnapshotId};
    use common::limits::ATTEMPTS_MAX;

    fn batch(attempt: u8) -> BatchEnvelope {
        let head = Head {
            campaign: CampaignId::random(),
            epoch: Epoch(1),
            snapshot: SnapshotId([0; 32]),
            content: ContentId([0; 32]),
            shards: 1,
            batch_users: 100,
            pressed_at: UnixMs(0),
            deadline_at: UnixMs(60_000),
        };
        let key = BatchKey { shard: ShardNo(0), number: BatchNo(0) };
        BatchEnvelope { head, key, attempt, only: vec![], devices: 1, body: bytes::Bytes::new() }
    }

    fn decided(answer: Answer, attempt: u8, health: Health) -> Fate {
        let batch = batch(attempt);
        let around = Around {
            batch: &batch,
            health,
            tripped_pause: TRIPPED_PAUSE,
            resend_ambiguous: false,
            now: UnixMs(0),
        };
        fate(0, answer, &around)
    }

    /// `Some(counts)` when it is tried again.
    fn again(fate: Fate) -> Option<bool> {
        match fate {
            Fate::Again(later) => Some(later.counts),
            Fate::Record(_) | Fate::Resend(_) => None,
        }
    }

    const RATE: Answer = Answer::Throttled { retry_after: None, device: false };
    const DOWN: Answer = Answer::Unavailable { retry_after: None };

    #[test]
    fn temporary_answers_are_tried_again_until_the_last_attempt() {
        let ends = [(RATE, Outcome::QuotaExceeded), (DOWN, Outcome::GatewayUnavailable)];
        for (answer, outcome) in ends {
            assert_eq!(again(decided(answer, 0, Health::Well)), Some(true));
            let last = decided(answer, ATTEMPTS_MAX - 1, Health::Well);
            assert_eq!(last, Fate::Record(outcome));
        }
        let late = Answer::Throttled { retry_after: Some(Duration::from_secs(61)), device: false };
        assert_eq!(
            decided(late, 0, Health::Well),
            Fate::Record(Outcome::QuotaExceeded),
            "after the deadline"
        );
        assert_eq!(again(decided(Answer::NotSent, u8::MAX, Health::Well)), Some(false), "free for ever");
    }

    #[test]
    fn faults_of_ours_are_recorded_only_while_the_gateway_does_well() {
        let (ours, row) = (Answer::Misconfigured, Answer::Rejected(Outcome::BadDeviceToken));
        assert_eq!(decided(ours, 0, Health::Well), Fate::Record(Outcome::Misconfigured));
        assert_eq!(again(decided(ours, 0, Health::Suspect)), Some(true));
        assert_eq!(decided(ours, ATTEMPTS_MAX - 1, Health::Suspect), Fate::Record(Outcome::Misconfigured));
        assert_eq!(decided(row, 0, Health::Suspect), Fate::Record(Outcome::BadDeviceToken));
        for answer in [ours, row, DOWN, Answer::CredentialsExpired] {
            assert_eq!(again(decided(answer, ATTEMPTS_MAX - 1, Health::Tripped)), Some(false));
        }
    }

    #[test]
    fn what_is_known_is_recorded_whatever_the_breaker_says() {
        for health in [Health::Well, Health::Suspect, Health::Tripped] {
            assert_eq!(decided(Answer::Accepted, 0, health), Fate::Record(Outcome::Accepted));
            assert_eq!(
                decided(Answer::TokenGone { since: None }, 0, health),
                Fate::Record(Outcome::Unregistered)
            );
            assert_eq!(decided(Answer::Ambiguous, 0, health), Fate::Record(Outcome::Ambiguous));
        }
    }
}
