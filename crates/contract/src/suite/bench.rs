//! What the rules are written with: the backend under test, its clock, and a few comparisons.

use super::Subject;
use bytes::Bytes;
use common::ports::{AckId, Backend, EntryResult, PortError, Queue, Received};
use common::time::UnixMs;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The FIFO queue of shard envelopes.
    Shards,
    /// The standard queue of batch envelopes.
    Batches,
}

impl Which {
    /// Its name in rules.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shards => "shards",
            Self::Batches => "batches",
        }
    }
}

/// Why a rule's check ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Something that the contract forbids.
    Wrong(String),
    /// It can't be checked here.
    Skip(String),
}

impl From<PortError> for Seen {
    fn from(e: PortError) -> Self {
        Self::Wrong(format!("the call failed: {e}"))
    }
}

impl From<tokio::task::JoinError> for Seen {
    fn from(e: tokio::task::JoinError) -> Self {
        Self::Wrong(format!("the call panicked: {e}"))
    }
}

/// What a check comes to.
pub type Checked<T = ()> = Result<T, Seen>;

/// Fails with `seen` unless `held`.
pub(super) fn ensure(held: bool, seen: impl FnOnce() -> String) -> Checked {
    if held { Ok(()) } else { Err(Seen::Wrong(seen())) }
}

/// Fails unless both are the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, got: &T, want: &T) -> Checked {
    ensure(got == want, || format!("{what}: {}, expected {}", short(got), short(want)))
}

/// Fails unless the call was refused for good.
pub(super) fn refused<T: Debug>(what: &str, got: &Result<T, PortError>) -> Checked {
    let invalid = matches!(got, Err(PortError::Invalid { .. }));
    ensure(invalid, || format!("{what}: {}, expected to be refused as invalid", short(got)))
}

/// A debug text that fits a line or two.
fn short(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// How long a receive waits for what must be there.
const WAIT: Duration = Duration::from_secs(1);

/// A visibility that no rule outlasts by accident.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// A visibility that rules let pass.
pub(super) const BRIEF: Duration = Duration::from_secs(2);

/// By so much at least every visibility outlasts the time that its rule lets pass inside it: what calls that took less
/// have seen, they saw inside it.
const CALLS_MAX: Duration = Duration::from_secs(1);

/// The backend under test.
pub struct Bench {
    subject: Box<dyn Subject>,
    began: UnixMs,
    passed: Duration,
}

impl Bench {
    pub(super) fn new(subject: Box<dyn Subject>) -> Self {
        let began = subject.now();
        Self { subject, began, passed: Duration::ZERO }
    }

    /// Whether its calls have taken so long that what was to be seen inside a visibility may have been seen after it.
    pub(super) fn is_late(&self) -> bool {
        self.now().since(self.began).saturating_sub(self.passed) >= CALLS_MAX
    }

    /// Its ports.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.subject.backend()
    }

    /// One of its queues.
    #[must_use]
    pub fn queue(&self, which: Which) -> Arc<dyn Queue> {
        match which {
            Which::Shards => self.backend().shards,
            Which::Batches => self.backend().batches,
        }
    }

    /// Its clock.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        self.subject.now()
    }

    /// Lets time pass.
    pub async fn pass(&mut self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.subject.advance(by).await;
        self.passed += by;
    }

    pub(super) async fn restart(&mut self) -> Checked {
        Ok(self.subject.restart().await?)
    }

    pub(super) async fn fail_send_entries(&mut self, which: Which, places: &[usize]) -> bool {
        self.subject.fail_send_entries(which, places).await
    }

    /// Sends up to ten; each must be answered `Ok`.
    pub(super) async fn send(&self, which: Which, envelopes: &[common::envelope::NewEnvelope]) -> Checked {
        let answers = self.queue(which).send(envelopes).await?;
        same("the answers to a send", &answers, &vec![EntryResult::Ok; envelopes.len()])
    }

    /// Receives until `want` are there or no more come.
    pub(super) async fn take(
        &self,
        which: Which,
        want: usize,
        visibility: Duration,
    ) -> Checked<Vec<Received>> {
        let (queue, mut got) = (self.queue(which), Vec::new());
        while got.len() < want {
            let more = queue.receive((want - got.len()).min(10), WAIT, visibility).await?;
            if more.is_empty() {
                break;
            }
            got.extend(more);
        }
        ensure(got.len() == want, || format!("{} envelopes handed out, expected {want}", got.len()))?;
        Ok(got)
    }

    /// Receives exactly one.
    pub(super) async fn take_one(&self, which: Which, visibility: Duration) -> Checked<Received> {
        let mut got = self.take(which, 1, visibility).await?;
        got.pop().ok_or_else(|| Seen::Wrong("nothing was handed out".to_owned()))
    }

    /// Nothing may be handed out now.
    pub(super) async fn none(&self, which: Which, when: &str) -> Checked {
        let got = self.queue(which).receive(10, Duration::ZERO, LONG).await?;
        let bodies: Vec<&Bytes> = got.iter().map(|r| &r.body).collect();
        ensure(got.is_empty(), || format!("{when}, handed out {}, expected nothing", short(&bodies)))
    }

    /// Deletes; each must be answered `Ok`.
    pub(super) async fn delete(&self, which: Which, got: &[Received]) -> Checked {
        for call in acks(got).chunks(10) {
            let answers = self.queue(which).delete(call).await?;
            same("the answers to a delete", &answers, &vec![EntryResult::Ok; call.len()])?;
        }
        Ok(())
    }

    /// Hides; each must be answered `Ok`.
    pub(super) async fn hide(&self, which: Which, got: &[Received], seconds: u64) -> Checked {
        for call in acks(got).chunks(10) {
            let answers = self.queue(which).hide(call, Duration::from_secs(seconds)).await?;
            same("the answers to a hide", &answers, &vec![EntryResult::Ok; call.len()])?;
        }
        Ok(())
    }
}

pub(super) fn acks(got: &[Received]) -> Vec<AckId> {
    got.iter().map(|r| r.ack.clone()).collect()
}

/// The bodies, sorted.
pub(super) fn bodies(got: &[Received]) -> Vec<Bytes> {
    let mut all: Vec<Bytes> = got.iter().map(|r| r.body.clone()).collect();
    all.sort();
    all
}
