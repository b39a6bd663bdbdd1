//! A multipart upload: parts on their way at the same time, made visible all at once. Dropped before that, it is aborted.
//!
//! What a dead process leaves behind is removed by the bucket's rule for incomplete uploads (Terraform, module bucket).

use super::{Inner, WHAT, WRITE, is_taken};
use crate::dynamo::Mark;
use crate::fault::Failed;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use common::ports::{PortError, Put, PutMode};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Parts of one object on their way at a time: with the one being filled, an upload holds 32 MiB.
const AT_ONCE: usize = 3;

/// An upload that has begun.
pub(super) struct Upload {
    bucket: Arc<Inner>,
    key: String,
    /// `None` once it is complete.
    id: Option<String>,
    mark: Mark,
    pushed: i32,
    done: BTreeMap<i32, CompletedPart>,
    under_way: JoinSet<Result<(i32, CompletedPart), PortError>>,
}

impl Upload {
    /// Begins one.
    pub(super) async fn begin(bucket: Arc<Inner>, key: &str) -> Result<Self, PortError> {
        let mark = Mark::new();
        let call = || {
            let call = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key);
            call.checksum_algorithm(ChecksumAlgorithm::Crc32).metadata(WRITE, mark.text()).send()
        };
        let begun = bucket.patience.call(call).await.map_err(Inner::failed)?;
        let id = begun.upload_id.ok_or_else(|| bucket.patience.unavailable("an upload without an id"))?;
        let (done, under_way) = (BTreeMap::new(), JoinSet::new());
        Ok(Self { bucket, key: key.to_owned(), id: Some(id), mark, pushed: 0, done, under_way })
    }

    /// Waits until another part may go out. Cancel-safe.
    pub(super) async fn room(&mut self) -> Result<(), PortError> {
        while self.under_way.len() >= AT_ONCE {
            self.one_done().await?;
        }
        Ok(())
    }

    async fn one_done(&mut self) -> Result<(), PortError> {
        let Some(joined) = self.under_way.join_next().await else { return Ok(()) };
        let (number, part) = joined.map_err(|e| self.bucket.patience.unavailable(e.to_string()))??;
        self.done.insert(number, part);
        Ok(())
    }

    /// Sends the next part.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.pushed += 1;
        let (bucket, key, number) = (self.bucket.clone(), self.key.clone(), self.pushed);
        let id = self.id.clone().unwrap_or_default();
        self.under_way.spawn(async move { bucket.upload_part(&key, &id, number, bytes).await });
    }

    /// Waits for all parts and makes the object visible.
    pub(super) async fn complete(mut self, mode: PutMode) -> Result<Put, PortError> {
        while !self.under_way.is_empty() {
            self.one_done().await?;
        }
        let id = self.id.clone().unwrap_or_default();
        let parts: Vec<CompletedPart> = std::mem::take(&mut self.done).into_values().collect();
        let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let bucket = self.bucket.clone();
        let call = || {
            let call = bucket.client.complete_multipart_upload().bucket(&bucket.name).key(&self.key);
            let call = call.upload_id(&id).multipart_upload(whole.clone());
            call.set_if_none_match((mode == PutMode::IfAbsent).then(|| "*".to_owned())).send()
        };
        match bucket.patience.call(call).await {
            Ok(_) => {
                self.id = None;
                Ok(Put::Stored)
            }
            Err(Failed::Said(said)) if is_taken(&said) => bucket.taken(&self.key, self.mark).await,
            Err(Failed::Said(said)) if said.code() == Some("NoSuchUpload") => {
                // It may be gone because an earlier attempt of this very call completed it.
                self.id = None;
                if bucket.is_from(&self.key, self.mark).await? {
                    return Ok(Put::Stored);
                }
                let why = "the upload was aborted by somebody else".to_owned();
                Err(PortError::Unavailable { what: WHAT, why })
            }
            Err(other) => Err(Inner::failed(other)),
        }
    }
}

impl Inner {
    async fn upload_part(
        &self,
        key: &str,
        id: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<(i32, CompletedPart), PortError> {
        let call = || {
            let call =
                self.client.upload_part().bucket(&self.name).key(key).upload_id(id).part_number(number);
            call.body(ByteStream::from(bytes.clone())).checksum_algorithm(ChecksumAlgorithm::Crc32).send()
        };
        let sent = self.patience.call(call).await.map_err(Self::failed)?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        Ok((number, part.set_checksum_crc32(sent.checksum_crc32).build()))
    }

    /// What is gone already needs no abort.
    fn aborting(error: Failed<AbortMultipartUploadError>) -> Option<PortError> {
        match error {
            Failed::Said(AbortMultipartUploadError::NoSuchUpload(_)) => None,
            other => Some(Self::failed(other)),
        }
    }

    async fn abort(&self, key: &str, id: &str) {
        let call = || self.client.abort_multipart_upload().bucket(&self.name).key(key).upload_id(id).send();
        let gone = self.patience.call(call).await.map_err(Self::aborting);
        if let Err(Some(error)) = gone {
            tracing::warn!(key, %error, "an unfinished upload is left to the bucket's lifecycle rule");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let (bucket, key) = (self.bucket.clone(), std::mem::take(&mut self.key));
        let mut under_way = std::mem::take(&mut self.under_way);
        runtime.spawn(async move {
            // A part that arrives after the abort would be kept.
            under_way.shutdown().await;
            bucket.abort(&key, &id).await;
        });
    }
}
