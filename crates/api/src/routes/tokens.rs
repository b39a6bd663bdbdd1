//! Tokens: who has which role. For administrators only.

use super::spawned_port;
use crate::Shared;
use crate::extract::{Caller, Json, TokenPath};
use crate::problem::Problem;
use crate::tokens;
use crate::views::{NewToken, TokenList, TokenMade, TokenView};
use axum::extract::State;
use axum::http::StatusCode;
use common::access::{TOKEN_GOOD_FOR, TOKEN_GOOD_FOR_MAX, TokenRecord, checked_name};
use common::time::UnixMs;
use std::sync::Arc;

fn view(record: TokenRecord) -> TokenView {
    let TokenRecord { id, name, role, created, expires_at, revoked, .. } = record;
    TokenView { id, name, role, created, expires_at, revoked }
}

pub(crate) async fn list(State(app): Shared) -> Result<axum::Json<TokenList>, Problem> {
    let mut all = app.control.backend().tokens.list().await?;
    all.sort_by_key(|record| std::cmp::Reverse((record.created.at, record.id)));
    Ok(axum::Json(TokenList { tokens: all.into_iter().map(view).collect() }))
}

pub(crate) async fn make(
    State(app): Shared,
    Caller(who): Caller,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, axum::Json<TokenMade>), Problem> {
    let name = checked_name(&new.name).map_err(|bad| Problem::bad_field(bad.field, bad.why))?;
    let expires_at = ends(new.expires_at, app.control.clock().now())?;
    let this = Arc::clone(&app);
    let made = async move { tokens::make(&this, &who, &name, new.role, expires_at).await };
    let (token, record) = spawned_port(made).await?;
    let (token, record) = (token.expose(), view(record));
    let link = format!("/sign-in#{token}");
    Ok((StatusCode::CREATED, axum::Json(TokenMade { token, link, record })))
}

/// When a token ends: as asked, or in ninety days; never only for who says so.
fn ends(asked: Option<Option<UnixMs>>, now: UnixMs) -> Result<Option<UnixMs>, Problem> {
    match asked {
        None => Ok(Some(now.plus(TOKEN_GOOD_FOR))),
        Some(None) => Ok(None),
        Some(Some(at)) if at > now && at <= now.plus(TOKEN_GOOD_FOR_MAX) => Ok(Some(at)),
        Some(Some(at)) => {
            let why = format!("is {}: a time to come, within ten years, or null for never", at.rfc3339());
            Err(Problem::bad_field("expires_at", why))
        }
    }
}

pub(crate) async fn revoke(
    State(app): Shared,
    Caller(who): Caller,
    TokenPath(id): TokenPath,
) -> Result<axum::Json<TokenView>, Problem> {
    let this = Arc::clone(&app);
    let gone = spawned_port(async move { tokens::revoke(&this, &who, id).await }).await?;
    Ok(axum::Json(view(gone)))
}
