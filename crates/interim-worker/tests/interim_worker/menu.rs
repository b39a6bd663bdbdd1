//! The menu of faults (docs/faults.md), as far as it is this worker's: an object store that is slow, fails, or holds damage; a
//! queue that takes nothing. Each also looks at what a person would read.

use crate::world::{Spec, World};
use crate::{keys, row, worker};
use async_trait::async_trait;
use bytes::Bytes;
use common::envelope::Scope;
use common::ports::{Backend, ObjectMeta, ObjectStore, ObjectWriter, PortError, Put, PutMode, Queue};
use contract::memory::Call;
use interim_worker::{Handled, InterimConfig, InterimWorker};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

async fn trouble(world: &World, worker: &InterimWorker) -> String {
    let row = row(world, worker).await;
    assert_eq!(row.ready, row.trouble.is_none(), "whoever is in trouble is not ready: {row:?}");
    row.trouble.unwrap_or_default()
}

fn key(world: &World, part: &str) -> String {
    world.parts.objects.keys().into_iter().find(|k| k.contains(part)).expect("such an object")
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_corrupt_object_is_named_and_loading_goes_on_when_it_is_mended() {
    let half = |bytes: &Bytes| Some(bytes.slice(..bytes.len() / 2));
    let flipped = |bytes: &Bytes| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        Some(Bytes::from(bytes))
    };
    type Damage<'a> = (&'a str, &'a str, &'a dyn Fn(&Bytes) -> Option<Bytes>);
    let damages: [Damage<'_>; 6] = [
        ("shard", "is missing: build the snapshot again", &|_| None),
        ("shard", "shard", &half),
        ("shard", "shard", &flipped),
        ("manifest", "is missing: build the snapshot again", &|_| None),
        ("manifest", "the manifest is damaged", &half),
        ("manifest", "the manifest is damaged", &flipped),
    ];
    for (part, words, damage) in damages {
        let world = World::ready(Spec { users: 300, shards: 3, ..Spec::default() }).await;
        let worker = worker(&world);
        let key = key(&world, part);
        let good = world.parts.objects.peek(&key).expect("an object");
        world.parts.objects.poke(&key, damage(&good));
        worker.look().await.expect("looked");
        worker.load().await;
        let said = trouble(&world, &worker).await;
        assert!(said.contains(words), "{part}: {said}");
        world.parts.objects.poke(&key, Some(good));
        worker.load().await;
        assert_eq!(trouble(&world, &worker).await, "", "{part}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_missing_in_mid_blast_keeps_its_envelope_and_is_said() {
    let world = World::pressed(Spec::default()).await;
    let worker = worker(&world);
    let key = key(&world, "shard");
    let good = world.parts.objects.peek(&key).expect("an object");
    world.parts.objects.poke(&key, None);
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    for _ in 0..10 {
        worker.look().await.expect("looked");
        assert!(worker.step().await.iter().all(|h| *h == Handled::GivenBack));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    worker.look().await.expect("looked");
    let said = row(&world, &worker).await.trouble.unwrap_or_default();
    assert!(said.starts_with("no shard could be expanded for ") && said.contains("is missing"), "{said}");
    world.parts.objects.poke(&key, Some(good));
    while world.queued().is_empty() {
        worker.look().await.expect("looked");
        worker.step().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(keys(&world.queued()), keys(&world.batches()));
    assert_eq!(row(&world, &worker).await.trouble, None);
    assert_eq!(world.parts.shards.depth().await.expect("depth").dead, 0, "an outage is no poison");
}

/// Takes two seconds for each object.
struct Slow(Arc<dyn ObjectStore>);

#[async_trait]
impl ObjectStore for Slow {
    async fn put(&self, key: &str, bytes: Bytes, mode: PutMode) -> Result<Put, PortError> {
        self.0.put(key, bytes, mode).await
    }
    async fn writer(&self, key: &str) -> Result<Box<dyn ObjectWriter>, PortError> {
        self.0.writer(key).await
    }
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>, PortError> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.0.get(key, range).await
    }
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, PortError> {
        self.0.head(key).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, PortError> {
        self.0.list(prefix).await
    }
    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.0.delete(key).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_said_with_what_is_loaded_so_far() {
    let world = World::ready(Spec { users: 300, shards: 20, ..Spec::default() }).await;
    let config =
        InterimConfig { loads_in_flight: 2, receive_wait: Duration::ZERO, ..InterimConfig::default() };
    let backend = world.parts.backend();
    let slow = Backend { objects: Arc::new(Slow(backend.objects.clone())), ..backend };
    let worker = InterimWorker::new(slow, Arc::clone(&world.clock), config);
    worker.look().await.expect("looked");
    let looking = async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        worker.look().await.expect("looked");
        assert_eq!(trouble(&world, &worker).await, "6 of 20 shards of the snapshot are loaded after 9 s");
    };
    tokio::join!(worker.load(), looking);
    worker.look().await.expect("looked");
    let row = row(&world, &worker).await;
    assert!(row.ready && row.prepare_ms >= 20_000, "{row:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_queue_that_takes_nothing_is_said_and_nothing_is_lost() {
    let world = World::pressed(Spec { users: 1000, ..Spec::default() }).await;
    let worker = worker(&world);
    worker.look().await.expect("looked");
    worker.load().await;
    world.send_shard(&world.shard_envelope(0, Scope::All)).await;
    world.parts.faults.down(Call::BatchesSend, true);
    let looking = async {
        for n in 0..40 {
            worker.look().await.expect("looked");
            tokio::time::sleep(Duration::from_millis(250)).await;
            if n == 24 {
                let said = trouble(&world, &worker).await;
                assert!(said.starts_with("no shard could be expanded for 6 s: batch queue: "), "{said}");
                world.parts.faults.clear();
            }
        }
    };
    let (handled, ()) = tokio::join!(worker.step(), looking);
    assert_eq!(handled, [Handled::Expanded]);
    assert_eq!(keys(&world.queued()), keys(&world.batches()));
    assert_eq!(trouble(&world, &worker).await, "");
}
