//! What Apple's answers mean (FACTS.md, "What each answer means").

use crate::gateway::Answer;
use crate::transport::Response;
use crate::transport::ear::IdAndReason;
use crate::transport::group::APNS_ID_PLACE;
use a2::ErrorReason;
use common::outcome::Outcome;
use common::time::UnixMs;
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

/// The body of every answer but 200.
#[derive(Deserialize)]
struct Body {
    reason: String,
    /// Of a 410: since when the token is dead, in milliseconds since 1970.
    timestamp: Option<i64>,
}

/// The meaning of one answer. [`Answer::CredentialsExpired`] is what Apple said; whether a second try helps is the
/// client's to find out.
pub(super) fn answer(response: &Response) -> Answer {
    if response.status == 200 {
        return Answer::Accepted;
    }
    let body: Option<Body> = serde_json::from_slice(&response.body).ok();
    let since = body.as_ref().and_then(|b| b.timestamp).map(UnixMs);
    match body.and_then(|b| known(&b.reason)) {
        Some(reason) => by_reason(&reason, response, since),
        None => by_status(response, since),
    }
}

/// `a2` knows the reasons of 2024.
fn known(reason: &str) -> Option<ErrorReason> {
    let text: StrDeserializer<'_, Error> = reason.into_deserializer();
    ErrorReason::deserialize(text).ok()
}

/// Apple's own words.
pub(super) fn said(answer: &wire::Answer) -> IdAndReason {
    let id = answer.header(APNS_ID_PLACE).map(|id| String::from_utf8_lossy(id).into_owned());
    let body: Option<Body> = serde_json::from_slice(answer.body()).ok();
    (id, body.map(|b| b.reason))
}

fn by_reason(reason: &ErrorReason, response: &Response, since: Option<UnixMs>) -> Answer {
    let retry_after = response.retry_after;
    match reason {
        ErrorReason::BadDeviceToken => Answer::Rejected(Outcome::BadDeviceToken),
        ErrorReason::DeviceTokenNotForTopic => Answer::Rejected(Outcome::TokenNotForTopic),
        ErrorReason::Unregistered => Answer::TokenGone { since },
        ErrorReason::PayloadTooLarge => Answer::Rejected(Outcome::PayloadTooLarge),
        ErrorReason::BadCollapseId
        | ErrorReason::BadExpirationDate
        | ErrorReason::BadMessageId
        | ErrorReason::BadPriority
        | ErrorReason::DuplicateHeaders
        | ErrorReason::MissingDeviceToken
        | ErrorReason::PayloadEmpty
        | ErrorReason::BadPath
        | ErrorReason::MethodNotAllowed => Answer::Rejected(Outcome::BadRequest),
        ErrorReason::BadTopic
        | ErrorReason::MissingTopic
        | ErrorReason::TopicDisallowed
        | ErrorReason::BadCertificate
        | ErrorReason::BadCertificateEnvironment
        | ErrorReason::Forbidden
        | ErrorReason::InvalidProviderToken
        | ErrorReason::MissingProviderToken => Answer::Misconfigured,
        ErrorReason::ExpiredProviderToken => Answer::CredentialsExpired,
        // One token for half an hour and the whole fleet: nothing is minted for this, so waiting is all there is to do.
        ErrorReason::TooManyProviderTokenUpdates => Answer::Throttled { retry_after, device: false },
        ErrorReason::TooManyRequests => Answer::Throttled { retry_after, device: true },
        // The connection was idle for too long: the request was not worked on.
        ErrorReason::IdleTimeout
        | ErrorReason::InternalServerError
        | ErrorReason::ServiceUnavailable
        | ErrorReason::Shutdown => Answer::Unavailable { retry_after },
    }
}

/// For reasons that are newer than `a2` (`ExpiredToken`, `InvalidPushType`, `UnrelatedKeyIdInToken`, …) or missing.
fn by_status(response: &Response, since: Option<UnixMs>) -> Answer {
    let retry_after = response.retry_after;
    match response.status {
        400 | 404 | 405 => Answer::Rejected(Outcome::BadRequest),
        403 => Answer::Misconfigured,
        410 => Answer::TokenGone { since },
        413 => Answer::Rejected(Outcome::PayloadTooLarge),
        429 => Answer::Throttled { retry_after, device: false },
        500..=599 => Answer::Unavailable { retry_after },
        _ => Answer::Rejected(Outcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn judge(status: u16, body: &str, retry_after_s: Option<u64>) -> Answer {
        let retry_after = retry_after_s.map(Duration::from_secs);
        answer(&Response { status, retry_after, body: body.to_owned().into() })
    }

    fn reason(status: u16, reason: &str) -> Answer {
        judge(status, &format!(r#"{{"reason":"{reason}"}}"#), None)
    }

    #[test]
    fn every_row() {
        use Outcome::{BadDeviceToken, BadRequest, PayloadTooLarge, TokenNotForTopic, Unknown};
        let gone = Answer::TokenGone { since: None };
        let unavailable = Answer::Unavailable { retry_after: None };
        for (status, name, expected) in [
            (400, "BadDeviceToken", Answer::Rejected(BadDeviceToken)),
            (400, "DeviceTokenNotForTopic", Answer::Rejected(TokenNotForTopic)),
            (400, "BadCollapseId", Answer::Rejected(BadRequest)),
            (400, "BadExpirationDate", Answer::Rejected(BadRequest)),
            (400, "BadMessageId", Answer::Rejected(BadRequest)),
            (400, "BadPriority", Answer::Rejected(BadRequest)),
            (400, "DuplicateHeaders", Answer::Rejected(BadRequest)),
            (400, "MissingDeviceToken", Answer::Rejected(BadRequest)),
            (400, "PayloadEmpty", Answer::Rejected(BadRequest)),
            (404, "BadPath", Answer::Rejected(BadRequest)),
            (405, "MethodNotAllowed", Answer::Rejected(BadRequest)),
            (400, "BadTopic", Answer::Misconfigured),
            (400, "MissingTopic", Answer::Misconfigured),
            (400, "TopicDisallowed", Answer::Misconfigured),
            (403, "BadCertificate", Answer::Misconfigured),
            (403, "BadCertificateEnvironment", Answer::Misconfigured),
            (403, "Forbidden", Answer::Misconfigured),
            (403, "InvalidProviderToken", Answer::Misconfigured),
            (403, "MissingProviderToken", Answer::Misconfigured),
            (403, "ExpiredProviderToken", Answer::CredentialsExpired),
            (410, "Unregistered", gone),
            (410, "ExpiredToken", gone),
            (413, "PayloadTooLarge", Answer::Rejected(PayloadTooLarge)),
            (429, "TooManyRequests", Answer::Throttled { retry_after: None, device: true }),
            (429, "TooManyProviderTokenUpdates", Answer::Throttled { retry_after: None, device: false }),
            (400, "IdleTimeout", unavailable),
            (500, "InternalServerError", unavailable),
            (503, "ServiceUnavailable", unavailable),
            (503, "Shutdown", unavailable),
            // Newer than a2, or nobody's.
            (400, "InvalidPushType", Answer::Rejected(BadRequest)),
            (403, "UnrelatedKeyIdInToken", Answer::Misconfigured),
            (418, "Teapot", Answer::Rejected(Unknown)),
        ] {
            assert_eq!(reason(status, name), expected, "{status} {name}");
        }
        assert_eq!(judge(200, "", None), Answer::Accepted);
    }

    #[test]
    fn a_dead_token_says_since_when() {
        let body = r#"{"reason":"Unregistered","timestamp":1629950041000}"#;
        let gone = Answer::TokenGone { since: Some(UnixMs(1_629_950_041_000)) };
        assert_eq!(judge(410, body, None), gone);
        assert_eq!(judge(410, &body.replace("Unregistered", "ExpiredToken"), None), gone);
    }

    #[test]
    fn retry_after_is_kept_and_bodies_may_be_anything() {
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(judge(503, "", Some(7)), Answer::Unavailable { retry_after });
        assert_eq!(judge(429, "{", Some(7)), Answer::Throttled { retry_after, device: false });
        assert_eq!(judge(410, "<html>", None), Answer::TokenGone { since: None });
        assert_eq!(judge(400, r#"{"reason":5}"#, None), Answer::Rejected(Outcome::BadRequest));
    }
}
