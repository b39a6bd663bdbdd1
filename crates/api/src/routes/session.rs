//! Signing in and out with a browser, and who somebody is.

use super::spawned_port;
use crate::access::rules::can;
use crate::access::{Identity, Source, cookie_name, counted, identify};
use crate::extract::ShortJson;
use crate::problem::{Code, Problem};
use crate::views::{FirstCode, FirstSession, SessionView, SignIn};
use crate::{App, Shared, tokens};
use axum::extract::{Extension, State};
use axum::http::{HeaderName, StatusCode, header};
use common::access::{Role, TokenRecord};
use common::time::UnixMs;
use control::Who;
use cookie::{Cookie, SameSite, time};
use std::sync::Arc;

type SetCookie = [(HeaderName, String); 1];
type SignedIn<T> = Result<(SetCookie, axum::Json<T>), Problem>;

/// The name on the token of whoever uses the one-time link.
const FIRST: &str = "first administrator";
/// Browsers keep no cookie longer than 400 days.
const COOKIE_DAYS_MAX: i64 = 400;

fn view(record: &TokenRecord) -> SessionView {
    let can = can(record.role).into_iter().map(str::to_owned).collect();
    SessionView { name: record.name.clone(), role: record.role, expires_at: record.expires_at, can }
}

pub(crate) async fn read(Extension(Identity(record)): Extension<Identity>) -> axum::Json<SessionView> {
    axum::Json(view(&record))
}

pub(crate) async fn begin(
    State(app): Shared,
    Extension(source): Extension<Source>,
    body: Result<ShortJson<SignIn>, Problem>,
) -> SignedIn<SessionView> {
    let ShortJson(SignIn { token }) = body.map_err(|p| unquoted(p, "{\"token\": \"owl_…\"}"))?;
    let record = identify(&app, source, token.expose()).await?;
    Ok((cookie(&app, source, token.expose(), record.expires_at), axum::Json(view(&record))))
}

/// The browser forgets the token. It stays good: whoever wants it gone has it revoked.
pub(crate) async fn end(Extension(source): Extension<Source>) -> (StatusCode, SetCookie) {
    let gone = build(source, "", time::Duration::ZERO);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)])
}

pub(crate) async fn first(
    State(app): Shared,
    Extension(source): Extension<Source>,
    body: Result<ShortJson<FirstCode>, Problem>,
) -> SignedIn<FirstSession> {
    let ShortJson(FirstCode { code }) = body.map_err(|p| unquoted(p, "{\"code\": \"…\"}"))?;
    let now = app.control.clock().now();
    let code =
        app.access.first.take(code.expose(), now).ok_or_else(|| counted(&app, source, Code::BadCode))?;
    let who = Who::at(FIRST, &source.ip.to_string());
    let this = Arc::clone(&app);
    let expires_at = Some(now.plus(common::access::TOKEN_GOOD_FOR));
    let made = spawned_port(async move {
        let made = tokens::make(&this, &who, FIRST, Role::Admin, expires_at).await;
        if made.is_err() {
            this.access.first.give_back(code);
        }
        made
    });
    let (token, record) = made.await?;
    let cookie = cookie(&app, source, &token.expose(), expires_at);
    Ok((cookie, axum::Json(FirstSession { token: token.expose(), session: view(&record) })))
}

/// A fault of the body, without the words of the parser: they quote what was sent, which may be a token.
fn unquoted(problem: Problem, wanted: &str) -> Problem {
    match problem.status {
        400 | 422 => Problem { detail: format!("the body is {wanted}"), field: None, ..problem },
        _ => problem,
    }
}

fn cookie(app: &App, source: Source, token: &str, expires_at: Option<UnixMs>) -> SetCookie {
    let most = time::Duration::days(COOKIE_DAYS_MAX);
    let left = expires_at.map_or(most, |at| {
        let left = at.since(app.control.clock().now()).as_secs();
        time::Duration::seconds(i64::try_from(left).unwrap_or(i64::MAX)).min(most)
    });
    [(header::SET_COOKIE, build(source, token, left))]
}

fn build(source: Source, token: &str, max_age: time::Duration) -> String {
    let cookie = Cookie::build((cookie_name(source), token)).path("/").http_only(true);
    let cookie = cookie.same_site(SameSite::Strict);
    cookie.secure(source.https).max_age(max_age).build().to_string()
}
