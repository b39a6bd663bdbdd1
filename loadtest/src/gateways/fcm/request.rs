//! What Google checks in a request, in the order in which we check it: path, credentials, project, quota, message.

use std::collections::VecDeque;

use super::super::Behaviour;
use super::super::apns::bearer;
use super::super::head::Head;
use super::super::journal::token_hash;
use super::super::limits;
use super::super::reason::Reason;
use super::super::shared::{Moment, Shared};
use super::super::verdict::Body;
use super::message::{Request, Violation};

/// What was found right in the last request of this connection.
#[derive(Default)]
pub(in super::super) struct Memory {
    authorization: Vec<u8>,
    /// When it expires, in seconds since the Unix epoch.
    expires: i64,
    /// What stood before and behind the target in the last good messages that were to be sent.
    around: VecDeque<(Vec<u8>, Vec<u8>)>,
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
    head: &Head<'_>,
    body: Body<'_>,
    memory: &mut Memory,
    now: Moment,
) -> Judged {
    let Some(project) = project(head.path).filter(|_| head.method == b"POST") else {
        return Judged::new(Reason::FcmNotFound);
    };
    if !authorized(shared, head, memory, now) {
        return Judged::new(Reason::FcmUnauthenticated);
    }
    if project != shared.info.fcm_project {
        return Judged::new(Reason::FcmPermissionDenied);
    }
    let quota = behaviour.fcm_quota_per_minute.map_or(Ok(()), |quota| shared.quota.take(quota, now.instant));
    let message = read_message(body, memory);
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

fn authorized(shared: &Shared, head: &Head<'_>, memory: &mut Memory, now: Moment) -> bool {
    let Some(value) = head.authorization else { return false };
    if shared.take_expired_bearer() {
        return false;
    }
    if memory.authorization == value {
        return memory.expires > now.unix_s();
    }
    let expiry = bearer(value).and_then(|token| shared.token_endpoint.expiry(token));
    let Some(expires) = expiry.filter(|expires| *expires > now.unix_s()) else { return false };
    (memory.authorization, memory.expires) = (value.to_vec(), expires);
    true
}

type Refusal = (Reason, Option<u64>, Violation);

/// The token's hash, and whether the message is to be sent or only looked at.
fn read_message(body: Body<'_>, memory: &mut Memory) -> Result<(u64, Reason), Refusal> {
    if let Some(target) = known_target(body.kept, memory) {
        return Ok((token_hash(target), Reason::FcmAccepted));
    }
    if body.len > body.kept.len() {
        return Err((Reason::FcmInvalidArgument, None, Violation::too_big()));
    }
    let request =
        Request::parse(body.kept).map_err(|violation| (Reason::FcmInvalidArgument, None, violation))?;
    let target = request.target().map_err(|violation| (Reason::FcmInvalidArgument, None, violation))?;
    let hash = token_hash(target.as_bytes());
    request.check().map_err(|violation| (Reason::FcmInvalidArgument, Some(hash), violation))?;
    if !is_token(target.as_bytes()) {
        return Err((Reason::FcmBadToken, Some(hash), Violation::bad_token()));
    }
    if request.validate_only {
        return Ok((hash, Reason::FcmValidated));
    }
    remember(body.kept, target, memory);
    Ok((hash, Reason::FcmAccepted))
}

/// A blast sends few messages to one target after the other. If all around it is as in a good one, and it needs no
/// escapes, then this message means the same but for its target.
fn known_target<'a>(body: &'a [u8], memory: &Memory) -> Option<&'a [u8]> {
    let target = |(before, behind): &(Vec<u8>, Vec<u8>)| {
        body.strip_suffix(behind.as_slice())?.strip_prefix(before.as_slice())
    };
    let target = memory.around.iter().find_map(target)?;
    is_token(target).then_some(target)
}

fn remember(body: &[u8], target: &str, memory: &mut Memory) {
    let quoted = format!("\"{target}\"");
    let found: Vec<usize> = memchr::memmem::find_iter(body, quoted.as_bytes()).collect();
    // A target that also stands elsewhere would be replaced in one of two places only.
    let [place] = found[..] else { return };
    let (before, rest) = body.split_at(place + 1);
    memory.around.truncate(limits::REMEMBERED_MESSAGES - 1);
    memory.around.push_front((before.to_vec(), rest[target.len()..].to_vec()));
}

/// Whether each byte may stand in a token.
const IN_TOKENS: [bool; 256] = {
    let mut may = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        may[byte] = matches!(byte as u8, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b':' | b'.');
        byte += 1;
    }
    may
};

fn is_token(token: &[u8]) -> bool {
    // One pass without an early end is several times faster.
    let allowed = token.iter().fold(true, |all, &byte| all & IN_TOKENS[usize::from(byte)]);
    allowed && (limits::MIN_FCM_TOKEN_BYTES..=limits::MAX_FCM_TOKEN_BYTES).contains(&token.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_may_differ_from_a_message_that_is_known() {
        let mut memory = Memory::default();
        let body = |target: &str, rest: &str| format!(r#"{{"message":{{"token":"{target}"{rest}}}}}"#);
        let mut read = |text: &str| {
            read_message(Body { kept: text.as_bytes(), len: text.len() }, &mut memory).map_err(|r| r.0)
        };
        let token = |n: u8| format!("token:{n:030}");
        let hash = |n| token_hash(token(n).as_bytes());
        for n in 0..9 {
            assert_eq!(read(&body(&token(n), "")), Ok((hash(n), Reason::FcmAccepted)));
        }
        assert_eq!(read(&body(&token(1), r#","x":1"#)), Err(Reason::FcmInvalidArgument));
        assert_eq!(read(&body("short", "")), Err(Reason::FcmBadToken));
        let escaped = token(1).replacen(':', "\\u003a", 1);
        assert_eq!(read(&body(&escaped, "")), Ok((hash(1), Reason::FcmAccepted)));
        let trick = format!("{}\",\"fid\":\"{}", token(1), token(2));
        assert_eq!(read(&body(&trick, "")), Err(Reason::FcmInvalidArgument));
        let only = format!(r#"{{"validate_only":true,{}"#, &body(&token(3), "")[1..]);
        assert_eq!(read(&only), Ok((hash(3), Reason::FcmValidated)));
        assert_eq!(read(&body(&token(4), "")), Ok((hash(4), Reason::FcmAccepted)));
    }

    #[test]
    fn an_access_token_that_expires_in_mid_blast_is_refused_from_that_second_on() {
        let shared = Shared::for_tests(crate::gateways::ServerKind::Validating, Behaviour::default());
        shared.token_endpoint.issue("ya29.token", 1_000);
        let mut memory = Memory::default();
        let mut judge_at = |unix_s: u64| {
            let head = Head::from_places(|place| match place {
                0 => Some(b"POST"),
                1 => Some(b"/v1/projects/owl/messages:send"),
                2 => Some(b"Bearer ya29.token"),
                _ => None,
            });
            let body = format!(r#"{{"message":{{"token":"token:{unix_s:030}"}}}}"#);
            let now = Moment { instant: std::time::Instant::now(), unix_ms: unix_s * 1000 };
            let body = Body { kept: body.as_bytes(), len: body.len() };
            judge(&shared, &Behaviour::default(), &head, body, &mut memory, now).reason
        };
        assert_eq!([990, 999].map(&mut judge_at), [Reason::FcmAccepted; 2]);
        assert_eq!([1_000, 1_001].map(&mut judge_at), [Reason::FcmUnauthenticated; 2]);
    }

    #[test]
    fn paths() {
        assert_eq!(project("/v1/projects/owl/messages:send"), Some("owl"));
        assert_eq!(project("/v1/projects//messages:send"), None);
        assert_eq!(project("/v1/projects/a/b/messages:send"), None);
        assert_eq!(project("/v1/projects/owl/messages:sendAll"), None);
    }
}
