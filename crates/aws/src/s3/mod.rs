//! The object store on S3: one bucket, keys as the code writes them.
//!
//! Small objects are one PUT, large ones a multipart upload; a large GET is several ranged ones at a time, of which the
//! slowest are asked for twice. Every PUT carries a CRC32 that S3 checks before it answers.

mod read;
mod upload;
mod writer;

use crate::dynamo::Mark;
use crate::fault::{Failed, Patience, words};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use common::ports::{ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use upload::Upload;
use writer::PartsWriter;

const WHAT: &str = "the object store";
/// An object's part may be 8 MiB, and nobody waits for one with a stopwatch.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one part of an upload and of one ranged GET. Large enough that a request's overhead does not matter, small
/// enough to be sent again; 10,000 of them (AWS) are 80 GiB.
const PART_BYTES: usize = 8 << 20;
/// What is larger goes up in parts.
const SINGLE_BYTES_MAX: usize = 2 * PART_BYTES;
/// Longest key, in bytes (AWS).
const KEY_BYTES_MAX: usize = 1_024;
/// Parts that are asked for a second time at once: the slowest, not all of them on a slow line.
const HEDGES: usize = 2;
/// Under this name an object says which write it is from, so that a conditional PUT recognises itself.
const WRITE: &str = "owl-write";

/// One bucket.
pub struct Bucket(Arc<Inner>);

struct Inner {
    client: Client,
    name: String,
    patience: Patience,
    hedges: Semaphore,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.name).finish()
    }
}

impl Bucket {
    /// The bucket of this name. Nothing is asked of it yet.
    #[must_use]
    pub fn new(client: Client, bucket: &str) -> Self {
        let patience = Patience { what: WHAT, longest: PATIENCE };
        Self(Arc::new(Inner { client, name: bucket.to_owned(), patience, hedges: Semaphore::new(HEDGES) }))
    }
}

fn refused(why: String) -> PortError {
    PortError::Invalid { what: WHAT, why }
}

fn check(key: &str) -> Result<(), PortError> {
    match key.len() {
        1..=KEY_BYTES_MAX => Ok(()),
        n => Err(refused(format!("a key has 1 to {KEY_BYTES_MAX} bytes, not {n}"))),
    }
}

/// Whether a conditional PUT was refused because of what is there.
fn is_taken(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("PreconditionFailed")
}

impl Inner {
    fn failed<E: ProvideErrorMetadata>(error: Failed<E>) -> PortError {
        error.into_port(WHAT)
    }

    async fn put_single(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        let mark = Mark::new();
        let call = || {
            let call = self.client.put_object().bucket(&self.name).key(key);
            let call =
                call.body(ByteStream::from(bytes.clone())).checksum_algorithm(ChecksumAlgorithm::Crc32);
            let call = match mode {
                PutMode::Replace => call,
                PutMode::IfAbsent => call.if_none_match("*").metadata(WRITE, mark.text()),
            };
            call.send()
        };
        match self.patience.call(call).await {
            Ok(_) => Ok(Put::Stored),
            Err(Failed::Said(said)) if is_taken(&said) => self.taken(key, mark).await,
            Err(other) => Err(Self::failed(other)),
        }
    }

    /// Something is there already: another's, or this very write, of whose first attempt the answer got lost.
    async fn taken(&self, key: &str, mark: Mark) -> Result<Put, PortError> {
        Ok(if self.is_from(key, mark).await? { Put::Stored } else { Put::Exists })
    }

    /// Whether the object is from this write.
    async fn is_from(&self, key: &str, mark: Mark) -> Result<bool, PortError> {
        let head = self.head(key).await?;
        let write = head.and_then(|head| head.metadata?.remove(WRITE));
        Ok(write.as_deref() == Some(&mark.text()))
    }

    async fn head(
        &self,
        key: &str,
    ) -> Result<Option<aws_sdk_s3::operation::head_object::HeadObjectOutput>, PortError> {
        let call = || self.client.head_object().bucket(&self.name).key(key).send();
        match self.patience.call(call).await {
            Ok(head) => Ok(Some(head)),
            Err(Failed::Said(HeadObjectError::NotFound(_))) => Ok(None),
            Err(other) => Err(Self::failed(other)),
        }
    }

    async fn put_parts(
        self: &Arc<Self>,
        key: &str,
        mut bytes: Bytes,
        mode: PutMode,
    ) -> Result<Put, PortError> {
        let mut upload = Upload::begin(self.clone(), key).await?;
        while !bytes.is_empty() {
            upload.room().await?;
            upload.push(bytes.split_to(bytes.len().min(PART_BYTES)));
        }
        upload.complete(mode).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        let (mut found, mut next): (Vec<ObjectMeta>, Option<String>) = Default::default();
        loop {
            let call = || {
                let call = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
                call.set_continuation_token(next.clone()).send()
            };
            let page = self.patience.call(call).await.map_err(Self::failed)?;
            found.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let bytes = u64::try_from(object.size.unwrap_or(0)).unwrap_or(0);
                Some(ObjectMeta { key: object.key?, bytes })
            }));
            next = page.next_continuation_token;
            if next.is_none() {
                found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                return Ok(found);
            }
        }
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        check(key)?;
        if bytes.len() <= SINGLE_BYTES_MAX {
            self.0.put_single(key, bytes, mode).await
        } else {
            self.0.put_parts(key, bytes, mode).await
        }
    }

    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        check(key)?;
        Ok(Box::new(PartsWriter::new(self.0.clone(), key)))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        check(key)?;
        self.0.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        check(key)?;
        let head = self.0.head(key).await?;
        let bytes = |length: Option<i64>| u64::try_from(length.unwrap_or(0)).unwrap_or(0);
        Ok(head.map(|head| ObjectMeta { key: key.to_owned(), bytes: bytes(head.content_length) }))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        self.0.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        check(key)?;
        let call = || self.0.client.delete_object().bucket(&self.0.name).key(key).send();
        self.0.patience.call(call).await.map_err(Inner::failed).map(drop)
    }
}

/// Makes the bucket, for stand-ins and tests. On AWS Terraform makes it.
///
/// # Errors
/// What was said, when it can't be made.
pub async fn create_bucket(client: &Client, bucket: &str) -> Result<(), String> {
    let made = client.create_bucket().bucket(bucket).send().await;
    made.map_err(|e| words(e.code(), e.message())).map(drop)
}
