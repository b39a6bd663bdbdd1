//! What Google's answers mean (FACTS.md, FCM): the status first, then the details, never the text alone.

use crate::gateway::Answer;
use crate::transport::Response;
use crate::transport::ear::IdAndReason;
use common::outcome::Outcome;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Wait after a 429 that names none (Google).
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Body {
    error: ErrorBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    message: String,
    details: Vec<Detail>,
}

/// `FcmError`, `BadRequest` or `QuotaFailure`: what they don't have is empty.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    error_code: Option<Code>,
    field_violations: Vec<FieldViolation>,
    violations: Vec<QuotaViolation>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FieldViolation {
    field: String,
    description: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct QuotaViolation {
    subject: String,
}

/// Google's `FcmError.ErrorCode`.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Code {
    InvalidArgument,
    Unregistered,
    SenderIdMismatch,
    QuotaExceeded,
    ApnsAuthError,
    ThirdPartyAuthError,
    Unavailable,
    Internal,
    UnspecifiedError,
    /// One that is newer than this.
    #[serde(other)]
    Newer,
}

/// The meaning of one answer. [`Answer::CredentialsExpired`] is what Google said; whether a second try helps is the
/// client's to find out.
pub(super) fn answer(response: &Response) -> Answer {
    if response.status == 200 {
        return Answer::Accepted;
    }
    let error = serde_json::from_slice::<Body>(&response.body).map(|body| body.error).unwrap_or_default();
    match error.details.iter().find_map(|d| d.error_code) {
        Some(code) => by_code(code, &error, response),
        None => by_status(&error, response),
    }
}

/// Google's own words: the name of the message, or the error's code and the fields that it names. Not its sentence, which
/// may quote what was sent.
pub(super) fn said(answer: &wire::Answer) -> IdAndReason {
    let Ok(body) = serde_json::from_slice::<Value>(answer.body()) else { return (None, None) };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let details = body.pointer("/error/details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let code = details.iter().find_map(|d| text(d.get("errorCode")));
    let code = code.or_else(|| text(body.pointer("/error/status")));
    let violations = details.iter().filter_map(|d| d.get("fieldViolations")?.as_array()).flatten();
    let fields: Vec<_> = violations.filter_map(|v| text(v.get("field"))).collect();
    let reason =
        code.map(|code| if fields.is_empty() { code } else { format!("{code} ({})", fields.join(", ")) });
    (text(body.get("name")), reason)
}

fn by_code(code: Code, error: &ErrorBody, response: &Response) -> Answer {
    match code {
        Code::Unregistered => Answer::TokenGone { since: None },
        Code::SenderIdMismatch => Answer::Rejected(Outcome::SenderIdMismatch),
        Code::InvalidArgument => Answer::Rejected(argument(error)),
        Code::QuotaExceeded => throttled(error, response),
        Code::ThirdPartyAuthError | Code::ApnsAuthError => Answer::Misconfigured,
        Code::Unavailable | Code::Internal => Answer::Unavailable { retry_after: response.retry_after },
        Code::UnspecifiedError | Code::Newer => by_status(error, response),
    }
}

/// Without Google's own code, 403 and 404 are about the project and the account, not about a token.
fn by_status(error: &ErrorBody, response: &Response) -> Answer {
    match response.status {
        400 => Answer::Rejected(argument(error)),
        401 => Answer::CredentialsExpired,
        403 | 404 => Answer::Misconfigured,
        429 => throttled(error, response),
        500..=599 => Answer::Unavailable { retry_after: response.retry_after },
        _ => Answer::Rejected(Outcome::Unknown),
    }
}

/// 400 may be about the token, the size or anything else: a token is touched only if the answer names it.
fn argument(error: &ErrorBody) -> Outcome {
    let fields: Vec<&FieldViolation> = error.details.iter().flat_map(|d| &d.field_violations).collect();
    let about_token = |field: &str| matches!(field, "message.token" | "message.fid");
    let too_big = |text: &str| text.to_ascii_lowercase().contains("too big");
    if fields.iter().any(|v| about_token(&v.field)) {
        return Outcome::BadDeviceToken;
    }
    if too_big(&error.message) || fields.iter().any(|v| too_big(&v.description)) {
        return Outcome::PayloadTooLarge;
    }
    // Google sends this text with no field at all.
    if fields.is_empty() && error.message.contains("not a valid FCM registration token") {
        return Outcome::BadDeviceToken;
    }
    Outcome::BadRequest
}

fn throttled(error: &ErrorBody, response: &Response) -> Answer {
    let subjects = error.details.iter().flat_map(|d| &d.violations);
    let device = subjects.into_iter().any(|v| v.subject.starts_with("device:"));
    Answer::Throttled { retry_after: Some(response.retry_after.unwrap_or(RETRY_AFTER_DEFAULT)), device }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(status: u16, body: &Value) -> Answer {
        answer(&Response { status, retry_after: None, body: body.to_string().into() })
    }

    fn with(message: &str, details: &Value) -> Value {
        json!({ "error": { "code": 1, "message": message, "status": "X", "details": details } })
    }

    fn code(code: &str) -> Value {
        let kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
        with("", &json!([{ "@type": kind, "errorCode": code }]))
    }

    #[test]
    fn every_row() {
        let minute = Answer::Throttled { retry_after: Some(Duration::from_secs(60)), device: false };
        let unavailable = Answer::Unavailable { retry_after: None };
        for (status, name, expected) in [
            (404, "UNREGISTERED", Answer::TokenGone { since: None }),
            (403, "SENDER_ID_MISMATCH", Answer::Rejected(Outcome::SenderIdMismatch)),
            (400, "INVALID_ARGUMENT", Answer::Rejected(Outcome::BadRequest)),
            (401, "THIRD_PARTY_AUTH_ERROR", Answer::Misconfigured),
            (429, "QUOTA_EXCEEDED", minute),
            (503, "UNAVAILABLE", unavailable),
            (500, "INTERNAL", unavailable),
            (500, "UNSPECIFIED_ERROR", unavailable),
            (400, "SOMETHING_NEW", Answer::Rejected(Outcome::BadRequest)),
        ] {
            assert_eq!(judge(status, &code(name)), expected, "{status} {name}");
        }
        for (status, expected) in [
            (200, Answer::Accepted),
            (400, Answer::Rejected(Outcome::BadRequest)),
            (401, Answer::CredentialsExpired),
            (403, Answer::Misconfigured),
            (404, Answer::Misconfigured),
            (429, minute),
            (500, unavailable),
            (502, unavailable),
            (418, Answer::Rejected(Outcome::Unknown)),
        ] {
            assert_eq!(judge(status, &json!({})), expected, "{status}");
            assert_eq!(judge(status, &with("", &json!([{ "@type": "other", "reason": "R" }]))), expected);
        }
    }

    #[test]
    fn a_token_is_touched_only_if_the_answer_names_it() {
        let violation = |field: &str, description: &str| {
            with(
                "",
                &json!([
                    { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "INVALID_ARGUMENT" },
                    { "@type": "type.googleapis.com/google.rpc.BadRequest",
                      "fieldViolations": [{ "field": field, "description": description }] },
                ]),
            )
        };
        for (body, outcome) in [
            (violation("message.token", "Invalid registration token"), Outcome::BadDeviceToken),
            (violation("message.fid", ""), Outcome::BadDeviceToken),
            (violation("message.android.ttl", "Invalid registration of a ttl"), Outcome::BadRequest),
            (violation("message", "Message is too big"), Outcome::PayloadTooLarge),
            (with("Android message is too big", &json!([])), Outcome::PayloadTooLarge),
            (
                with("The registration token is not a valid FCM registration token", &json!([])),
                Outcome::BadDeviceToken,
            ),
            (with("Request contains an invalid argument.", &json!([])), Outcome::BadRequest),
        ] {
            assert_eq!(judge(400, &body), Answer::Rejected(outcome), "{body}");
        }
    }

    #[test]
    fn a_quota_is_the_projects_or_the_devices() {
        let quota = |subject: &str| {
            with(
                "",
                &json!([
                    { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "QUOTA_EXCEEDED" },
                    { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{ "subject": subject }] },
                ]),
            )
        };
        let wait = Some(Duration::from_secs(60));
        assert_eq!(judge(429, &quota("device:x")), Answer::Throttled { retry_after: wait, device: true });
        assert_eq!(judge(429, &quota("project:x")), Answer::Throttled { retry_after: wait, device: false });
        let told = Response { status: 503, retry_after: Some(Duration::from_secs(7)), body: "".into() };
        assert_eq!(answer(&told), Answer::Unavailable { retry_after: told.retry_after });
    }
}
