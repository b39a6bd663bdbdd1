//! Whether it lives, whether it can work, and a page for those who come with a browser.

use crate::Shared;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use common::ports::{Backend, PortError};
use serde::Serialize;
use std::time::Duration;

/// A backend that takes longer than this is not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// `{"ok":true}`.
#[derive(Serialize)]
pub(crate) struct Fine {
    ok: bool,
}

pub(crate) async fn lives() -> Json<Fine> {
    Json(Fine { ok: true })
}

/// One quick look at each kind of port.
pub(crate) async fn ready(State(app): Shared) -> Result<Json<Fine>, Problem> {
    match tokio::time::timeout(READY_WITHIN, look(app.control.backend())).await {
        Ok(Ok(())) => Ok(Json(Fine { ok: true })),
        Ok(Err(error)) => Err(Problem::unavailable("backend_unavailable", error.to_string())),
        Err(_) => {
            Err(Problem::unavailable("backend_unavailable", "the backend does not answer within a second"))
        }
    }
}

async fn look(backend: &Backend) -> Result<(), PortError> {
    tokio::try_join!(
        async { backend.campaigns.slot().await.map(drop) },
        async { backend.shards.depth().await.map(drop) },
        async { backend.batches.depth().await.map(drop) },
        async { backend.objects.head("readyz").await.map(drop) },
    )?;
    Ok(())
}

pub(crate) async fn metrics(State(app): Shared) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.counts.text())
}

pub(crate) async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
