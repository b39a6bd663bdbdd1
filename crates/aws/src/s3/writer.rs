//! An object that is written in pieces of any size: gathered into parts, and one PUT when it stays small.

use super::upload::Upload;
use super::{Inner, PART_BYTES, WHAT};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use common::ports::{ObjectWriter, PortError, PutMode};
use std::sync::Arc;

/// Gathers pieces.
pub(super) struct PartsWriter {
    bucket: Arc<Inner>,
    key: String,
    /// What is in no part yet.
    rest: BytesMut,
    bytes: u64,
    upload: Option<Upload>,
    /// A part was not written: there is nothing to finish.
    broken: bool,
}

impl PartsWriter {
    /// Nothing is asked of S3 before the first part is full.
    pub(super) fn new(bucket: Arc<Inner>, key: &str) -> Self {
        Self { bucket, key: key.to_owned(), rest: BytesMut::new(), bytes: 0, upload: None, broken: false }
    }

    /// Sends every part that is full. A call that is dropped has lost nothing: the next one goes on.
    async fn send_full(&mut self) -> Result<(), PortError> {
        while self.rest.len() >= PART_BYTES {
            let upload = match &mut self.upload {
                Some(upload) => upload,
                None => self.upload.insert(Upload::begin(self.bucket.clone(), &self.key).await?),
            };
            upload.room().await?;
            upload.push(self.rest.split_to(PART_BYTES).freeze());
        }
        Ok(())
    }

    fn whole(&self) -> Result<(), PortError> {
        let why = || "an earlier part of this object was not written".to_owned();
        if self.broken { Err(PortError::Unavailable { what: WHAT, why: why() }) } else { Ok(()) }
    }
}

#[async_trait]
impl ObjectWriter for PartsWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError> {
        self.whole()?;
        self.bytes += bytes.len() as u64;
        self.rest.extend_from_slice(&bytes);
        let sent = self.send_full().await;
        self.broken = sent.is_err();
        sent
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, PortError> {
        self.whole()?;
        self.send_full().await?;
        let Self { bucket, key, rest, bytes, upload, .. } = *self;
        match upload {
            None => bucket.put_single(&key, rest.freeze(), PutMode::Replace).await?,
            Some(mut upload) => {
                if !rest.is_empty() {
                    upload.room().await?;
                    upload.push(rest.freeze());
                }
                upload.complete(PutMode::Replace).await?
            }
        };
        Ok(bytes)
    }
}
