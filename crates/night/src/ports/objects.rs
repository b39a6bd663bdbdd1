//! Objects; a get may find a damaged one, or none.

use super::Line;
use async_trait::async_trait;
use bytes::Bytes;
use common::ports::{ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode};
use contract::memory::Call;
use std::ops::Range;
use std::sync::Arc;

pub(super) struct SimObjects(pub(super) Line);

/// The same with one bit turned over in the middle.
fn damaged(bytes: &Bytes) -> Bytes {
    let mut copy = bytes.to_vec();
    let middle = copy.len() / 2;
    if let Some(byte) = copy.get_mut(middle) {
        *byte ^= 1;
    }
    copy.into()
}

#[async_trait]
impl ObjectStore for SimObjects {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        let (inner, key) = (Arc::clone(&self.0.world.parts.objects), key.to_owned());
        self.0.call(Call::ObjectsPut, bytes.len(), async move { inner.put(&key, bytes, mode).await }).await
    }

    /// Nobody writes large objects in these nights.
    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        self.0.world.parts.objects.writer(key).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        let (line, key) = (self.0.clone(), key.to_owned());
        let effect = async move {
            let (world, weather) = (&line.world, &line.world.spec.weather);
            let got = world.parts.objects.get(&key, range).await?;
            if world.chance(weather.missing) {
                world.note(&line.process, "object", "is not found", [0, 0], false);
                return Ok(None);
            }
            if world.chance(weather.damaged) {
                world.note(&line.process, "object", "is damaged", [0, 0], false);
                return Ok(got.as_ref().map(damaged));
            }
            Ok(got)
        };
        self.0.call(Call::ObjectsGet, 1, effect).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        let (inner, key) = (Arc::clone(&self.0.world.parts.objects), key.to_owned());
        self.0.call(Call::ObjectsHead, 1, async move { inner.head(&key).await }).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        let (inner, prefix) = (Arc::clone(&self.0.world.parts.objects), prefix.to_owned());
        self.0.call(Call::ObjectsList, 1, async move { inner.list(&prefix).await }).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        let (inner, key) = (Arc::clone(&self.0.world.parts.objects), key.to_owned());
        self.0.call(Call::ObjectsDelete, 1, async move { inner.delete(&key).await }).await
    }
}
