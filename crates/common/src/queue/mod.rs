//! What a queue does, as a pure state machine: order, groups, deduplication, visibility, delay, dead letters. It holds
//! no bodies and knows no clock; the embedded adapter adds the bodies on disk, the stepping test adds nothing.

#[cfg(test)]
mod tests;

mod dead;

pub use dead::DeadLetters;

use crate::envelope::FifoKey;
use crate::ports::Depth;
use crate::time::UnixMs;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// An envelope's number on its queue; rises with each send.
pub type Seq = u64;

/// The rules of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// FIFO with groups and deduplication, or standard.
    pub fifo: bool,
    /// An envelope that was handed out this often goes to the dead letters instead of out once more.
    pub receives_max: u32,
    /// How long a deduplication id is remembered.
    pub dedup: Duration,
}

impl Rules {
    /// The shard queue's.
    #[must_use]
    pub fn fifo() -> Self {
        Self { fifo: true, receives_max: crate::limits::RECEIVES_MAX, dedup: crate::limits::FIFO_DEDUP }
    }

    /// The batch queue's.
    #[must_use]
    pub fn standard() -> Self {
        Self { fifo: false, ..Self::fifo() }
    }
}

/// One hand-out of one envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// The envelope.
    pub seq: Seq,
    /// Which receive; only the newest works.
    pub receive: u32,
}

/// What a send came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on the queue under this number.
    Queued(Seq),
    /// Its deduplication id was seen in the last 5 minutes: accepted and dropped.
    Dropped,
}

#[derive(Clone, Debug)]
struct Entry {
    group: Option<String>,
    receives: u32,
    /// Hidden until then: in flight, or delayed when never received.
    hidden_until: Option<UnixMs>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    waiting: VecDeque<Seq>,
    in_flight: Option<Seq>,
}

/// A queue's state.
#[derive(Clone, Debug)]
pub struct QueueState {
    rules: Rules,
    next: Seq,
    entries: HashMap<Seq, Entry>,
    /// Standard: ready to go out.
    ready: BTreeSet<Seq>,
    hidden: BTreeSet<(UnixMs, Seq)>,
    groups: HashMap<String, Group>,
    /// FIFO: the head of each group that has none in flight.
    heads: BTreeMap<Seq, String>,
    /// Deduplication ids, and until when each is remembered; and the same by time.
    seen: HashMap<String, UnixMs>,
    seen_until: BTreeSet<(UnixMs, String)>,
    dead: u64,
}

impl QueueState {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            next: 1,
            entries: HashMap::new(),
            ready: BTreeSet::new(),
            hidden: BTreeSet::new(),
            groups: HashMap::new(),
            heads: BTreeMap::new(),
            seen: HashMap::new(),
            seen_until: BTreeSet::new(),
            dead: 0,
        }
    }

    /// Sends one envelope. The caller has checked that a FIFO queue gets a key and no delay, a standard one no key.
    pub fn send(&mut self, fifo: Option<&FifoKey>, delay: Duration, now: UnixMs) -> Sent {
        self.forget(now);
        if let Some(key) = fifo {
            if self.seen.contains_key(&key.dedup) {
                return Sent::Dropped;
            }
            self.remember(key.dedup.clone(), now.plus(self.rules.dedup));
        }
        let seq = self.next;
        let hidden = (!delay.is_zero()).then(|| now.plus(delay));
        self.restore(seq, fifo.map(|k| k.group.clone()), 0, hidden);
        Sent::Queued(seq)
    }

    /// Remembers a deduplication id until then: after a restart, from what was stored.
    pub fn remember(&mut self, dedup: String, until: UnixMs) {
        if let Some(old) = self.seen.insert(dedup.clone(), until) {
            self.seen_until.remove(&(old, dedup.clone()));
        }
        self.seen_until.insert((until, dedup));
    }

    /// Whether this deduplication id is remembered still, so that a send under it would be dropped. For adapters that
    /// must write an envelope down before they [`QueueState::restore`] it.
    pub fn is_remembered(&mut self, dedup: &str, now: UnixMs) -> bool {
        self.forget(now);
        self.seen.contains_key(dedup)
    }

    /// Puts an envelope in, as it was stored: after a restart, in rising order of `seq`.
    pub fn restore(&mut self, seq: Seq, group: Option<String>, receives: u32, hidden_until: Option<UnixMs>) {
        self.next = self.next.max(seq + 1);
        match (&group, hidden_until) {
            (name, Some(until)) => {
                self.hidden.insert((until, seq));
                if let Some(name) = name {
                    self.groups.entry(name.clone()).or_default().in_flight = Some(seq);
                }
            }
            (Some(name), None) => {
                let waiting = &mut self.groups.entry(name.clone()).or_default().waiting;
                let at = waiting.partition_point(|s| *s < seq);
                waiting.insert(at, seq);
            }
            (None, None) => {
                self.ready.insert(seq);
            }
        }
        let name = group.clone();
        self.entries.insert(seq, Entry { group, receives, hidden_until });
        if let Some(name) = name {
            self.offer(&name);
        }
    }

    /// Hands out up to `max` envelopes, hidden for `visibility`. Answers them, and those that have been handed out too
    /// often: these leave the queue now, for the dead letters.
    pub fn receive(&mut self, max: usize, visibility: Duration, now: UnixMs) -> (Vec<Ticket>, Vec<Seq>) {
        self.unhide(now);
        let (mut out, mut dead) = (Vec::new(), Vec::new());
        while out.len() < max {
            let Some(seq) = self.pop_ready() else { break };
            let Some(entry) = self.entries.get_mut(&seq) else { continue };
            if entry.receives >= self.rules.receives_max {
                self.remove(seq);
                self.dead += 1;
                dead.push(seq);
                continue;
            }
            entry.receives += 1;
            let until = now.plus(visibility);
            entry.hidden_until = Some(until);
            self.hidden.insert((until, seq));
            out.push(Ticket { seq, receive: entry.receives });
        }
        (out, dead)
    }

    /// Whether this ticket is the newest of its envelope, and the envelope is in flight.
    #[must_use]
    pub fn holds(&self, ticket: Ticket, now: UnixMs) -> bool {
        self.entries.get(&ticket.seq).is_some_and(|e| {
            e.receives == ticket.receive
                && ticket.receive > 0
                && (!self.rules.fifo || e.hidden_until > Some(now))
        })
    }

    /// Removes an envelope for good. False when the ticket is stale. (A standard queue takes the newest ticket also after
    /// its visibility ended, a FIFO queue does not.)
    pub fn delete(&mut self, ticket: Ticket, now: UnixMs) -> bool {
        let held = self.holds(ticket, now);
        if held {
            self.remove(ticket.seq);
        }
        held
    }

    /// Hides an envelope in flight for this long from now; zero gives it back. False when the ticket is stale or the
    /// envelope is not in flight.
    pub fn hide(&mut self, ticket: Ticket, visibility: Duration, now: UnixMs) -> bool {
        let Some(entry) = self.entries.get_mut(&ticket.seq) else { return false };
        let Some(old) =
            entry.hidden_until.filter(|u| *u > now && entry.receives == ticket.receive && ticket.receive > 0)
        else {
            return false;
        };
        let until = now.plus(visibility);
        entry.hidden_until = Some(until);
        self.hidden.remove(&(old, ticket.seq));
        self.hidden.insert((until, ticket.seq));
        self.unhide(now);
        true
    }

    /// Counts; `dead` is how many were dead-lettered since the start, and an adapter that keeps them says how many are left.
    #[must_use]
    pub fn depth(&self, now: UnixMs) -> Depth {
        let mut depth = Depth { dead: self.dead, ..Depth::default() };
        for entry in self.entries.values() {
            match entry.hidden_until {
                Some(until) if until > now && entry.receives == 0 => depth.delayed += 1,
                Some(until) if until > now => depth.in_flight += 1,
                _ => depth.visible += 1,
            }
        }
        depth
    }

    /// How often an envelope was handed out.
    #[must_use]
    pub fn receives(&self, seq: Seq) -> u32 {
        self.entries.get(&seq).map_or(0, |e| e.receives)
    }

    /// Envelopes on it, hidden ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When something hidden comes back next: how long a receiver may sleep at most.
    #[must_use]
    pub fn next_change(&self) -> Option<UnixMs> {
        self.hidden.first().map(|(until, _)| *until)
    }

    fn pop_ready(&mut self) -> Option<Seq> {
        if !self.rules.fifo {
            return self.ready.pop_first();
        }
        let (seq, name) = self.heads.pop_first()?;
        if let Some(group) = self.groups.get_mut(&name) {
            group.waiting.pop_front();
            group.in_flight = Some(seq);
        }
        Some(seq)
    }

    fn remove(&mut self, seq: Seq) {
        let Some(entry) = self.entries.remove(&seq) else { return };
        if let Some(until) = entry.hidden_until {
            self.hidden.remove(&(until, seq));
        }
        self.ready.remove(&seq);
        if let Some(name) = entry.group {
            if let Some(group) = self.groups.get_mut(&name) {
                group.waiting.retain(|s| *s != seq);
                group.in_flight = group.in_flight.filter(|s| *s != seq);
            }
            self.heads.remove(&seq);
            self.offer(&name);
        }
    }

    /// Brings back what is no longer hidden.
    fn unhide(&mut self, now: UnixMs) {
        while let Some(&(until, seq)) = self.hidden.first().filter(|(until, _)| *until <= now) {
            self.hidden.remove(&(until, seq));
            let Some(entry) = self.entries.get_mut(&seq) else { continue };
            entry.hidden_until = None;
            match entry.group.clone() {
                None => {
                    self.ready.insert(seq);
                }
                Some(name) => {
                    let group = self.groups.entry(name.clone()).or_default();
                    group.in_flight = group.in_flight.filter(|s| *s != seq);
                    let at = group.waiting.partition_point(|s| *s < seq);
                    group.waiting.insert(at, seq);
                    self.offer(&name);
                }
            }
        }
    }

    /// Makes the group's head available, if nothing of the group is in flight.
    fn offer(&mut self, name: &str) {
        let Some(group) = self.groups.get(name) else { return };
        for seq in &group.waiting {
            self.heads.remove(seq);
        }
        match (group.waiting.front(), group.in_flight) {
            (Some(&head), None) => {
                self.heads.insert(head, name.to_owned());
            }
            (None, None) => {
                self.groups.remove(name);
            }
            _ => {}
        }
    }

    fn forget(&mut self, now: UnixMs) {
        while self.seen_until.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.seen_until.pop_first() {
                self.seen.remove(&id);
            }
        }
    }
}
