//! The APNs stand-in: what a request must look like, and how it is answered.

mod auth;
mod request;

use super::Behaviour;
use super::behaviour::mix;
use super::head::Head;
use super::reason::Reason;
use super::shared::Shared;
use super::verdict::Verdict;
use bytes::Bytes;

pub(super) use auth::ProviderTokens;
pub(super) use request::{Memory, bearer, judge, path_token};

/// Builds the answer: Apple's JSON body, and the request's `apns-id` or one made up.
pub(super) fn answer(
    shared: &Shared,
    behaviour: &Behaviour,
    head: &Head<'_>,
    reason: Reason,
    token_hash: Option<u64>,
) -> Verdict {
    let (status, name, _) = reason.row();
    let body = match (status, reason) {
        (0 | 200, _) => Bytes::new(),
        (_, Reason::ApnsUnregistered | Reason::ApnsExpiredToken) => {
            let (before, _) = behaviour.death(token_hash.unwrap_or(0));
            let since = shared.dead_since_unix_ms.saturating_sub(before);
            format!(r#"{{"reason":"{name}","timestamp":{since}}}"#).into()
        }
        _ => format!(r#"{{"reason":"{name}"}}"#).into(),
    };
    let echoed = head.id.filter(|_| reason != Reason::ApnsBadMessageId).and_then(|id| id.try_into().ok());
    Verdict {
        reason,
        accepted_unheard: false,
        token_hash,
        apns_id: echoed.or_else(|| Some(made_up_id(token_hash.unwrap_or(0), shared.next_id()))),
        retry_after_s: behaviour.retry_after(status, None, || shared.next_retry()),
        body,
    }
}

/// A version-4 UUID that no other request got.
fn made_up_id(token_hash: u64, number: u64) -> [u8; uuid::fmt::Hyphenated::LENGTH] {
    let id = uuid::Builder::from_random_bytes(
        (u128::from(mix(token_hash ^ number.rotate_left(32))) << 64 | u128::from(mix(number))).to_be_bytes(),
    );
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    id.as_uuid().hyphenated().encode_upper(&mut text);
    text
}
