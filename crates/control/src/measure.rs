//! How full the queues are, for the metrics: asked every few seconds, by every process that reconciles.

use crate::Control;
use common::ports::Depth;
use std::time::Duration;
use telemetry::Label;
use telemetry::metrics::{DEAD_LETTERS, Place, QUEUE_DEPTH, QUEUE_FAILURES, Queue};
use tokio_util::sync::CancellationToken;

/// How often: a call to each queue, so not with every step.
const EVERY: Duration = Duration::from_secs(5);

impl Control {
    /// Measures until shutdown.
    pub(crate) async fn measure_until(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            self.measure_queues().await;
            let _ = tokio::time::timeout(EVERY, shutdown.cancelled()).await;
        }
    }

    /// Asks both queues, and sets their gauges. What can't be known is not reported, rather than as it was.
    pub async fn measure_queues(&self) {
        let (shards, batches) = tokio::join!(self.backend.shards.depth(), self.backend.batches.depth());
        for (queue, depth) in [(Queue::Shards, shards), (Queue::Batches, batches)] {
            match depth {
                Ok(depth) => set(queue, depth),
                Err(error) => {
                    forget(queue);
                    tracing::warn!(queue = queue.value(), %error, "queue not measured");
                }
            }
        }
    }
}

fn set(queue: Queue, depth: Depth) {
    let known = DEAD_LETTERS.value(queue).unwrap_or(0);
    QUEUE_DEPTH.set_count((queue, Place::Visible), depth.visible);
    QUEUE_DEPTH.set_count((queue, Place::InFlight), depth.in_flight);
    QUEUE_DEPTH.set_count((queue, Place::Delayed), depth.delayed);
    DEAD_LETTERS.set_count(queue, depth.dead);
    if DEAD_LETTERS.value(queue) > Some(known) {
        tracing::error!(
            queue = queue.value(),
            dead = depth.dead,
            "more dead letters: find out why, then redrive"
        );
    }
}

fn forget(queue: Queue) {
    QUEUE_FAILURES.one(queue);
    for place in [Place::Visible, Place::InFlight, Place::Delayed] {
        QUEUE_DEPTH.forget((queue, place));
    }
    DEAD_LETTERS.forget(queue);
}
