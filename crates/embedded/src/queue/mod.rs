//! The queue port on a segment log: checks, waiting, ack ids, and `fsync` around [`state::Core`].

mod log;
mod state;

pub use log::Damage;

use crate::lock::DirLock;
use crate::steady::SteadyTime;
use crate::sync::{GroupSync, be_fair, blocking, lock};
use async_trait::async_trait;
use common::envelope::NewEnvelope;
use common::limits::{
    ENVELOPE_BYTES_MAX, QUEUE_CALL_ENTRIES_MAX, QUEUE_DELAY_MAX, QUEUE_VISIBILITY_MAX, QUEUE_WAIT_MAX,
};
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use common::queue::{Rules, Ticket};
use log::LogError;
use state::Core;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// A waiting receiver looks at least this often: a clock that is moved by hand wakes nobody.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest FIFO group and deduplication id, in bytes (AWS allows 128 characters).
const FIFO_TEXT_BYTES_MAX: usize = 512;

/// What a queue is opened with.
pub(crate) struct QueueOptions {
    /// What errors call it.
    pub(crate) what: &'static str,
    /// FIFO or standard.
    pub(crate) rules: Rules,
    /// Acknowledge only what is on the disk.
    pub(crate) fsync: bool,
    /// Bodies kept in memory, in bytes.
    pub(crate) cache_bytes: usize,
    /// The queue's clock.
    pub(crate) time: SteadyTime,
    /// Keeps the directory for this process.
    pub(crate) lock: Arc<DirLock>,
}

/// A durable queue.
pub(crate) struct LogQueue(Arc<Shared>);

struct Shared {
    what: &'static str,
    rules: Rules,
    time: SteadyTime,
    /// Set when acknowledging waits for the disk.
    fsync: Option<GroupSync>,
    changed: Notify,
    core: Mutex<Core>,
    _lock: Arc<DirLock>,
}

impl LogQueue {
    /// Opens the queue whose log lies in `dir`, which exists.
    pub(crate) fn open(dir: &Path, options: QueueOptions) -> Result<(Self, Vec<Damage>), LogError> {
        let QueueOptions { what, rules, fsync, cache_bytes, time, lock } = options;
        let (core, damage) = Core::open(dir, rules, state::disk(), fsync, cache_bytes, time.now())?;
        let fsync = fsync.then(GroupSync::default);
        let (changed, core) = (Notify::new(), Mutex::new(core));
        Ok((Self(Arc::new(Shared { what, rules, time, fsync, changed, core, _lock: lock })), damage))
    }

    /// Runs one change under the lock, and returns when it is as durable as was asked for.
    async fn change<T>(&self, act: impl FnOnce(&mut Core) -> Result<T, LogError>) -> Result<T, PortError> {
        let shared = &self.0;
        let done = {
            let mut core = lock(&shared.core);
            let done = act(&mut core).map_err(|e| shared.failed(&e))?;
            shared.fsync.iter().for_each(GroupSync::note);
            done
        };
        if shared.fsync.is_some() {
            let shared = shared.clone();
            blocking(shared.what, move || shared.sync()).await?;
        }
        Ok(done)
    }

    /// Hands out what there is now; otherwise says when to look again.
    fn try_receive(
        &self,
        max: usize,
        visibility: Duration,
    ) -> Result<Result<Vec<Received>, Duration>, PortError> {
        let shared = &self.0;
        let now = shared.time.now();
        let (taken, next) = {
            let mut core = lock(&shared.core);
            let taken = core.receive(max, visibility, now).map_err(|e| shared.failed(&e))?;
            (taken, core.next_change())
        };
        if taken.len() == max {
            // One waits at most for each that was sent: pass it on that there may be more.
            shared.changed.notify_one();
        }
        if taken.is_empty() {
            return Ok(Err(next.map_or(LOOK_EVERY, |at| at.since(now)).min(LOOK_EVERY)));
        }
        let mut got = Vec::with_capacity(taken.len());
        let mut bad = None;
        for (ticket, body) in taken {
            match body.read() {
                Ok(body) => got.push(Received {
                    ack: ack_id(ticket),
                    body,
                    receive_count: ticket.receive,
                    trace: None,
                }),
                Err(why) => {
                    // It comes back after its visibility, and goes to the dead letters in the end.
                    tracing::error!(queue = shared.what, seq = ticket.seq, %why, "an envelope's body can't be read");
                    bad = Some(why);
                }
            }
        }
        match bad {
            Some(why) if got.is_empty() => Err(shared.failed(&why)),
            _ => Ok(Ok(got)),
        }
    }
}

impl Shared {
    fn sync(&self) -> Result<(), PortError> {
        let Some(group) = &self.fsync else { return Ok(()) };
        group.sync(|| {
            let Some(file) = lock(&self.core).tip() else { return Ok(()) };
            file.sync().map_err(|e| {
                lock(&self.core).stop(&e);
                self.failed(&LogError::Io(e))
            })
        })
    }

    fn failed(&self, e: &LogError) -> PortError {
        let (what, why) = (self.what, e.to_string());
        match e {
            LogError::Io(_) | LogError::Stopped(_) => PortError::Unavailable { what, why },
            LogError::TooLong => PortError::Invalid { what, why },
            LogError::BadBody(_) => PortError::Corrupt { what, why },
        }
    }

    fn within<T: PartialOrd + std::fmt::Debug>(&self, of: &str, value: &T, max: &T) -> Result<(), PortError> {
        if value <= max {
            return Ok(());
        }
        Err(self.invalid(format!("{of} is {value:?}, {max:?} is allowed")))
    }

    fn invalid(&self, why: String) -> PortError {
        PortError::Invalid { what: self.what, why }
    }

    fn check_send(&self, envelopes: &[NewEnvelope]) -> Result<(), PortError> {
        self.within("the number of entries", &envelopes.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        let delay_max = if self.rules.fifo { Duration::ZERO } else { QUEUE_DELAY_MAX };
        for e in envelopes {
            self.within("an envelope's length in bytes", &e.body.len(), &ENVELOPE_BYTES_MAX)?;
            self.within("the delay", &e.delay, &delay_max)?;
            if e.fifo.is_some() != self.rules.fifo {
                return Err(self.invalid("a FIFO key is needed on a FIFO queue, refused on another".into()));
            }
            if let Some(key) = &e.fifo {
                self.within("the group's length in bytes", &key.group.len(), &FIFO_TEXT_BYTES_MAX)?;
                self.within("the deduplication id's length", &key.dedup.len(), &FIFO_TEXT_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for LogQueue {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        be_fair().await;
        self.0.check_send(envelopes)?;
        let hashes: Vec<u64> = envelopes.iter().map(|e| xxh3_64(&e.body)).collect();
        let now = self.0.time.now();
        let sent = self.change(|core| core.send(envelopes, &hashes, now)).await;
        // Also after a failed fsync: what is on the queue may go out.
        self.0.changed.notify_one();
        sent.map(|_| vec![EntryResult::Ok; envelopes.len()])
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let shared = &self.0;
        shared.within("the number of entries", &max, &QUEUE_CALL_ENTRIES_MAX)?;
        shared.within("the smallest number of entries", &1, &max)?;
        shared.within("the wait", &wait, &QUEUE_WAIT_MAX)?;
        shared.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        be_fair().await;
        let (begun, end) = (shared.time.mono(), Instant::now() + wait);
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            // From here on no change is missed; one that reaches a dropped call is passed on to another receiver.
            changed.as_mut().enable();
            let nap = match self.try_receive(max, visibility)? {
                Ok(got) => return Ok(got),
                Err(nap) => nap.max(Duration::from_millis(1)),
            };
            let now = Instant::now();
            if now >= end || shared.time.mono().saturating_sub(begun) >= wait {
                return Ok(Vec::new());
            }
            // Whichever comes first, the queue is looked at again.
            let _ = tokio::time::timeout_at(end.min(now + nap), changed).await;
        }
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        be_fair().await;
        self.0.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        let tickets: Vec<_> = acks.iter().map(ticket).collect();
        let now = self.0.time.now();
        let answers = self.change(|core| core.delete(&tickets, now)).await;
        if self.0.rules.fifo {
            // The group's next one is free.
            self.0.changed.notify_one();
        }
        answers
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        self.0.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        self.0.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        let tickets: Vec<_> = acks.iter().map(ticket).collect();
        let answers = lock(&self.0.core).hide(&tickets, visibility, self.0.time.now());
        self.0.changed.notify_one();
        Ok(answers)
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        Ok(lock(&self.0.core).depth(self.0.time.now()))
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        self.0.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        let now = self.0.time.now();
        let taken = lock(&self.0.core).receive_dead(max.min(QUEUE_CALL_ENTRIES_MAX), visibility, now);
        let mut got = Vec::with_capacity(taken.len());
        for (ticket, body) in taken {
            match body.read() {
                Ok(body) => got.push(Received {
                    ack: ack_id(ticket),
                    body,
                    receive_count: ticket.receive,
                    trace: None,
                }),
                Err(why) => {
                    tracing::error!(queue = self.0.what, seq = ticket.seq, %why, "a dead letter's body can't be read");
                }
            }
        }
        Ok(got)
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.0.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        let (tickets, now) = (acks.iter().map(ticket).collect::<Vec<_>>(), self.0.time.now());
        self.change(|core| core.delete_dead(&tickets, now)).await
    }
}

fn ack_id(t: Ticket) -> AckId {
    AckId(format!("{}-{}", t.seq, t.receive))
}

fn ticket(ack: &AckId) -> Option<Ticket> {
    let (seq, receive) = ack.0.split_once('-')?;
    Some(Ticket { seq: seq.parse().ok()?, receive: receive.parse().ok()? })
}
