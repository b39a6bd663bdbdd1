//! Objects in memory. A writer keeps its parts to itself until it is finished.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use bytes::Bytes;
use common::ports::{ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// An object store in memory.
pub struct MemoryObjects {
    faults: Faults,
    objects: Objects,
}

impl MemoryObjects {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, objects: Objects::default() }
    }

    /// Every key, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.objects).keys().cloned().collect()
    }

    /// An object, without being counted as a call.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Bytes> {
        lock(&self.objects).get(key).cloned()
    }

    /// Stores an object as it is, or removes it: for tests of damage.
    pub fn poke(&self, key: &str, bytes: Option<Bytes>) {
        let mut objects = lock(&self.objects);
        match bytes {
            Some(bytes) => objects.insert(key.to_owned(), bytes),
            None => objects.remove(key),
        };
    }
}

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        let pass = self.faults.enter(Call::ObjectsPut)?;
        let mut objects = lock(&self.objects);
        if mode == PutMode::IfAbsent && objects.contains_key(key) {
            return pass.answer(Put::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        pass.answer(Put::Stored)
    }

    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        Ok(Box::new(Writer {
            key: key.to_owned(),
            parts: Vec::new(),
            faults: self.faults.clone(),
            objects: self.objects.clone(),
        }))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        let pass = self.faults.enter(Call::ObjectsGet)?;
        let whole = lock(&self.objects).get(key).cloned();
        pass.answer(whole.map(|bytes| range.map_or_else(|| bytes.clone(), |r| cut(&bytes, &r))))
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        let pass = self.faults.enter(Call::ObjectsHead)?;
        pass.answer(lock(&self.objects).get(key).map(|bytes| meta(key, bytes)))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        let pass = self.faults.enter(Call::ObjectsList)?;
        let objects = lock(&self.objects);
        let from = objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        pass.answer(from.map(|(key, bytes)| meta(key, bytes)).collect())
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::ObjectsDelete)?;
        lock(&self.objects).remove(key);
        pass.answer(())
    }
}

struct Writer {
    key: String,
    parts: Vec<u8>,
    faults: Faults,
    objects: Objects,
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::ObjectsWrite)?;
        self.parts.extend_from_slice(&bytes);
        pass.answer(())
    }

    async fn finish(self: Box<Self>) -> Result<u64, PortError> {
        let pass = self.faults.enter(Call::ObjectsFinish)?;
        let bytes = Bytes::from(self.parts);
        let length = length(&bytes);
        lock(&self.objects).insert(self.key, bytes);
        pass.answer(length)
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn meta(key: &str, bytes: &Bytes) -> ObjectMeta {
    ObjectMeta { key: key.to_owned(), bytes: length(bytes) }
}

fn cut(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (at(range.start), at(range.end));
    bytes.slice(start..end.max(start))
}
