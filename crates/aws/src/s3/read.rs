//! GETs: a large object comes in ranges, several at a time, all of the same version of it.

use super::{Inner, PART_BYTES, WHAT};
use crate::fault::Failed;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use bytes::Bytes;
use common::ports::PortError;
use futures::future::select_ok;
use futures::stream::{self, StreamExt};
use std::ops::Range;
use std::time::Duration;

/// Ranges of one object under way at a time. One connection to S3 carries 50 to 100 MB/s.
const AT_ONCE: usize = 8;
/// A range that took longer than this is asked for a second time; whichever comes first is taken.
const HEDGE_AFTER: Duration = Duration::from_secs(2);
/// A range that took longer than this is begun anew.
const BODY_TIME_MAX: Duration = Duration::from_secs(20);
/// An object that was replaced while it was read is read again this often.
const ROUNDS_MAX: u32 = 5;

/// What a ranged GET came to.
enum Piece {
    /// These bytes, of an object of this size and version.
    Bytes(Bytes, u64, Option<String>),
    /// The object ends before the range begins.
    Beyond,
    /// There is no such object.
    None,
    /// The object was replaced since.
    Replaced,
}

impl Inner {
    /// The object, or a range of it, cut at its end.
    pub(super) async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        let Range { start, end } = range.unwrap_or(0..u64::MAX);
        if start >= end {
            return Ok(self.head(key).await?.map(|_| Bytes::new()));
        }
        for _ in 0..ROUNDS_MAX {
            let first = start..end.min(start.saturating_add(PART_BYTES as u64));
            let (bytes, total, version) = match self.hedged(key, first, None).await? {
                Piece::None => return Ok(None),
                Piece::Beyond => return Ok(Some(Bytes::new())),
                Piece::Replaced => continue,
                Piece::Bytes(bytes, total, version) => (bytes, total, version),
            };
            let end = end.min(total);
            let have = start + bytes.len() as u64;
            if have >= end {
                return Ok(Some(bytes));
            }
            if let Some(whole) = self.rest(key, bytes, have..end, version).await? {
                return Ok(Some(whole));
            }
        }
        Err(self.patience.unavailable(format!("{key} was replaced each time while it was read")))
    }

    /// What follows `first`, of the same version; `None` when that is gone.
    async fn rest(
        &self,
        key: &str,
        first: Bytes,
        range: Range<u64>,
        version: Option<String>,
    ) -> Result<Option<Bytes>, PortError> {
        let size = usize::try_from(range.end - range.start).map_err(|e| super::refused(e.to_string()))?;
        let mut whole = Vec::with_capacity(first.len() + size);
        whole.extend_from_slice(&first);
        drop(first);
        let pieces = (range.start..range.end).step_by(PART_BYTES).map(|start| {
            let piece = start..range.end.min(start + PART_BYTES as u64);
            self.whole_piece(key, piece, version.clone())
        });
        let mut pieces = stream::iter(pieces.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some(piece) = pieces.next().await {
            match piece? {
                Some(bytes) => whole.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
        Ok(Some(whole.into()))
    }

    /// All bytes of a range of this version.
    async fn whole_piece(
        &self,
        key: &str,
        range: Range<u64>,
        version: Option<String>,
    ) -> Result<Option<Bytes>, PortError> {
        let want = range.end - range.start;
        match self.hedged(key, range, version).await? {
            Piece::Bytes(bytes, ..) if bytes.len() as u64 == want => Ok(Some(bytes)),
            Piece::Bytes(bytes, ..) => {
                let why = format!("{} bytes came of a range of {want} of {key}", bytes.len());
                Err(PortError::Unavailable { what: WHAT, why })
            }
            Piece::None | Piece::Beyond | Piece::Replaced => Ok(None),
        }
    }

    /// A range, asked for a second time when it is late. Both failing is a failure.
    async fn hedged(
        &self,
        key: &str,
        range: Range<u64>,
        version: Option<String>,
    ) -> Result<Piece, PortError> {
        let first = self.fetch(key, range.clone(), version.as_deref());
        let second = async {
            tokio::time::sleep(HEDGE_AFTER).await;
            let few = self.hedges.try_acquire();
            let _permit =
                few.map_err(|_| self.patience.unavailable("the slower ones are asked for first"))?;
            tracing::debug!(key, ?range, "a late range is asked for a second time");
            self.fetch(key, range.clone(), version.as_deref()).await
        };
        let both: [futures::future::BoxFuture<'_, _>; 2] = [Box::pin(first), Box::pin(second)];
        select_ok(both).await.map(|(piece, _)| piece)
    }

    async fn fetch(&self, key: &str, range: Range<u64>, version: Option<&str>) -> Result<Piece, PortError> {
        let wanted = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let call = async || {
            let call = self.client.get_object().bucket(&self.name).key(key).range(&wanted);
            let answer = call.set_if_match(version.map(str::to_owned)).send().await?;
            let total = answer.content_range().and_then(|r| r.rsplit_once('/')?.1.parse().ok());
            let (length, etag) = (answer.content_length, answer.e_tag);
            // A body that breaks off or stands still is an attempt that failed, as one without an answer is.
            let body = match tokio::time::timeout(BODY_TIME_MAX, answer.body.collect()).await {
                Ok(Ok(body)) => body.into_bytes(),
                Ok(Err(e)) => return Err(SdkError::dispatch_failure(ConnectorError::io(e.into()))),
                Err(late) => return Err(SdkError::timeout_error(late)),
            };
            let total = total.or(length.and_then(|n| u64::try_from(n).ok())).unwrap_or(body.len() as u64);
            Ok(Piece::Bytes(body, total, etag))
        };
        match self.patience.call(call).await {
            Ok(piece) => Ok(piece),
            Err(Failed::Said(said)) => match said.code() {
                Some("NoSuchKey" | "NotFound") => Ok(Piece::None),
                Some("InvalidRange") => Ok(Piece::Beyond),
                Some("PreconditionFailed") => Ok(Piece::Replaced),
                _ => Err(Self::failed(Failed::Said(said))),
            },
            Err(other) => Err(Self::failed(other)),
        }
    }
}
