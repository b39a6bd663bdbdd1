//! `GET /v1/campaigns/{id}/dropped`: the users that the build left out, as NDJSON with line and reason, read from the
//! object store piece by piece while it goes out.

use crate::Shared;
use crate::extract::{Id, Params};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use common::campaign::DropReason;
use common::ids::ShardNo;
use common::ports::{ObjectStore, PortError};
use common::snapshot::keys;
use futures::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that are read from the store at a time.
const PIECE_BYTES: u64 = 256 * 1024;

/// Which of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DroppedQuery {
    /// Left out for this reason only.
    reason: Option<DropReason>,
    /// How many, at most.
    limit: Option<u64>,
    /// Of this shard only.
    shard: Option<u16>,
}

pub(crate) async fn list(
    State(app): Shared,
    Id(id): Id,
    Params(query): Params<DroppedQuery>,
) -> Result<Response, Problem> {
    let manifest = app.control.snapshot_manifest(id).await?;
    let shards = u16::try_from(manifest.shards.len()).unwrap_or(u16::MAX);
    let wanted = match query.shard {
        Some(no) if no < shards => no..no + 1,
        Some(no) => {
            return Err(Problem::not_found(format!("there is no shard {no}: the snapshot has {shards}")));
        }
        None => 0..shards,
    };
    let snapshot = manifest.id();
    let reading = Reading {
        objects: Arc::clone(&app.control.backend().objects),
        keys: wanted.map(|no| keys::dropped(id, snapshot, ShardNo(no))).collect(),
        at: 0,
        carry: Vec::new(),
        reason: query.reason,
        left: query.limit.unwrap_or(u64::MAX),
    };
    let lines = stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok::<_, PortError>(piece.map(|piece| (piece, reading)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// Where the reading stands.
struct Reading {
    objects: Arc<dyn ObjectStore>,
    keys: VecDeque<String>,
    /// Bytes of the first object that were read.
    at: u64,
    /// The beginning of a line whose end was not read yet.
    carry: Vec<u8>,
    reason: Option<DropReason>,
    left: u64,
}

/// What the filter looks at.
#[derive(Deserialize)]
struct Line {
    reason: DropReason,
}

impl Reading {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, PortError> {
        while self.left > 0 {
            let Some(key) = self.keys.front() else { return Ok(None) };
            let piece =
                self.objects.get(key, Some(self.at..self.at + PIECE_BYTES)).await?.unwrap_or_default();
            self.at += piece.len() as u64;
            self.carry.extend_from_slice(&piece);
            if (piece.len() as u64) < PIECE_BYTES {
                self.keys.pop_front();
                self.at = 0;
                if self.carry.last().is_some_and(|b| *b != b'\n') {
                    self.carry.push(b'\n');
                }
            }
            let lines = self.take_lines();
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }

    /// The whole lines in hand that are wanted.
    fn take_lines(&mut self) -> Bytes {
        let end = self.carry.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let rest = self.carry.split_off(end);
        let lines = std::mem::replace(&mut self.carry, rest);
        let mut out = Vec::new();
        for line in lines.split_inclusive(|b| *b == b'\n') {
            if self.left > 0 && self.wants(line) {
                self.left -= 1;
                out.extend_from_slice(line);
            }
        }
        out.into()
    }

    fn wants(&self, line: &[u8]) -> bool {
        let Some(reason) = self.reason else { return true };
        serde_json::from_slice::<Line>(line).is_ok_and(|l| l.reason == reason)
    }
}
