//! The admin listener: plain HTTP on loopback. Journal, behaviour, and the OAuth2 token endpoint.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::body::Body;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::journal::{JournalEntry, Platform, START_HEADER, Summary, token_hash};
use super::oauth::Grant;
use super::shared::{Moment, Shared};
use super::{Behaviour, GatewayInfo, limits, process};

type App = State<Arc<Shared>>;

/// Serves the admin listener until the task is dropped.
pub(super) async fn serve(shared: Arc<Shared>, listener: std::net::TcpListener) -> std::io::Result<()> {
    let router = Router::new()
        .route("/v1/info", get(info))
        .route("/v1/behaviour", get(behaviour).put(set_behaviour))
        .route("/v1/journal", get(journal))
        .route("/v1/journal/summary", get(summary))
        .route("/v1/journal/device", get(device))
        .route("/v1/journal/reset", post(reset))
        .route("/token", post(token))
        .layer(DefaultBodyLimit::max(limits::MAX_ADMIN_BODY_BYTES))
        .with_state(shared);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn info(State(shared): App) -> Json<GatewayInfo> {
    Json(shared.info.clone())
}

async fn behaviour(State(shared): App) -> Json<Behaviour> {
    Json(Behaviour::clone(&shared.behaviour()))
}

/// Replaces the behaviour: what the body does not name goes back to its default.
async fn set_behaviour(State(shared): App, body: Result<Json<Behaviour>, JsonRejection>) -> Response {
    let checked = body.map_err(|rejection| rejection.body_text()).and_then(|Json(behaviour)| {
        behaviour.check()?;
        Ok(behaviour)
    });
    match checked {
        Ok(behaviour) => {
            shared.set_behaviour(behaviour.clone());
            Json(behaviour).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response(),
    }
}

async fn summary(State(shared): App) -> Json<Summary> {
    Json(Summary {
        connections_opened: shared.connections_opened.load(Relaxed),
        open_connections: shared.open_connections.load(Relaxed),
        distinct_jwts: shared.provider_tokens.distinct() as u64,
        cpu_seconds: process::cpu_seconds(),
        peak_rss_bytes: process::peak_rss_bytes(),
        ..shared.journal.summary()
    })
}

/// Streams the records part by part, so that memory stays small.
async fn journal(State(shared): App) -> Response {
    let start = shared.journal.start_unix_ms().to_string();
    let parts = 0..shared.journal.parts();
    let records = parts.map(move |part| Ok::<_, Infallible>(shared.journal.records(part)));
    let headers = [(CONTENT_TYPE.as_str(), "application/octet-stream".to_owned()), (START_HEADER, start)];
    (headers, Body::from_stream(futures::stream::iter(records))).into_response()
}

#[derive(Deserialize)]
struct DeviceQuery {
    token: String,
}

/// What is known of one token; 404 if it was never heard of.
async fn device(State(shared): App, Query(query): Query<DeviceQuery>) -> Response {
    let apns = token_hash(query.token.to_ascii_lowercase().as_bytes());
    let entry: Option<JournalEntry> = shared
        .journal
        .entry(Platform::Apns, apns)
        .or_else(|| shared.journal.entry(Platform::Fcm, token_hash(query.token.as_bytes())));
    match entry {
        Some(entry) => Json(entry).into_response(),
        None => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": "this token was never heard of" }))).into_response()
        }
    }
}

async fn reset(State(shared): App) -> Json<serde_json::Value> {
    shared.reset();
    Json(json!({ "start_unix_ms": shared.journal.start_unix_ms() }))
}

async fn token(State(shared): App, form: Result<Form<Grant>, FormRejection>) -> Response {
    let Ok(Form(grant)) = form else {
        let error = json!({ "error": "invalid_request", "error_description": "Bad Request" });
        return (StatusCode::BAD_REQUEST, Json(error)).into_response();
    };
    let life_s = shared.behaviour().access_token_life_s;
    match shared.token_endpoint.grant(&grant, Moment::now().unix_s(), life_s) {
        Ok(token) => Json(token).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
    }
}
