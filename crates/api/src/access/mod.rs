//! Who may do what: finds out who asks, by a token in a header or a cookie, and holds it against the table of [`rules`].

mod attempts;
mod config;
mod first;
mod keys;
pub mod rules;
mod source;

pub use config::{AccessConfig, TlsFiles};
pub(crate) use keys::Keys;
pub(crate) use source::Source;

use crate::App;
use crate::extract::Id;
use crate::guard::one;
use crate::problem::{Code, Problem};
use crate::requests::Peer;
use attempts::{Attempt, Attempts};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::access::{Role, Stale, Token, TokenId, TokenRecord};
use common::campaign::{Refusal, RefusalCode};
use control::{ControlError, Leave, Who};
use first::First;
use keys::Refused;
use rand::TryRng;
use rand::rngs::SysRng;
use rules::{Lets, Rule};
use std::sync::Arc;
use std::time::Duration;

/// The cookie that holds a browser's token. With TLS browsers take this name only from this very host, by TLS: nobody's
/// page on a neighbouring name can set it.
pub(crate) fn cookie_name(source: Source) -> &'static str {
    if source.https { "__Host-owl_session" } else { "owl_session" }
}

/// For a year a browser that was here by TLS comes in no other way.
const HSTS: &str = "max-age=31536000";

/// How often the token of somebody who watches is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What this process knows about who may do what.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) keys: Keys,
    pub(crate) first: First,
    attempts: Attempts,
}

/// Who asks, with which token.
#[derive(Clone, Debug)]
pub(crate) struct Identity(pub(crate) Arc<TokenRecord>);

impl Access {
    pub(crate) fn new(config: &AccessConfig) -> Self {
        let keys = Keys::new(config.admin().as_ref());
        Self { keys, first: First::default(), attempts: Attempts::default() }
    }
}

/// A new token, of the system's random bits.
///
/// # Errors
/// The system has none.
pub fn mint() -> Result<Token, String> {
    let (mut id, mut secret) = ([0; 4], [0; 32]);
    for bits in [&mut id[..], &mut secret[..]] {
        SysRng.try_fill_bytes(bits).map_err(|e| format!("the system gives no random bits: {e}"))?;
    }
    Ok(Token::new(TokenId(u32::from_be_bytes(id)), secret))
}

/// A code for the one-time link: 192 random bits.
pub(crate) fn one_time_code() -> Result<String, String> {
    let mut bits = [0; 24];
    SysRng.try_fill_bytes(&mut bits).map_err(|e| format!("the system gives no random bits: {e}"))?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// Middleware: lets in whom the route's rule lets in, and notes who it is.
pub(crate) async fn check(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let source = Source::of(&app.config.access, peer.as_ref(), request.headers());
    request.extensions_mut().insert(source);
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    let Some(rule) = rules::find(request.method().as_str(), path.as_str()) else {
        return wrong_method(request.method(), path.as_str());
    };
    let mut response = match allow(&app, rule, source, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // Not on this machine: whatever else runs here under the same name may have no TLS.
    if source.https && !source.ip.is_loopback() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    response
}

/// Also what a route would be answered that stands in the router and has no rule.
fn wrong_method(method: &Method, path: &str) -> Response {
    let why = format!("{method} is not a method of this route; `allow` lists those that are");
    let problem = Problem::new(Code::WrongMethod, why);
    ([(header::ALLOW, rules::methods(path))], problem).into_response()
}

async fn allow(app: &App, rule: &Rule, source: Source, mut request: Request) -> Result<Request, Problem> {
    match rule.lets {
        Lets::Open => return Ok(request),
        Lets::Local if source.local => return Ok(request),
        Lets::Local | Lets::Roles(_) => {}
    }
    let record = authenticate(app, source, request.method(), request.headers()).await?;
    if !rule.lets.role(record.role) {
        return Err(not_permitted(&record, rule.action, rule.lets));
    }
    if rule.silent && record.role == Role::LoadTester {
        request = only_silent(app, request).await?;
    }
    request.extensions_mut().insert(Identity(record));
    Ok(request)
}

/// Whether the token behind a request is still good, and the campaign one that its role may touch: asked again right before
/// each write, because an arming waits for minutes. From memory.
pub(crate) fn leave(app: &Arc<App>, record: &TokenRecord) -> Leave {
    let (app, id, role) = (Arc::clone(app), record.id, record.role);
    Leave::asking(move |campaign| {
        app.access.keys.still_good(id, app.control.clock().now()).map_err(no_longer)?;
        may_touch(role, campaign.content.silent)
    })
}

/// Ends when a token is no longer good, within about two seconds: what streams for hours is held against it.
pub(crate) async fn ended(app: Arc<App>, record: Arc<TokenRecord>) {
    while app.access.keys.still_good(record.id, app.control.clock().now()).is_ok() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The answer to somebody whose role does not do this.
pub(crate) fn not_permitted(record: &TokenRecord, action: &str, lets: Lets) -> Problem {
    let (name, role) = (&record.name, record.role);
    let why = format!("`{name}` is {role}, and `{action}` takes one of these roles: {}", lets.names());
    Problem::new(RefusalCode::NotPermitted, why)
}

/// Whether a load-tester may touch the campaign in the path; where there is none, the handler looks at the content.
async fn only_silent(app: &App, request: Request) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    if parts.extensions.get::<MatchedPath>().is_some_and(|path| path.as_str().contains("{id}")) {
        let Id(id) = Id::from_request_parts(&mut parts, &()).await?;
        loud(Role::LoadTester, app.control.get(id).await?.content.silent)?;
    }
    Ok(Request::from_parts(parts, body))
}

/// Refuses a load-tester what people would see.
pub(crate) fn loud(role: Role, silent: bool) -> Result<(), Problem> {
    may_touch(role, silent).map_err(|no| ControlError::from(no).into())
}

/// As [`loud`], for whoever asks right before a write.
pub(crate) fn may_touch(role: Role, silent: bool) -> Result<(), Refusal> {
    if silent || role != Role::LoadTester {
        return Ok(());
    }
    let why = "people would see this campaign: a load-tester works with silent ones only (an empty payload)";
    Err(Refusal { code: RefusalCode::NotPermitted, detail: why.to_owned() })
}

/// Who asks, by a bearer token or the browser's cookie.
async fn authenticate(
    app: &App,
    source: Source,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Arc<TokenRecord>, Problem> {
    if let Some(text) = bearer(headers)? {
        return identify(app, source, text).await;
    }
    let text = cookie(source, headers)?.ok_or_else(no_token)?;
    // A cookie comes along by itself, so a page of somebody else's must not be where the request came from. An `Origin`
    // that is there is this host's: the guard has looked.
    let safe = matches!(*method, Method::GET | Method::HEAD);
    let same = headers.contains_key(header::ORIGIN) || one(headers, &SEC_FETCH_SITE)? == Some("same-origin");
    if !safe && !same {
        let why =
            "a request with a cookie says where it comes from: `origin`, or `sec-fetch-site: same-origin`";
        return Err(Problem::new(Code::OriginNotAllowed, why).at("origin"));
    }
    identify(app, source, &text).await
}

const SEC_FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = one(headers, &header::AUTHORIZATION)? else { return Ok(None) };
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(rest.trim())) } else { Err(no_token()) }
}

fn cookie(source: Source, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let all = lines.flat_map(cookie::Cookie::split_parse).filter_map(Result::ok);
    let mut ours = all.filter(|c| c.name() == cookie_name(source)).map(|c| c.value().to_owned());
    match (ours.next(), ours.next()) {
        // One of them is somebody else's, and nobody can say which.
        (Some(_), Some(_)) => {
            let why = "there are two session cookies: sign out, and in again";
            Err(Problem::new(Code::BadHeader, why).at("cookie"))
        }
        (first, _) => Ok(first),
    }
}

fn no_token() -> Problem {
    let why = "this takes a token: `authorization: Bearer owl_…` (`owl login`, or the page /sign-in)";
    Problem::new(Code::NoToken, why)
}

/// Why a token whose secret was right opens nothing.
pub(crate) fn no_longer(stale: Stale) -> Refusal {
    let (code, detail) = match stale {
        Stale::Expired(at) => {
            let why = format!("this token ended at {}: ask an administrator for another", at.rfc3339());
            (RefusalCode::TokenExpired, why)
        }
        Stale::Revoked(by) => {
            (RefusalCode::TokenRevoked, format!("this token was revoked by {} at {}", by.by, by.at.rfc3339()))
        }
    };
    Refusal { code, detail }
}

/// Whose token this is. A wrong one is counted; a right one never is.
pub(crate) async fn identify(app: &App, source: Source, text: &str) -> Result<Arc<TokenRecord>, Problem> {
    let Ok(token) = text.parse::<Token>() else { return Err(counted(app, source, Code::BadToken)) };
    let (backend, clock) = (app.control.backend(), app.control.clock());
    let may_look_up = || !app.access.attempts.are_over(source.ip, clock.mono());
    let checked = app.access.keys.check(backend, &**clock, &token, may_look_up).await;
    match checked {
        Ok(record) => Ok(record),
        Err(Refused::Wrong) => Err(counted(app, source, Code::BadToken)),
        Err(Refused::Stale(stale)) => Err(ControlError::from(no_longer(stale)).into()),
        Err(Refused::Unreachable(error)) => Err(error.into()),
    }
}

/// A wrong token or code: the answer, until there were too many.
pub(crate) fn counted(app: &App, source: Source, code: Code) -> Problem {
    match app.access.attempts.wrong(source.ip, app.control.clock().mono()) {
        Attempt::Counted if code == Code::BadCode => {
            Problem::new(code, "this code is not good: it may have been used, or be older than a day")
        }
        Attempt::Counted => Problem::new(code, "this token is not known"),
        Attempt::Refused { wait, audit } => {
            if audit {
                let who = Who::at("-", &source.ip.to_string());
                let result = "refused: too_many_attempts".to_owned();
                app.control.audit(&who, "session.refused", None, result);
            }
            let seconds = wait.as_secs() + 1;
            let why = format!("too many wrong tokens from your address: wait {seconds} s");
            let problem = Problem::new(Code::TooManyAttempts, why);
            Problem { retry_after_s: u16::try_from(seconds).ok(), ..problem }
        }
    }
}
