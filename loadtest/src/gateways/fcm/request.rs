//! What Google checks in a request, in the order in which we check it: path, credentials, project, quota, message.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::super::Behaviour;
use super::super::apns::bearer;
use super::super::journal::token_hash;
use super::super::limits;
use super::super::reason::Reason;
use super::super::shared::{Moment, Shared};
use super::super::verdict::Body;
use super::message::{Request, Violation};

/// What was found right in the last request of this connection.
#[derive(Default)]
pub(in super::super) struct Memory {
    /// The header, and when it expires, in seconds since the Unix epoch.
    authorization: Option<(HeaderValue, i64)>,
}

/// A request after validation.
pub(in super::super) struct Judged {
    pub(in super::super) reason: Reason,
    pub(in super::super) token_hash: Option<u64>,
    pub(super) violation: Option<Violation>,
    pub(super) quota_wait_s: Option<u32>,
}

impl Judged {
    fn new(reason: Reason) -> Self {
        Self { reason, token_hash: None, violation: None, quota_wait_s: None }
    }
}

/// Validates one request.
pub(in super::super) fn judge(
    shared: &Shared,
    behaviour: &Behaviour,
    parts: &Parts,
    body: &Body,
    memory: &mut Memory,
    now: Moment,
) -> Judged {
    let Some(project) = project(parts.uri.path()).filter(|_| parts.method == Method::POST) else {
        return Judged::new(Reason::FcmNotFound);
    };
    if !authorized(shared, &parts.headers, memory, now) {
        return Judged::new(Reason::FcmUnauthenticated);
    }
    if project != shared.info.fcm_project {
        return Judged::new(Reason::FcmPermissionDenied);
    }
    let quota = behaviour.fcm_quota_per_minute.map_or(Ok(()), |quota| shared.quota.take(quota, now.instant));
    let message = read_message(body);
    let token_hash = message.as_ref().ok().map(|(hash, _)| *hash);
    match (quota, message) {
        (Err(wait), _) => Judged { quota_wait_s: Some(wait), token_hash, ..Judged::new(Reason::FcmQuota) },
        (Ok(()), Ok((_, reason))) => Judged { token_hash, ..Judged::new(reason) },
        (Ok(()), Err((reason, token_hash, violation))) => {
            Judged { token_hash, violation: Some(violation), ..Judged::new(reason) }
        }
    }
}

/// The project in `/v1/projects/<id>/messages:send`.
fn project(path: &str) -> Option<&str> {
    let project = path.strip_prefix("/v1/projects/")?.strip_suffix("/messages:send")?;
    (!project.is_empty() && !project.contains('/')).then_some(project)
}

fn authorized(shared: &Shared, headers: &HeaderMap, memory: &mut Memory, now: Moment) -> bool {
    let Some(value) = headers.get(http::header::AUTHORIZATION) else { return false };
    if shared.take_expired_bearer() {
        return false;
    }
    if let Some((last, expires)) = &memory.authorization
        && last == value
    {
        return *expires > now.unix_s();
    }
    let expiry = bearer(value).and_then(|token| shared.token_endpoint.expiry(token));
    let Some(expires) = expiry.filter(|expires| *expires > now.unix_s()) else { return false };
    memory.authorization = Some((value.clone(), expires));
    true
}

type Refusal = (Reason, Option<u64>, Violation);

/// The token's hash, and whether the message is to be sent or only looked at.
fn read_message(body: &Body) -> Result<(u64, Reason), Refusal> {
    if body.len > body.kept.len() {
        return Err((Reason::FcmInvalidArgument, None, Violation::too_big()));
    }
    let request =
        Request::parse(&body.kept).map_err(|violation| (Reason::FcmInvalidArgument, None, violation))?;
    let target = request.target().map_err(|violation| (Reason::FcmInvalidArgument, None, violation))?;
    let hash = token_hash(target.as_bytes());
    request.check().map_err(|violation| (Reason::FcmInvalidArgument, Some(hash), violation))?;
    if !is_token(target) {
        return Err((Reason::FcmBadToken, Some(hash), Violation::bad_token()));
    }
    Ok((hash, if request.validate_only { Reason::FcmValidated } else { Reason::FcmAccepted }))
}

fn is_token(token: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.');
    (limits::MIN_FCM_TOKEN_BYTES..=limits::MAX_FCM_TOKEN_BYTES).contains(&token.len())
        && token.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert_eq!(project("/v1/projects/owl/messages:send"), Some("owl"));
        assert_eq!(project("/v1/projects//messages:send"), None);
        assert_eq!(project("/v1/projects/a/b/messages:send"), None);
        assert_eq!(project("/v1/projects/owl/messages:sendAll"), None);
    }
}
