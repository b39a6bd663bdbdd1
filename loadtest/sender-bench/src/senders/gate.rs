//! A queue with a gate before its receives, so that a worker is up and connected before the first envelope comes, and a
//! count of what it deleted. Everything goes to the queue behind it, by one more call.

use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The gate.
pub struct Gate {
    queue: Arc<dyn Queue>,
    /// Envelopes that may still be handed out.
    allowed: AtomicUsize,
    opened: Notify,
    deleted: AtomicUsize,
    awaited: AtomicUsize,
    done: Notify,
}

impl Gate {
    /// Closed.
    pub fn before(queue: Arc<dyn Queue>) -> Arc<Self> {
        let (allowed, deleted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let awaited = AtomicUsize::new(usize::MAX);
        Arc::new(Self { queue, allowed, opened: Notify::new(), deleted, awaited, done: Notify::new() })
    }

    /// Lets so many more through, and waits until so many in all are deleted.
    pub async fn let_through(&self, more: usize, deleted_in_all: usize) {
        self.awaited.store(deleted_in_all, Ordering::SeqCst);
        self.allowed.fetch_add(more, Ordering::SeqCst);
        self.opened.notify_waiters();
        while self.deleted.load(Ordering::SeqCst) < deleted_in_all {
            self.done.notified().await;
        }
    }

    fn reserve(&self, most: usize) -> usize {
        let mut taken = 0;
        let _ = self.allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |allowed| {
            taken = allowed.min(most);
            Some(allowed - taken)
        });
        taken
    }
}

#[async_trait]
impl Queue for Gate {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        self.queue.send(envelopes).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let opened = self.opened.notified();
        let taken = self.reserve(max);
        if taken == 0 {
            let _ = tokio::time::timeout(wait, opened).await;
            return Ok(Vec::new());
        }
        let received = self.queue.receive(taken, wait, visibility).await;
        let unused = taken - received.as_ref().map_or(0, Vec::len);
        self.allowed.fetch_add(unused, Ordering::SeqCst);
        received
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        let results = self.queue.delete(acks).await?;
        let good = results.iter().filter(|result| matches!(result, EntryResult::Ok)).count();
        let deleted = self.deleted.fetch_add(good, Ordering::SeqCst) + good;
        if deleted >= self.awaited.load(Ordering::SeqCst) {
            self.done.notify_one();
        }
        Ok(results)
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        self.queue.hide(acks, visibility).await
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        self.queue.depth().await
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        self.queue.receive_dead(max, visibility).await
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.queue.delete_dead(acks).await
    }
}
