//! Google's answers, as JSON.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::Behaviour;
use super::super::reason::Reason;
use super::super::shared::Shared;
use super::super::verdict::Verdict;
use super::message::Violation;
use super::request::Judged;

/// Builds the answer to a judged request.
pub(in super::super) fn answer(shared: &Shared, behaviour: &Behaviour, judged: &Judged) -> Verdict {
    let status = judged.reason.status();
    let retry_after_s = behaviour.retry_after(status, judged.quota_wait_s, || shared.next_retry());
    let project = &shared.info.fcm_project;
    let body = match judged.reason {
        Reason::FcmAccepted => accepted(project, shared.next_id(), judged.token_hash.unwrap_or(0)).into(),
        Reason::FcmValidated => {
            format!("{{\"name\":\"projects/{project}/messages/fake_message_id\"}}").into()
        }
        _ if status == 0 => Bytes::new(),
        reason => error(reason, status, project, judged.violation.as_ref()).to_string().into(),
    };
    Verdict {
        reason: judged.reason,
        accepted_unheard: false,
        token_hash: judged.token_hash,
        apns_id: None,
        retry_after_s,
        body,
    }
}

/// The shape of Google's: `0:<microseconds>%<hexadecimal>`. By hand, because `format!` is a tenth of what an answer costs.
fn accepted(project: &str, time: u64, hash: u64) -> Vec<u8> {
    let (time, hash) = (digits::<10>(time), digits::<16>(hash));
    [b"{\"name\":\"projects/", project.as_bytes(), b"/messages/0:", &time, b"%", &hash, b"\"}"].concat()
}

/// The last sixteen digits of a number.
fn digits<const BASE: u64>(mut number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
    }
    digits
}

fn error(reason: Reason, code: u16, project: &str, violation: Option<&Violation>) -> Value {
    let (status, message, details) = match reason {
        Reason::FcmUnauthenticated => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project."
                .to_owned(),
            json!([error_info("ACCESS_TOKEN_EXPIRED", "googleapis.com", &service_metadata())]),
        ),
        Reason::FcmPermissionDenied => (
            "PERMISSION_DENIED",
            "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist).".to_owned(),
            json!([error_info("IAM_PERMISSION_DENIED", "cloudresourcemanager.googleapis.com", &json!({
                "permission": "cloudmessaging.messages.create"
            }))]),
        ),
        Reason::FcmSenderMismatch => {
            ("PERMISSION_DENIED", "SenderId mismatch".to_owned(), json!([fcm_error("SENDER_ID_MISMATCH")]))
        }
        Reason::FcmBadToken => (
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token".to_owned(),
            json!([fcm_error("INVALID_ARGUMENT")]),
        ),
        Reason::FcmInvalidArgument => invalid_argument(violation),
        Reason::FcmUnregistered => {
            ("NOT_FOUND", "Requested entity was not found.".to_owned(), json!([fcm_error("UNREGISTERED")]))
        }
        Reason::FcmQuota => (
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' of service \
             'fcm.googleapis.com'."
                .to_owned(),
            json!([fcm_error("QUOTA_EXCEEDED"), error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", &json!({
                "consumer": format!("projects/{project}"),
                "quota_limit": "SendsPerMinutePerProject",
                "quota_metric": "fcm.googleapis.com/send_requests",
                "service": "fcm.googleapis.com",
            }))]),
        ),
        Reason::FcmThrottled => (
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).".to_owned(),
            json!([fcm_error("QUOTA_EXCEEDED")]),
        ),
        Reason::FcmUnavailable => {
            ("UNAVAILABLE", "The service is currently unavailable.".to_owned(), json!([fcm_error("UNAVAILABLE")]))
        }
        Reason::FcmInternal => {
            ("INTERNAL", "Internal error encountered.".to_owned(), json!([fcm_error("INTERNAL")]))
        }
        _ => ("NOT_FOUND", "Requested entity was not found.".to_owned(), json!([])),
    };
    json!({ "error": { "code": code, "message": message, "status": status, "details": details } })
}

fn invalid_argument(violation: Option<&Violation>) -> (&'static str, String, Value) {
    let (field, description) =
        violation.map_or(("message", "invalid"), |v| (v.field, v.description.as_str()));
    let bad_request = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": field, "description": description }],
    });
    ("INVALID_ARGUMENT", description.to_owned(), json!([fcm_error("INVALID_ARGUMENT"), bad_request]))
}

fn fcm_error(code: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code })
}

fn error_info(reason: &str, domain: &str, metadata: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    })
}

fn service_metadata() -> Value {
    json!({ "service": "fcm.googleapis.com", "method": "google.firebase.fcm.v1.FcmService.SendMessage" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_googles_shape() {
        let body = String::from_utf8(accepted("owl", 1_234, 0xab)).expect("text");
        assert_eq!(body, r#"{"name":"projects/owl/messages/0:0000000000001234%00000000000000ab"}"#);
    }
}
