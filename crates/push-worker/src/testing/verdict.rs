//! What a gateway's answers mean to whoever asked for a test.

use crate::gateway::{Answer, Answered, Said};
use common::outcome::Outcome;
use common::test_send::{Told, Verdict};
use common::time::UnixMs;

pub(super) fn told(place: u16, verdict: Verdict) -> Told {
    Told { place, verdict, status: None, reason: None, gateway_id: None, ms: None }
}

pub(super) fn tell(
    place: u16,
    answered: Option<&Answered>,
    said: Option<&Said>,
    began: UnixMs,
    dry_run: bool,
) -> Told {
    let Some(answered) = answered else { return told(place, Verdict::NoAnswer) };
    let verdict = match verdict(answered.answer) {
        Verdict::Accepted if dry_run => Verdict::Valid,
        other => other,
    };
    let ms = said.map(|_| u64::try_from(answered.at.since(began).as_millis()).unwrap_or(u64::MAX));
    Told {
        place,
        verdict,
        status: said.map(|s| s.status),
        reason: said.and_then(|s| s.reason.clone()),
        gateway_id: said.and_then(|s| s.id.clone()),
        ms,
    }
}

fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Accepted => Verdict::Accepted,
        Answer::TokenGone { .. } => Verdict::Unregistered,
        Answer::Rejected(outcome) => refused(outcome),
        Answer::Throttled { .. } => Verdict::Throttled,
        Answer::Unavailable { .. } => Verdict::GatewayUnavailable,
        Answer::Misconfigured | Answer::CredentialsExpired => Verdict::Misconfigured,
        Answer::NotSent => Verdict::NotSent,
        Answer::Ambiguous => Verdict::NoAnswer,
    }
}

fn refused(outcome: Outcome) -> Verdict {
    match outcome {
        Outcome::Accepted => Verdict::Accepted,
        Outcome::Ambiguous => Verdict::NoAnswer,
        Outcome::Unregistered => Verdict::Unregistered,
        Outcome::BadDeviceToken => Verdict::BadDeviceToken,
        Outcome::TokenNotForTopic => Verdict::TokenNotForTopic,
        Outcome::SenderIdMismatch => Verdict::SenderIdMismatch,
        Outcome::PayloadTooLarge => Verdict::PayloadTooLarge,
        Outcome::BadRequest => Verdict::BadRequest,
        Outcome::TooManyRequests | Outcome::QuotaExceeded => Verdict::Throttled,
        Outcome::GatewayUnavailable => Verdict::GatewayUnavailable,
        Outcome::Misconfigured => Verdict::Misconfigured,
        Outcome::Unsent | Outcome::Expired => Verdict::NotSent,
        Outcome::Unsendable => Verdict::NoGateway,
        Outcome::Unknown => Verdict::Unknown,
    }
}
