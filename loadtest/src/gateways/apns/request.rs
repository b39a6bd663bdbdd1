//! What Apple checks in a request, in the order in which we check it: path, credentials, token, headers, payload.

use serde::de::IgnoredAny;

use super::super::Behaviour;
use super::super::head::Head;
use super::super::journal::token_hash;
use super::super::limits;
use super::super::reason::Reason;
use super::super::shared::{Moment, Shared};
use super::super::verdict::Body;
use super::auth::in_time;

/// What was found right in the last request of this connection.
#[derive(Default)]
pub(in super::super) struct Memory {
    authorization: Vec<u8>,
    iat: i64,
    payload: Vec<u8>,
}

/// A request after validation.
pub(in super::super) struct Judged {
    pub(in super::super) token_hash: Option<u64>,
    /// The token's hash again if the request is good.
    pub(in super::super) outcome: Result<u64, Reason>,
}

const PREFIX: &str = "/3/device";

const LOWER: u8 = 0;
const UPPER: u8 = 1;
const NOT_HEX: u8 = 2;

/// What each byte is as a part of a hexadecimal token.
const HEX_CLASS: [u8; 256] = {
    let mut classes = [NOT_HEX; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' | b'a'..=b'f' => LOWER,
            b'A'..=b'F' => UPPER,
            _ => NOT_HEX,
        };
        byte += 1;
    }
    classes
};

/// Validates one request.
pub(in super::super) fn judge(
    shared: &Shared,
    behaviour: &Behaviour,
    head: &Head<'_>,
    body: Body<'_>,
    memory: &mut Memory,
    now: Moment,
) -> Judged {
    let token = path_token(head.path);
    let token_hash = token.as_ref().ok().copied();
    let mut check = || {
        if token == Err(Reason::ApnsBadPath) {
            return Err(Reason::ApnsBadPath);
        }
        if head.method != b"POST" {
            return Err(Reason::ApnsMethodNotAllowed);
        }
        authorize(shared, behaviour, head, memory, now)?;
        let hash = token?;
        check_headers(head, &shared.info.apns_topic)?;
        check_payload(body, memory)?;
        Ok(hash)
    };
    Judged { token_hash, outcome: check() }
}

/// The hash of the token in a path.
pub(in super::super) fn path_token(path: &str) -> Result<u64, Reason> {
    let token = match path.strip_prefix(PREFIX) {
        None => return Err(Reason::ApnsBadPath),
        Some("" | "/") => return Err(Reason::ApnsMissingDeviceToken),
        Some(rest) => rest.strip_prefix('/').ok_or(Reason::ApnsBadPath)?.as_bytes(),
    };
    let right_length = (limits::MIN_APNS_TOKEN_HEX..=limits::MAX_APNS_TOKEN_HEX).contains(&token.len());
    // One pass without an early end is several times faster than two with.
    let seen = token.iter().fold(0, |seen, &byte| seen | HEX_CLASS[usize::from(byte)]);
    if !right_length || token.len() % 2 == 1 || seen & NOT_HEX != 0 {
        return Err(if token.contains(&b'/') { Reason::ApnsBadPath } else { Reason::ApnsBadDeviceToken });
    }
    match seen {
        LOWER => Ok(token_hash(token)),
        _ => Ok(token_hash(&token.to_ascii_lowercase())),
    }
}

fn authorize(
    shared: &Shared,
    behaviour: &Behaviour,
    head: &Head<'_>,
    memory: &mut Memory,
    now: Moment,
) -> Result<(), Reason> {
    let value = head.authorization.ok_or(Reason::ApnsMissingProviderToken)?;
    if shared.take_expired_jwt() {
        return Err(Reason::ApnsExpiredProviderToken);
    }
    if memory.authorization == value {
        return in_time(memory.iat, now.unix_s(), behaviour.apns_jwt_life_s);
    }
    let jwt = bearer(value).ok_or(Reason::ApnsMissingProviderToken)?;
    let iat = shared.provider_tokens.admit(jwt, now.unix_s(), behaviour)?;
    (memory.authorization, memory.iat) = (value.to_vec(), iat);
    Ok(())
}

/// The credentials of an `authorization: bearer ...` header; the scheme's case does not matter.
pub(in super::super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, credentials) = value.split_at_checked("bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !credentials.is_empty()).then_some(credentials)
}

fn check_headers(head: &Head<'_>, topic: &str) -> Result<(), Reason> {
    check_topic(head.topic.ok_or(Reason::ApnsMissingTopic)?, topic)?;
    if head.push_type.is_some_and(|push_type| !PUSH_TYPES.contains(&push_type)) {
        return Err(Reason::ApnsInvalidPushType);
    }
    // Without the header, the priority is 10.
    match (head.priority.unwrap_or(b"10"), head.push_type) {
        (b"5", _) => {}
        (b"1" | b"10", push_type) if push_type != Some(b"background") => {}
        _ => return Err(Reason::ApnsBadPriority),
    }
    if head.expiration.is_some_and(|value| !is_epoch_seconds(value)) {
        return Err(Reason::ApnsBadExpiration);
    }
    if head.collapse_id.is_some_and(|id| id.len() > limits::MAX_COLLAPSE_ID_BYTES) {
        return Err(Reason::ApnsBadCollapseId);
    }
    if head.id.is_some_and(|id| !is_uuid(id)) {
        return Err(Reason::ApnsBadMessageId);
    }
    Ok(())
}

const PUSH_TYPES: [&[u8]; 11] = [
    b"alert",
    b"background",
    b"location",
    b"voip",
    b"complication",
    b"fileprovider",
    b"mdm",
    b"liveactivity",
    b"pushtotalk",
    b"widgets",
    b"controls",
];

/// The topic is ours, perhaps with one of the suffixes (`.voip` and so on) that Apple appends.
fn check_topic(given: &[u8], ours: &str) -> Result<(), Reason> {
    match given.strip_prefix(ours.as_bytes()) {
        Some(b"" | b".voip" | b".complication" | b".push-type.liveactivity" | b".location-query") => Ok(()),
        _ if is_bundle_id(given) => Err(Reason::ApnsNotForTopic),
        _ => Err(Reason::ApnsBadTopic),
    }
}

fn is_bundle_id(topic: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    topic.len() <= limits::MAX_TOPIC_BYTES && topic.contains(&b'.') && topic.iter().all(allowed)
}

fn is_epoch_seconds(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= 10 && value.iter().all(u8::is_ascii_digit)
}

fn is_uuid(value: &[u8]) -> bool {
    let fits = |(place, byte): (usize, &u8)| match place {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    value.len() == 36 && value.iter().enumerate().all(fits)
}

fn check_payload(body: Body<'_>, memory: &mut Memory) -> Result<(), Reason> {
    if body.len == 0 {
        return Err(Reason::ApnsPayloadEmpty);
    }
    if body.len > limits::MAX_PAYLOAD_BYTES {
        return Err(Reason::ApnsPayloadTooLarge);
    }
    // A blast sends the same bytes again and again.
    if memory.payload == body.kept {
        return Ok(());
    }
    let is_object = body.kept.trim_ascii_start().starts_with(b"{");
    if !is_object || serde_json::from_slice::<IgnoredAny>(body.kept).is_err() {
        return Err(Reason::ApnsPayloadNotJson);
    }
    memory.payload.clear();
    memory.payload.extend_from_slice(body.kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let token = "ab".repeat(32);
        let hash = token_hash(token.as_bytes());
        assert_eq!(path_token(&format!("/3/device/{token}")), Ok(hash));
        assert_eq!(path_token(&format!("/3/device/{}", token.to_uppercase())), Ok(hash));
        assert_eq!(path_token("/3/device/"), Err(Reason::ApnsMissingDeviceToken));
        assert_eq!(path_token("/3/device/xyz"), Err(Reason::ApnsBadDeviceToken));
        assert_eq!(path_token(&format!("/3/device/{}", &token[..62])), Err(Reason::ApnsBadDeviceToken));
        assert_eq!(path_token(&format!("/3/device/{}", "a".repeat(202))), Err(Reason::ApnsBadDeviceToken));
        assert_eq!(path_token("/3/devices/"), Err(Reason::ApnsBadPath));
        assert_eq!(path_token("/"), Err(Reason::ApnsBadPath));
    }

    #[test]
    fn topics() {
        assert_eq!(check_topic(b"com.example.app", "com.example.app"), Ok(()));
        assert_eq!(check_topic(b"com.example.app.voip", "com.example.app"), Ok(()));
        assert_eq!(check_topic(b"com.example.apple", "com.example.app"), Err(Reason::ApnsNotForTopic));
        assert_eq!(check_topic(b"not a topic", "com.example.app"), Err(Reason::ApnsBadTopic));
    }
}
