//! The queues. Sending may be done in part; on the standard one, envelopes may be there twice or come late; a receive may
//! hand out to somebody who is gone, and fewer than there are.

use super::Line;
use async_trait::async_trait;
use common::envelope::{BatchEnvelope, NewEnvelope, ShardEnvelope};
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use contract::memory::{BATCH_CALLS, Calls, MemoryQueue, SHARD_CALLS};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A waiting receive looks again this often, in milliseconds: for what comes back by itself.
const LOOK_EVERY_MS: u64 = 150;

pub(super) struct SimQueue {
    line: Line,
    inner: Arc<MemoryQueue>,
    calls: &'static Calls,
}

impl SimQueue {
    pub(super) fn shards(line: Line) -> Self {
        let inner = Arc::clone(&line.world.parts.shards);
        Self { line, inner, calls: &SHARD_CALLS }
    }

    pub(super) fn batches(line: Line) -> Self {
        let inner = Arc::clone(&line.world.parts.batches);
        Self { line, inner, calls: &BATCH_CALLS }
    }
}

fn not_done() -> EntryResult {
    EntryResult::Failed("it is that kind of night".to_owned())
}

/// Does something for those that are not to fail, and puts the answers in order again.
async fn in_part<T: Clone>(
    all: &[T],
    failing: &[bool],
    act: impl AsyncFnOnce(Vec<T>) -> Result<Vec<EntryResult>, PortError>,
) -> Result<Vec<EntryResult>, PortError> {
    let some: Vec<T> =
        all.iter().zip(failing).filter(|(_, fails)| !**fails).map(|(one, _)| one.clone()).collect();
    let mut done = if some.is_empty() { Vec::new() } else { act(some).await? }.into_iter();
    let answer = |fails: &bool| if *fails { not_done() } else { done.next().unwrap_or_else(not_done) };
    Ok(failing.iter().map(answer).collect())
}

impl Line {
    /// What is sent keeps the rules.
    fn look_at(&self, fifo: bool, envelopes: &[NewEnvelope]) {
        for envelope in envelopes {
            if fifo {
                let sent = ShardEnvelope::decode(&envelope.body);
                let right = sent
                    .map_err(|e| e.to_string())
                    .and_then(|e| self.world.with(|s| s.monitor.shard_sent(&e)));
                if let Err(why) = right {
                    self.world.violate(format!("{}: {why}", self.process.name));
                }
            } else {
                match BatchEnvelope::decode(&envelope.body) {
                    Ok(batch) => self.world.batch_sent(&self.process, &batch),
                    Err(why) => self.world.violate(format!("{}: {why}", self.process.name)),
                }
            }
        }
    }

    /// Twice, or late: what a standard queue may do.
    fn muddle(&self, envelopes: Vec<NewEnvelope>) -> (Vec<NewEnvelope>, Vec<NewEnvelope>) {
        let weather = &self.world.spec.weather;
        let mut copies = Vec::new();
        let one = |mut e: NewEnvelope| {
            if self.world.chance(weather.twice) {
                let after = self.world.with(|s| s.dice.below(9_000));
                copies.push(NewEnvelope { delay: Duration::from_millis(after), ..e.clone() });
            }
            if self.world.chance(weather.late) {
                let late = self.world.with(|s| s.dice.below(12_000));
                e.delay += Duration::from_millis(late);
            }
            e
        };
        let envelopes = envelopes.into_iter().map(one).collect();
        (envelopes, copies)
    }
}

#[async_trait]
impl Queue for SimQueue {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let (line, inner, all) = (self.line.clone(), Arc::clone(&self.inner), envelopes.to_vec());
        let (call, n) = (self.calls.send, all.len());
        let effect = async move {
            let failing = line.world.failing_entries(call, n);
            in_part(&all, &failing, async |some: Vec<NewEnvelope>| {
                line.look_at(inner.is_fifo(), &some);
                if inner.is_fifo() {
                    return inner.send(&some).await;
                }
                let (some, copies) = line.muddle(some);
                for copy in copies {
                    inner.send(&[copy]).await?;
                }
                inner.send(&some).await
            })
            .await
        };
        self.line.call(call, n, effect).await
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let (line, inner) = (self.line.clone(), Arc::clone(&self.inner));
        let call = self.calls.receive;
        let effect = async move {
            let end = Instant::now() + wait;
            let max = line.world.with(|s| s.dice.count(1, max.max(1)));
            loop {
                let got = inner.receive(max, Duration::ZERO, visibility).await?;
                if !got.is_empty() {
                    line.world.handed_out(inner.is_fifo(), &got);
                    line.world.note(&line.process, "gets envelopes", "", [got.len() as u64, 0], false);
                    return Ok(got);
                }
                if Instant::now() >= end {
                    return Ok(got);
                }
                let nap = line.world.with(|s| s.dice.between(LOOK_EVERY_MS / 3, LOOK_EVERY_MS));
                tokio::time::sleep_until(end.min(Instant::now() + Duration::from_millis(nap))).await;
            }
        };
        self.line.call(call, max, effect).await
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        let (line, inner, acks) = (self.line.clone(), Arc::clone(&self.inner), acks.to_vec());
        let (call, n) = (self.calls.delete, acks.len());
        let effect = async move {
            let failing = line.world.failing_entries(call, n);
            let delete = async |some: Vec<AckId>| {
                for ack in &some {
                    line.world.deletes(&line.process, inner.is_fifo(), ack).await;
                }
                inner.delete(&some).await
            };
            in_part(&acks, &failing, delete).await
        };
        self.line.call(call, n, effect).await
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        let (line, inner, acks) = (self.line.clone(), Arc::clone(&self.inner), acks.to_vec());
        let (call, n) = (self.calls.hide, acks.len());
        let effect = async move {
            let failing = line.world.failing_entries(call, n);
            in_part(&acks, &failing, async |some: Vec<AckId>| inner.hide(&some, visibility).await).await
        };
        self.line.call(call, n, effect).await
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        let inner = Arc::clone(&self.inner);
        self.line.call(self.calls.depth, 1, async move { inner.depth().await }).await
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        let inner = Arc::clone(&self.inner);
        let effect = async move { inner.receive_dead(max, visibility).await };
        self.line.call(self.calls.receive_dead, max, effect).await
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        let (inner, acks) = (Arc::clone(&self.inner), acks.to_vec());
        let n = acks.len();
        self.line.call(self.calls.delete_dead, n, async move { inner.delete_dead(&acks).await }).await
    }
}
