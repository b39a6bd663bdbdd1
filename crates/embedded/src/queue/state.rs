//! A queue's state and its log, kept in step under one lock: every change is in the log before the state shows it.

use super::log::{BodyPlace, Files, Log, LogError, Op, Ops, SegmentFile, SendOp};
use super::{Damage, log};
use bytes::Bytes;
use common::envelope::NewEnvelope;
use common::limits::QUEUE_DELAY_MAX;
use common::ports::{Depth, EntryResult};
use common::queue::{DeadLetters, QueueState, Rules, Seq, Ticket};
use common::time::UnixMs;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A body that was handed out: at hand, or to be read from the log.
pub(super) enum Body {
    /// In memory.
    Here(Bytes),
    /// In the log.
    There(BodyPlace),
}

impl Body {
    /// The bytes. Reads a file, of which the kernel most likely has the pages.
    pub(super) fn read(self) -> Result<Bytes, LogError> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::There(place) => place.read(),
        }
    }
}

/// State, log and bodies of one queue.
pub(super) struct Core {
    rules: Rules,
    state: QueueState,
    log: Log,
    dead: DeadLetters,
    cache: HashMap<Seq, Bytes>,
    cached_bytes: usize,
    cache_bytes_max: usize,
}

impl Core {
    /// Opens the log in `dir` and rebuilds the state. What was in flight is visible: its holders died with the process.
    pub(super) fn open(
        dir: &Path,
        rules: Rules,
        files: Arc<dyn Files>,
        fsync: bool,
        cache_bytes_max: usize,
        now: UnixMs,
    ) -> Result<(Self, Vec<Damage>), LogError> {
        let (log, damage) = Log::open(dir, files, fsync, now)?;
        let mut state = QueueState::new(rules);
        for (until, dedup) in log.remembered().filter(|(until, _)| *until > now) {
            // A wall clock that was set back must not make a memory longer than it can be.
            state.remember(dedup.clone(), (*until).min(now.plus(rules.dedup)));
        }
        let mut entries: Vec<_> = log.entries().collect();
        entries.sort_unstable_by_key(|(seq, _)| *seq);
        let mut dead = DeadLetters::default();
        for (seq, entry) in entries {
            if entry.dead {
                dead.push(seq);
                continue;
            }
            let delay = entry.delay_until.filter(|until| *until > now && entry.receives == 0);
            let hidden = delay.map(|until| until.min(now.plus(QUEUE_DELAY_MAX)));
            state.restore(seq, entry.group.as_deref().map(str::to_owned), entry.receives, hidden);
        }
        let cache = HashMap::new();
        Ok((Self { rules, state, log, dead, cache, cached_bytes: 0, cache_bytes_max }, damage))
    }

    /// Sends; each body comes with its XXH3. Answers how many are new on the queue.
    pub(super) fn send(
        &mut self,
        envelopes: &[NewEnvelope],
        hashes: &[u64],
        now: UnixMs,
    ) -> Result<usize, LogError> {
        let (mut ops, mut bodies, mut new) = (Ops::default(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let forget_at = now.plus(self.rules.dedup);
        let mut seq = self.log.next_seq();
        for (envelope, hash) in envelopes.iter().zip(hashes) {
            if let Some(key) = &envelope.fifo {
                if self.state.is_remembered(&key.dedup, now) || !seen.insert(&key.dedup) {
                    continue;
                }
                ops.push(Op::Remember { dedup: &key.dedup, until: forget_at });
            }
            let delay_until = (!envelope.delay.is_zero()).then(|| now.plus(envelope.delay));
            ops.push(Op::Send(SendOp {
                seq,
                receives: 0,
                dead: false,
                delay_until,
                group: envelope.fifo.as_ref().map(|k| &k.group[..]),
                body_bytes: u32::try_from(envelope.body.len()).map_err(|_| LogError::TooLong)?,
                body_hash: *hash,
            }));
            bodies.push(envelope.body.clone());
            new.push((seq, delay_until, envelope));
            seq += 1;
        }
        self.log.append(ops, &bodies, now)?;
        for (seq, hidden_until, envelope) in &new {
            if let Some(key) = &envelope.fifo {
                self.state.remember(key.dedup.clone(), forget_at);
            }
            let group = envelope.fifo.as_ref().map(|k| k.group.clone());
            self.state.restore(*seq, group, 0, *hidden_until);
            self.keep(*seq, &envelope.body);
        }
        Ok(new.len())
    }

    /// Hands out what is visible, with its bodies.
    pub(super) fn receive(
        &mut self,
        max: usize,
        visibility: Duration,
        now: UnixMs,
    ) -> Result<Vec<(Ticket, Body)>, LogError> {
        let (tickets, dead) = self.state.receive(max, visibility, now);
        let mut ops = Ops::default();
        for ticket in &tickets {
            ops.push(Op::Received { seq: ticket.seq, count: ticket.receive });
        }
        for seq in dead {
            ops.push(Op::Dead { seq });
            self.uncache(seq);
            self.dead.push(seq);
        }
        if let Err(e) = self.log.append(ops, &[], now) {
            // Not handed out after all. The dead letters stay such in memory; after a restart they become so again.
            for ticket in tickets {
                self.state.hide(ticket, Duration::ZERO, now);
            }
            return Err(e);
        }
        Ok(tickets.into_iter().filter_map(|t| Some((t, self.body(t.seq)?))).collect())
    }

    /// Deletes those whose ticket is the newest.
    pub(super) fn delete(
        &mut self,
        tickets: &[Option<Ticket>],
        now: UnixMs,
    ) -> Result<Vec<EntryResult>, LogError> {
        let mut ops = Ops::default();
        let mut held = HashSet::new();
        for ticket in tickets.iter().flatten() {
            if self.state.holds(*ticket, now) && held.insert(*ticket) {
                ops.push(Op::Deleted { seq: ticket.seq });
            }
        }
        self.log.append(ops, &[], now)?;
        let mut one = |ticket: &Option<Ticket>| match ticket {
            Some(ticket) if self.state.delete(*ticket, now) => {
                self.uncache(ticket.seq);
                EntryResult::Ok
            }
            _ => EntryResult::StaleAck,
        };
        Ok(tickets.iter().map(&mut one).collect())
    }

    /// Hides those whose ticket is the newest. Visibility is not stored: after a restart everything is visible.
    pub(super) fn hide(
        &mut self,
        tickets: &[Option<Ticket>],
        visibility: Duration,
        now: UnixMs,
    ) -> Vec<EntryResult> {
        let mut one = |ticket: &Option<Ticket>| match ticket {
            Some(ticket) if self.state.hide(*ticket, visibility, now) => EntryResult::Ok,
            _ => EntryResult::StaleAck,
        };
        tickets.iter().map(&mut one).collect()
    }

    /// Hands out dead letters, with their bodies.
    pub(super) fn receive_dead(
        &mut self,
        max: usize,
        visibility: Duration,
        now: UnixMs,
    ) -> Vec<(Ticket, Body)> {
        let tickets = self.dead.receive(max, visibility, now);
        tickets.into_iter().filter_map(|t| Some((t, self.body(t.seq)?))).collect()
    }

    /// Deletes dead letters whose ticket is the newest.
    pub(super) fn delete_dead(
        &mut self,
        tickets: &[Option<Ticket>],
        now: UnixMs,
    ) -> Result<Vec<EntryResult>, LogError> {
        let mut ops = Ops::default();
        let held: HashSet<_> = tickets.iter().flatten().filter(|t| self.dead.holds(**t)).collect();
        for ticket in held {
            ops.push(Op::Deleted { seq: ticket.seq });
        }
        self.log.append(ops, &[], now)?;
        let mut one = |ticket: &Option<Ticket>| match ticket {
            Some(ticket) if self.dead.delete(*ticket) => EntryResult::Ok,
            _ => EntryResult::StaleAck,
        };
        Ok(tickets.iter().map(&mut one).collect())
    }

    /// How full it is.
    pub(super) fn depth(&self, now: UnixMs) -> Depth {
        Depth { dead: self.dead.len() as u64, ..self.state.depth(now) }
    }

    /// When something hidden comes back next.
    pub(super) fn next_change(&self) -> Option<UnixMs> {
        self.state.next_change()
    }

    /// The file that is written now.
    pub(super) fn tip(&self) -> Option<Arc<dyn SegmentFile>> {
        self.log.tip()
    }

    /// Takes no more: an fsync failed.
    pub(super) fn stop(&mut self, why: &std::io::Error) {
        self.log.stop(why);
    }

    fn body(&self, seq: Seq) -> Option<Body> {
        match self.cache.get(&seq) {
            Some(bytes) => Some(Body::Here(bytes.clone())),
            None => self.log.body(seq).map(Body::There),
        }
    }

    fn keep(&mut self, seq: Seq, body: &Bytes) {
        if self.cached_bytes + body.len() <= self.cache_bytes_max {
            self.cached_bytes += body.len();
            self.cache.insert(seq, body.clone());
        }
    }

    fn uncache(&mut self, seq: Seq) {
        if let Some(body) = self.cache.remove(&seq) {
            self.cached_bytes -= body.len();
        }
    }
}

/// The real files.
pub(super) fn disk() -> Arc<dyn Files> {
    Arc::new(log::DiskFiles)
}
