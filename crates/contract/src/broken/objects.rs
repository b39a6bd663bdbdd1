//! Object stores that break the contract.

use crate::memory::MemoryObjects;
use async_trait::async_trait;
use bytes::Bytes;
use common::ports::{ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode};
use std::ops::Range;
use std::sync::Arc;

/// What is wrong with an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFault {
    /// What a writer was given is visible before it is finished, and stays when it is dropped.
    VisibleEarly,
    /// IfAbsent replaces.
    IfAbsentReplaces,
    /// IfAbsent looks first, and stores later.
    IfAbsentRaces,
    /// A range beyond the end is nothing.
    RangeNotCut,
    /// A list ends with its first page.
    OnePage,
    /// A list is in order from its end.
    ListsUnsorted,
    /// A put is seen when half of it is there.
    PutsInHalves,
    /// A put loses its last byte.
    LosesTail,
    /// A writer forgets all parts but the first.
    FirstPartOnly,
    /// Deleting what isn't there is an error.
    DeleteNeedsOne,
}

use ObjectFault as F;

pub(super) const FAULTS: &[(ObjectFault, &[&str])] = &[
    (F::VisibleEarly, &["objects.unfinished", "objects.dropped_writer", "objects.restart"]),
    (F::IfAbsentReplaces, &["objects.if_absent", "objects.if_absent_race"]),
    (F::IfAbsentRaces, &["objects.if_absent_race"]),
    (F::RangeNotCut, &["objects.ranges"]),
    (F::OnePage, &["objects.list_many"]),
    (F::ListsUnsorted, &["objects.list"]),
    (F::PutsInHalves, &["objects.whole_or_old"]),
    (F::LosesTail, &["objects.put_get"]),
    (F::FirstPartOnly, &["objects.writer"]),
    (F::DeleteNeedsOne, &["objects.none", "objects.replace"]),
];

pub(super) struct BrokenObjects(pub(super) ObjectFault, pub(super) Arc<MemoryObjects>);

#[async_trait]
impl ObjectStore for BrokenObjects {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        match self.0 {
            F::IfAbsentReplaces => self.1.put(key, bytes, PutMode::Replace).await,
            F::IfAbsentRaces if mode == PutMode::IfAbsent => {
                if self.1.peek(key).is_some() {
                    return Ok(Put::Exists);
                }
                tokio::task::yield_now().await;
                self.1.put(key, bytes, PutMode::Replace).await
            }
            F::PutsInHalves if mode == PutMode::Replace => {
                self.1.poke(key, Some(bytes.slice(..bytes.len() / 2)));
                tokio::task::yield_now().await;
                self.1.put(key, bytes, mode).await
            }
            F::LosesTail => self.1.put(key, bytes.slice(..bytes.len().saturating_sub(1)), mode).await,
            _ => self.1.put(key, bytes, mode).await,
        }
    }

    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        match self.0 {
            F::VisibleEarly => {}
            F::FirstPartOnly => return Ok(Box::new(FirstPart(self.1.writer(key).await?, 0))),
            _ => return self.1.writer(key).await,
        }
        Ok(Box::new(EarlyWriter { key: key.to_owned(), parts: Vec::new(), objects: self.1.clone() }))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        let size = self.1.peek(key).map_or(0, |b| u64::try_from(b.len()).unwrap_or(0));
        if self.0 == F::RangeNotCut && range.as_ref().is_some_and(|r| r.end > size) {
            return Ok(None);
        }
        self.1.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        self.1.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        let mut all = self.1.list(prefix).await?;
        match self.0 {
            F::OnePage => all.truncate(1_000),
            F::ListsUnsorted => all.reverse(),
            _ => {}
        }
        Ok(all)
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        if self.0 == F::DeleteNeedsOne && self.1.peek(key).is_none() {
            return Err(PortError::Invalid { what: "objects", why: "no such object".to_owned() });
        }
        self.1.delete(key).await
    }
}

/// A writer, and how many parts it was given.
struct FirstPart(Box<dyn ObjectWriter>, u32);

#[async_trait]
impl ObjectWriter for FirstPart {
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError> {
        self.1 += 1;
        if self.1 == 1 { self.0.write(bytes).await } else { Ok(()) }
    }

    async fn finish(self: Box<Self>) -> Result<u64, PortError> {
        self.0.finish().await
    }
}

struct EarlyWriter {
    key: String,
    parts: Vec<u8>,
    objects: Arc<MemoryObjects>,
}

#[async_trait]
impl ObjectWriter for EarlyWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError> {
        self.parts.extend_from_slice(&bytes);
        self.objects.poke(&self.key, Some(self.parts.clone().into()));
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<u64, PortError> {
        let length = u64::try_from(self.parts.len()).unwrap_or(0);
        self.objects.poke(&self.key, Some(self.parts.into()));
        Ok(length)
    }
}
