//! Reading a request's body piece by piece, within a size and without long silences.

use crate::problem::{Code, Problem};
use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::header;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::time::Duration;

/// A body that is read in pieces.
#[derive(Debug)]
pub(crate) struct BodyReader {
    stream: BodyDataStream,
    idle: Duration,
    max: u64,
    seen: u64,
}

impl BodyReader {
    /// Nothing is read yet; a body that announces more than `max` bytes is refused at once.
    pub(crate) fn new(request: Request, max: u64, idle: Duration) -> Result<Self, Problem> {
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        if announced.and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > max) {
            return Err(too_large(max));
        }
        Ok(Self { stream: request.into_body().into_data_stream(), idle, max, seen: 0 })
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let piece = tokio::time::timeout(self.idle, self.stream.next()).await;
        let piece = piece.map_err(|_| Self::too_slow(self.idle))?.transpose();
        let piece = piece.map_err(|_| {
            Problem::new(Code::CutOff, "the connection broke off in the middle of the body: send it again")
        })?;
        self.seen += piece.as_ref().map_or(0, |p| p.len() as u64);
        if self.seen > self.max { Err(too_large(self.max)) } else { Ok(piece) }
    }

    /// All of it, for small bodies.
    pub(crate) async fn read_all(&mut self) -> Result<Bytes, Problem> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    pub(crate) fn too_slow(limit: Duration) -> Problem {
        let why = format!("the body did not arrive: nothing more came for {} ms", limit.as_millis());
        Problem::new(Code::BodyTooSlow, why)
    }
}

fn too_large(max: u64) -> Problem {
    let why = format!("the body is larger than {max} bytes, the most allowed");
    Problem::new(Code::BodyTooLarge, why)
}
