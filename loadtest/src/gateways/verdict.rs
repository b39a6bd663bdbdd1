//! How one request ends: the platform's validation first, then the faults that were asked for, then the token's fate.

use bytes::Bytes;

use super::behaviour::{Behaviour, Fate, Fault};
use super::head::Head;
use super::journal::Platform;
use super::reason::{Class, Reason};
use super::shared::{Moment, Shared};
use super::{apns, fcm};

/// A request's body, cut off where no payload can be right any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    /// Its beginning.
    pub(super) kept: &'a [u8],
    /// Bytes that came in all.
    pub(super) len: usize,
}

/// An answer, ready to be sent (or, for some reasons, to be not sent).
pub(super) struct Verdict {
    pub(super) reason: Reason,
    pub(super) token_hash: Option<u64>,
    pub(super) apns_id: Option<[u8; 36]>,
    pub(super) retry_after_s: Option<u32>,
    pub(super) body: Bytes,
}

impl Verdict {
    /// What the sink says to everything: 200, about nobody.
    pub(super) fn sunk(platform: Platform) -> Self {
        let reason = match platform {
            Platform::Apns => Reason::ApnsAccepted,
            Platform::Fcm => Reason::FcmAccepted,
        };
        Self { reason, token_hash: None, apns_id: None, retry_after_s: None, body: Bytes::new() }
    }
}

/// What a connection remembers from one request to the next, to verify as little as possible twice.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) apns: apns::Memory,
    pub(super) fcm: fcm::Memory,
}

/// Decides how a request ends.
pub(super) fn decide(
    shared: &Shared,
    behaviour: &Behaviour,
    platform: Platform,
    head: &Head<'_>,
    body: Body<'_>,
    memory: &mut Memory,
    now: Moment,
) -> Verdict {
    match platform {
        Platform::Apns => {
            let judged = apns::judge(shared, behaviour, head, body, &mut memory.apns, now);
            let reason =
                judged.outcome.map_or_else(|reason| reason, |hash| apns_fate(shared, behaviour, hash, now));
            apns::answer(shared, behaviour, head, reason, judged.token_hash)
        }
        Platform::Fcm => {
            let mut judged = fcm::judge(shared, behaviour, head, body, &mut memory.fcm, now);
            if judged.reason.class() == Class::Accepted || judged.reason == Reason::FcmValidated {
                judged.reason = fcm_fate(shared, behaviour, &judged, now);
            }
            fcm::answer(shared, behaviour, &judged)
        }
    }
}

fn fault(shared: &Shared, behaviour: &Behaviour, platform: Platform, now: Moment) -> Option<Fault> {
    let since_ms = || shared.journal.since_start_ms(now.instant);
    behaviour.fault_at(shared.next_request(), platform, since_ms)
}

fn apns_fate(shared: &Shared, behaviour: &Behaviour, token_hash: u64, now: Moment) -> Reason {
    match (fault(shared, behaviour, Platform::Apns, now), behaviour.fate(token_hash)) {
        (Some(Fault::Unavailable), _) => Reason::ApnsUnavailable,
        (Some(Fault::InternalError), _) => Reason::ApnsInternal,
        (Some(Fault::Throttle), _) => Reason::ApnsTooManyRequests,
        (Some(Fault::Reset), _) => Reason::ApnsReset,
        (Some(Fault::Stall), _) => Reason::ApnsStalled,
        (None, Fate::Dead) if behaviour.death(token_hash).1 => Reason::ApnsExpiredToken,
        (None, Fate::Dead) => Reason::ApnsUnregistered,
        (None, Fate::Bad) => Reason::ApnsBadDeviceToken,
        (None, Fate::Mismatched) => Reason::ApnsNotForTopic,
        (None, Fate::Alive) => Reason::ApnsAccepted,
    }
}

fn fcm_fate(shared: &Shared, behaviour: &Behaviour, judged: &fcm::Judged, now: Moment) -> Reason {
    let fate = behaviour.fate(judged.token_hash.unwrap_or(0));
    match (fault(shared, behaviour, Platform::Fcm, now), fate) {
        (Some(Fault::Unavailable), _) => Reason::FcmUnavailable,
        (Some(Fault::InternalError), _) => Reason::FcmInternal,
        (Some(Fault::Throttle), _) => Reason::FcmThrottled,
        (Some(Fault::Reset), _) => Reason::FcmReset,
        (Some(Fault::Stall), _) => Reason::FcmStalled,
        (None, Fate::Dead) => Reason::FcmUnregistered,
        (None, Fate::Bad) => Reason::FcmBadToken,
        (None, Fate::Mismatched) => Reason::FcmSenderMismatch,
        (None, Fate::Alive) => judged.reason,
    }
}
