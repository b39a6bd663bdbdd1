//! Keeps an envelope hidden while it is worked on: a handle whose drop ends the keeping.

use common::limits::SHARD_VISIBILITY;
use common::ports::{AckId, EntryResult, Queue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinHandle;

/// Renews an envelope's visibility until it is dropped.
#[derive(Debug)]
pub(crate) struct Keep {
    task: JoinHandle<()>,
    lost: Arc<AtomicBool>,
}

impl Keep {
    /// Begins to renew: three times in each visibility, so that two calls may fail.
    pub(crate) fn start(queue: Arc<dyn Queue>, ack: AckId) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(renew(queue, ack, Arc::clone(&lost)));
        Self { task, lost }
    }

    /// Whether somebody else has been handed the envelope meanwhile.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn renew(queue: Arc<dyn Queue>, ack: AckId, lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(SHARD_VISIBILITY / 3).await;
        match queue.hide(std::slice::from_ref(&ack), SHARD_VISIBILITY).await.as_deref() {
            Ok([EntryResult::StaleAck, ..]) => {
                lost.store(true, Ordering::Relaxed);
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "shard envelope not renewed"),
        }
    }
}
