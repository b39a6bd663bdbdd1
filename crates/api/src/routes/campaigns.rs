//! Creating, editing and reading campaigns.

use super::actions::check_percent;
use super::{Limit, spawned};
use crate::Shared;
use crate::access::rules::reads_users;
use crate::access::{Identity, ended, loud};
use crate::extract::{Caller, Id, Json, Params, User};
use crate::guard;
use crate::problem::{Code, Problem};
use crate::views::{CampaignList, CampaignPatch, CloneRequest, NewCampaign, PreviewList};
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::access::TokenId;
use common::campaign::Campaign;
use common::fleet::Expected;
use control::{Edit, LateUser, LateUsers, OnceKey, Preflight, Report, Status, UserReceipt, unnamed};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

type Answer<T> = Result<axum::Json<T>, Problem>;
type Created = (StatusCode, [(HeaderName, String); 1], axum::Json<Campaign>);

/// Names a creation that may be asked again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

fn created(campaign: Campaign) -> Created {
    let location = format!("/v1/campaigns/{}", campaign.id);
    (StatusCode::CREATED, [(header::LOCATION, location)], axum::Json(campaign))
}

pub(crate) async fn create(
    State(app): Shared,
    Caller(who): Caller,
    Extension(Identity(record)): Extension<Identity>,
    headers: HeaderMap,
    Json(new): Json<NewCampaign>,
) -> Result<Created, Problem> {
    let key = once_key(&headers, record.id)?;
    loud(record.role, new.content.silent)?;
    let control = Arc::clone(&app.control);
    let NewCampaign { name, content, options } = new;
    let work = async move {
        match key {
            Some(key) => control.create_once(&who, &key, &name, content, options).await,
            None => control.create(&who, &name, content, options).await,
        }
    };
    spawned(work).await.map(created)
}

/// The key under which a creation may be asked again: each token has its own.
fn once_key(headers: &HeaderMap, token: TokenId) -> Result<Option<OnceKey>, Problem> {
    let Some(key) = guard::one(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(Some(OnceKey::new(&token.to_string(), key)));
    }
    let why = "an idempotency key is 1 to 255 visible ASCII characters, without spaces; a UUID is a good one";
    Err(Problem::new(Code::BadHeader, why).at(IDEMPOTENCY_KEY.as_str()))
}

pub(crate) async fn list(State(app): Shared, Params(limit): Params<Limit>) -> Answer<CampaignList> {
    let mut campaigns = app.control.list(limit.or(50, 1_000)?).await?;
    campaigns.iter_mut().filter_map(|c| c.books.as_mut()).for_each(|books| books.forget_slots());
    Ok(axum::Json(CampaignList { campaigns }))
}

pub(crate) async fn one(State(app): Shared, Id(id): Id) -> Answer<Campaign> {
    Ok(axum::Json(app.control.get(id).await?))
}

pub(crate) async fn edit(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    Extension(Identity(record)): Extension<Identity>,
    Json(patch): Json<CampaignPatch>,
) -> Answer<Campaign> {
    loud(record.role, patch.content.as_ref().is_none_or(|content| content.silent))?;
    if patch == CampaignPatch::default() {
        return Err(Problem::new(Code::NothingToChange, "give a name, a content or options to change"));
    }
    let control = Arc::clone(&app.control);
    let options = match patch.options {
        Some(changes) => Some(changes.onto(control.get(id).await?.options)),
        None => None,
    };
    let edit = Edit { name: patch.name, content: patch.content, options };
    spawned(async move { control.edit(&who, id, edit).await }).await.map(axum::Json)
}

pub(crate) async fn clone(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    Json(request): Json<CloneRequest>,
) -> Result<Created, Problem> {
    let control = Arc::clone(&app.control);
    spawned(async move { control.clone_campaign(&who, id, request.name.as_deref()).await }).await.map(created)
}

/// Checks against this fleet; where nothing is said, against what the campaign was armed with, or what was last scaled.
pub(crate) async fn preflight(
    State(app): Shared,
    Id(id): Id,
    Params(expect): Params<Expected>,
) -> Answer<Preflight> {
    check_percent("percent", expect.percent.unwrap_or(100))?;
    Ok(axum::Json(app.control.preflight(id, &expect).await?))
}

pub(crate) async fn status(State(app): Shared, Id(id): Id) -> Answer<Status> {
    Ok(axum::Json(app.control.status(id).await?))
}

/// The figures as they come, for as long as the token is good.
pub(crate) async fn live(
    State(app): Shared,
    Id(id): Id,
    Extension(Identity(record)): Extension<Identity>,
) -> Result<Response, Problem> {
    let watched = crate::live::watch(&app, id).await?;
    let good = Box::pin(ended(Arc::clone(&app), record));
    Ok(watched.map(|body| Body::from_stream(body.into_data_stream().take_until(good))))
}

/// `?format=`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReportQuery {
    /// JSON, or CSV for a spreadsheet.
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
}

pub(crate) async fn report(
    State(app): Shared,
    Id(id): Id,
    Extension(Identity(record)): Extension<Identity>,
    Params(query): Params<ReportQuery>,
) -> Result<Response, Problem> {
    let report = app.control.report(id).await?;
    if matches!(query.format, Format::Json) {
        return Ok(axum::Json(report).into_response());
    }
    let late =
        if reads_users(record.role) { late_users(&app, &report).await } else { unnamed(&report.books) };
    Ok(super::report_csv::answer(&report, &late))
}

/// A report is worth having without the names.
async fn late_users(app: &crate::App, report: &Report) -> Vec<LateUser> {
    app.control.late_users(&report.campaign, &report.books).await.unwrap_or_else(|error| {
        tracing::warn!(campaign = %report.campaign.id, %error, "late users are not named");
        unnamed(&report.books)
    })
}

pub(crate) async fn late(State(app): Shared, Id(id): Id) -> Answer<LateUsers> {
    Ok(axum::Json(app.control.late(id).await?))
}

pub(crate) async fn receipts(State(app): Shared, Id(id): Id, User(user): User) -> Answer<UserReceipt> {
    Ok(axum::Json(app.control.receipts(id, &user).await?))
}

pub(crate) async fn preview(State(app): Shared, Id(id): Id) -> Answer<PreviewList> {
    let campaign = app.control.get(id).await?;
    let texts = payload::preview(&campaign.content, id);
    let texts = texts.map_err(|e| Problem::bad_field("content", e.to_string()))?;
    Ok(axum::Json(PreviewList { campaign: id, texts }))
}
