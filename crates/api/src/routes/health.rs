//! Whether it lives, whether it can work, and its metrics.

use crate::Shared;
use crate::problem::{Code, Problem};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;

/// `{"ok":true}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Fine {
    /// Always true: what is not fine is a problem.
    ok: bool,
}

pub(crate) async fn lives() -> Json<Fine> {
    Json(Fine { ok: true })
}

/// What the last look at the backend showed.
pub(crate) async fn ready(State(app): Shared) -> Result<Json<Fine>, Problem> {
    match app.ready.why_not(&**app.control.clock()) {
        Ok(()) => Ok(Json(Fine { ok: true })),
        Err(why) => Err(Problem::new(Code::BackendUnavailable, why)),
    }
}

pub(crate) async fn metrics(State(app): Shared) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, telemetry::PROMETHEUS_CONTENT_TYPE)], app.counts.text())
}
