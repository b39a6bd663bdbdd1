//! A queue that does what it is asked, and is slow to say so.

use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use std::sync::Arc;
use std::time::Duration;

/// Sends at once, and answers after `answers_after`.
pub(super) struct SlowToSend {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) answers_after: Duration,
}

#[async_trait]
impl Queue for SlowToSend {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let sent = self.queue.send(envelopes).await;
        tokio::time::sleep(self.answers_after).await;
        sent
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        self.queue.receive(max, wait, visibility).await
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.queue.delete(acks).await
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
