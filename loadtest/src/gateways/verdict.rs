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
    /// If no answer leaves, it is accepted all the same.
    pub(super) accepted_unheard: bool,
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
        Self {
            reason,
            accepted_unheard: false,
            token_hash: None,
            apns_id: None,
            retry_after_s: None,
            body: Bytes::new(),
        }
    }

    /// What the request came to if no answer left; `otherwise` if it was not accepted all the same.
    pub(super) fn unheard(&self, platform: Platform, otherwise: Reason) -> Reason {
        match platform {
            _ if !self.accepted_unheard => otherwise,
            Platform::Apns => Reason::ApnsAcceptedUnheard,
            Platform::Fcm => Reason::FcmAcceptedUnheard,
        }
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
            let end = |hash| befall(shared, behaviour, platform, apns_fate(behaviour, hash), now);
            let (reason, accepted_unheard) = judged.outcome.map_or_else(|reason| (reason, false), end);
            Verdict { accepted_unheard, ..apns::answer(shared, behaviour, head, reason, judged.token_hash) }
        }
        Platform::Fcm => {
            let mut judged = fcm::judge(shared, behaviour, head, body, &mut memory.fcm, now);
            let mut accepted_unheard = false;
            if judged.reason.class() == Class::Accepted || judged.reason == Reason::FcmValidated {
                let fate = fcm_fate(behaviour, &judged);
                (judged.reason, accepted_unheard) = befall(shared, behaviour, platform, fate, now);
            }
            Verdict { accepted_unheard, ..fcm::answer(shared, behaviour, &judged) }
        }
    }
}

/// How a good request ends whose token has this `fate`: that, or the fault that hits it; and whether it is accepted even if no
/// answer leaves.
fn befall(
    shared: &Shared,
    behaviour: &Behaviour,
    platform: Platform,
    fate: Reason,
    now: Moment,
) -> (Reason, bool) {
    let number = shared.next_request();
    let fault = behaviour.fault_at(number, platform, || shared.journal.since_start_ms(now.instant));
    let looked_at = matches!(fault, None | Some(Fault::Reset | Fault::Stall));
    let accepted_unheard = looked_at && fate.class() == Class::Accepted && behaviour.accepts_unheard(number);
    let reason = match (fault, platform) {
        (None, _) => fate,
        (Some(Fault::Unavailable), Platform::Apns) => Reason::ApnsUnavailable,
        (Some(Fault::InternalError), Platform::Apns) => Reason::ApnsInternal,
        (Some(Fault::Throttle), Platform::Apns) => Reason::ApnsTooManyRequests,
        (Some(Fault::Reset), Platform::Apns) => Reason::ApnsReset,
        (Some(Fault::Stall), Platform::Apns) => Reason::ApnsStalled,
        (Some(Fault::Unavailable), Platform::Fcm) => Reason::FcmUnavailable,
        (Some(Fault::InternalError), Platform::Fcm) => Reason::FcmInternal,
        (Some(Fault::Throttle), Platform::Fcm) => Reason::FcmThrottled,
        (Some(Fault::Reset), Platform::Fcm) => Reason::FcmReset,
        (Some(Fault::Stall), Platform::Fcm) => Reason::FcmStalled,
    };
    (reason, accepted_unheard)
}

fn apns_fate(behaviour: &Behaviour, token_hash: u64) -> Reason {
    match behaviour.fate(token_hash) {
        Fate::Dead if behaviour.death(token_hash).1 => Reason::ApnsExpiredToken,
        Fate::Dead => Reason::ApnsUnregistered,
        Fate::Bad => Reason::ApnsBadDeviceToken,
        Fate::Mismatched => Reason::ApnsNotForTopic,
        Fate::Alive => Reason::ApnsAccepted,
    }
}

fn fcm_fate(behaviour: &Behaviour, judged: &fcm::Judged) -> Reason {
    match behaviour.fate(judged.token_hash.unwrap_or(0)) {
        Fate::Dead => Reason::FcmUnregistered,
        Fate::Bad => Reason::FcmBadToken,
        Fate::Mismatched => Reason::FcmSenderMismatch,
        Fate::Alive => judged.reason,
    }
}
