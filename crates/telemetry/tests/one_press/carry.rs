//! A queue that carries the trace context, as SQS does in an attribute; the model queue drops it.

use async_trait::async_trait;
use bytes::Bytes;
use common::envelope::NewEnvelope;
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use common::trace::TraceParent;
use contract::memory::MemoryQueue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps the context by the envelope's bytes, which are unique in these tests.
pub(crate) struct Carry {
    queue: Arc<MemoryQueue>,
    traces: Mutex<HashMap<Bytes, TraceParent>>,
}

impl Carry {
    pub(crate) fn on(queue: &Arc<MemoryQueue>) -> Arc<Self> {
        Arc::new(Self { queue: Arc::clone(queue), traces: Mutex::default() })
    }
}

#[async_trait]
impl Queue for Carry {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let known = envelopes.iter().filter_map(|e| Some((e.body.clone(), e.trace.clone()?)));
        self.traces.lock().expect("no panic").extend(known);
        self.queue.send(envelopes).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let mut received = self.queue.receive(max, wait, visibility).await?;
        let traces = self.traces.lock().expect("no panic");
        for r in &mut received {
            r.trace = traces.get(&r.body).cloned();
        }
        Ok(received)
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
