//! Scratch objects of a build: a JSON head, which is the checkpoint, and behind it the data, in one object, so that one
//! can't be there without the other.

use super::BuildError;
use bytes::Bytes;
use common::ids::CampaignId;
use common::ports::{ObjectStore, Put, PutMode};
use common::snapshot::keys;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::Arc;

const LENGTH_BYTES: u64 = 4;
/// Read at first: nearly every head is smaller.
const HEAD_READ_BYTES: u64 = 32 * 1024;

/// The scratch of one build.
pub(super) struct Scratch {
    objects: Arc<dyn ObjectStore>,
    prefix: String,
}

/// The head of a scratch object, and where its data begins.
#[derive(Clone, Debug)]
pub(super) struct Head<H> {
    pub(super) head: H,
    body: u64,
}

impl Scratch {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, campaign: CampaignId, upload: &str) -> Self {
        Self { objects, prefix: format!("{}/", keys::scratch(campaign, upload)) }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn gone(&self, name: &str) -> BuildError {
        BuildError::ScratchGone(self.key(name))
    }

    /// Stores data without a head. What is there already stays.
    pub(super) async fn put_raw(&self, name: &str, bytes: Bytes) -> Result<(), BuildError> {
        self.objects.put(&self.key(name), bytes, PutMode::IfAbsent).await?;
        Ok(())
    }

    /// Stores head and data. What is there already stays, and its head is answered: then another builder was here.
    pub(super) async fn put<H: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        head: H,
        body: &[&[u8]],
    ) -> Result<Head<H>, BuildError> {
        let json = serde_json::to_vec(&head).map_err(|e| BuildError::Faulty(e.to_string()))?;
        let length = u32::try_from(json.len()).map_err(|e| BuildError::Faulty(e.to_string()))?;
        let mut all = Vec::with_capacity(4 + json.len() + body.iter().map(|part| part.len()).sum::<usize>());
        all.extend_from_slice(&length.to_le_bytes());
        all.extend_from_slice(&json);
        body.iter().for_each(|part| all.extend_from_slice(part));
        match self.objects.put(&self.key(name), all.into(), PutMode::IfAbsent).await? {
            Put::Stored => Ok(Head { head, body: LENGTH_BYTES + u64::from(length) }),
            Put::Exists => self.head(name).await?.ok_or_else(|| self.gone(name)),
        }
    }

    /// The head of an object, if it was written.
    pub(super) async fn head<H: DeserializeOwned>(&self, name: &str) -> Result<Option<Head<H>>, BuildError> {
        let key = self.key(name);
        let Some(start) = self.objects.get(&key, Some(0..HEAD_READ_BYTES)).await? else { return Ok(None) };
        let length = start.first_chunk().ok_or_else(|| self.gone(name))?;
        let body = LENGTH_BYTES + u64::from(u32::from_le_bytes(*length));
        let json = if body <= start.len() as u64 {
            start.slice(LENGTH_BYTES as usize..usize::try_from(body).unwrap_or(usize::MAX))
        } else {
            self.objects.get(&key, Some(LENGTH_BYTES..body)).await?.ok_or_else(|| self.gone(name))?
        };
        let head = serde_json::from_slice(&json).map_err(|_| self.gone(name))?;
        Ok(Some(Head { head, body }))
    }

    /// A range of an object without a head, whole.
    pub(super) async fn raw(&self, name: &str, range: Range<u64>) -> Result<Bytes, BuildError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let wanted = range.end - range.start;
        let bytes = self.objects.get(&self.key(name), Some(range)).await?;
        bytes.filter(|b| b.len() as u64 == wanted).ok_or_else(|| self.gone(name))
    }

    /// A range of the data behind a head, whole.
    pub(super) async fn body<H>(
        &self,
        name: &str,
        of: &Head<H>,
        range: Range<u64>,
    ) -> Result<Bytes, BuildError> {
        self.raw(name, of.body + range.start..of.body + range.end).await
    }

    /// Removes all of it.
    pub(super) async fn clear(&self) -> Result<(), BuildError> {
        self.remove(&self.prefix, |_| true).await
    }

    /// Removes what builds of this campaign's earlier uploads left behind.
    pub(super) async fn clear_others(&self, campaign: CampaignId) -> Result<(), BuildError> {
        self.remove(&keys::scratch(campaign, ""), |key| !key.starts_with(&self.prefix)).await
    }

    async fn remove(&self, prefix: &str, which: impl Fn(&str) -> bool) -> Result<(), BuildError> {
        for object in self.objects.list(prefix).await?.iter().filter(|o| which(&o.key)) {
            self.objects.delete(&object.key).await?;
        }
        Ok(())
    }
}

/// Name of a shard's object of one kind.
pub(super) fn of_shard(kind: &str, shard: u16) -> String {
    format!("{kind}-{shard:04}")
}
