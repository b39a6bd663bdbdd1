//! `GET /v1/campaigns/{id}/outcomes`: what the ledger says of every device, as NDJSON with a batch a line, read while it goes
//! out.

use crate::Shared;
use crate::extract::{Id, Params};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use control::{BatchOutcomes, ControlError};
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutcomesQuery {
    /// Of this shard only.
    shard: Option<u16>,
}

pub(crate) async fn list(
    State(app): Shared,
    Id(id): Id,
    Params(query): Params<OutcomesQuery>,
) -> Result<Response, Problem> {
    let reading = app.control.outcomes(id, query.shard).await?;
    let pieces = stream::try_unfold(reading, |mut reading| async move {
        let batches = reading.next_batches().await?;
        Ok::<_, ControlError>(batches.map(|batches| (lines(&batches), reading)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pieces)).into_response())
}

fn lines(batches: &[BatchOutcomes]) -> Vec<u8> {
    let mut out = Vec::new();
    for batch in batches {
        // Numbers and words into memory: this does not fail.
        if serde_json::to_writer(&mut out, batch).is_ok() {
            out.push(b'\n');
        }
    }
    out
}
