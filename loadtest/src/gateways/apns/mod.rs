//! The APNs stand-in: what a request must look like, and how it is answered.

mod auth;
mod request;

use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;

use super::Behaviour;
use super::behaviour::mix;
use super::reason::Reason;
use super::shared::Shared;
use super::verdict::Verdict;

pub(super) use auth::ProviderTokens;
pub(super) use request::{Memory, bearer, judge, path_token};

/// Builds the answer: Apple's JSON body, and the request's `apns-id` or one made up.
pub(super) fn answer(
    shared: &Shared,
    behaviour: &Behaviour,
    parts: &Parts,
    reason: Reason,
    token_hash: Option<u64>,
) -> Verdict {
    let (status, name, _) = reason.row();
    let body = match (status, reason) {
        (0 | 200, _) => Bytes::new(),
        (_, Reason::ApnsUnregistered) => {
            format!(r#"{{"reason":"{name}","timestamp":{}}}"#, shared.dead_since_unix_ms).into()
        }
        _ => format!(r#"{{"reason":"{name}"}}"#).into(),
    };
    let echoed = parts.headers.get("apns-id").filter(|_| reason != Reason::ApnsBadMessageId);
    Verdict {
        reason,
        token_hash,
        apns_id: echoed.cloned().or_else(|| made_up_id(token_hash.unwrap_or(0), shared.next_id())),
        retry_after_s: behaviour.retry_after_s.filter(|_| matches!(status, 429 | 503)),
        body,
    }
}

/// A version-4 UUID that no other request got.
fn made_up_id(token_hash: u64, number: u64) -> Option<HeaderValue> {
    let id = uuid::Builder::from_random_bytes(
        (u128::from(mix(token_hash ^ number.rotate_left(32))) << 64 | u128::from(mix(number))).to_be_bytes(),
    );
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    HeaderValue::from_str(id.as_uuid().hyphenated().encode_upper(&mut text)).ok()
}
