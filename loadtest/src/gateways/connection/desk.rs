//! Judges what a connection takes, and remembers what has to be answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use wire::server::Event;

use super::super::behaviour::Behaviour;
use super::super::delay::DelayQueue;
use super::super::head::Head;
use super::super::journal::{Note, Platform};
use super::super::reason::Reason;
use super::super::shared::{Moment, Shared};
use super::super::verdict::{Body, Memory, Verdict, decide};
use super::End;
use super::patience::{Mood, Patience};

/// The requests of one connection.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) platform: Platform,
    pub(super) behaviour: Arc<Behaviour>,
    pub(super) changes: watch::Receiver<Arc<Behaviour>>,
    /// False for the sink.
    validates: bool,
    memory: Memory,
    requests: u64,
    patience: Patience,
    /// When its next request is taken, and at which rate.
    next_turn: Option<(u32, Instant)>,
    /// To be answered in this turn.
    pub(super) ready: Vec<(u32, Verdict)>,
    /// Stream and answer.
    pub(super) delayed: DelayQueue<(u32, Verdict)>,
    /// For the journal, before this turn's answers leave.
    notes: Vec<Note>,
    /// A goodbye is due.
    pub(super) goes_away: bool,
    /// More streams were opened than allowed.
    pub(super) exceeded: bool,
    /// The connection ends without a word.
    pub(super) ending: Option<End>,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>, platform: Platform, validates: bool) -> Self {
        Self {
            validates,
            changes: shared.watch_behaviour(),
            behaviour: shared.behaviour(),
            shared,
            platform,
            memory: Memory::default(),
            requests: 0,
            patience: Patience::default(),
            next_turn: None,
            ready: Vec::new(),
            delayed: DelayQueue::new(),
            notes: Vec::new(),
            goes_away: false,
            exceeded: false,
            ending: None,
        }
    }

    pub(super) fn take(&mut self, event: &Event<'_>, now: Moment) {
        let asked = match event {
            Event::Asked(asked) if self.ending.is_none() => asked,
            // It came with the request at which the connection ends.
            Event::Asked(asked) => return self.lose(asked.value(1), now),
            Event::Refused => {
                self.exceeded = true;
                return self.record(None, Reason::ApnsRefusedStream, now);
            }
            Event::Reset(stream) => return self.forget(*stream, now),
        };
        self.requests += 1;
        let every = |n: u64| n > 0 && self.requests.is_multiple_of(n);
        let ending = match &*self.behaviour {
            behaviour if every(behaviour.close_every) => Some(End::Cut),
            behaviour if every(behaviour.half_open_every) => Some(End::Silent),
            _ => None,
        };
        if ending.is_some() {
            self.ending = ending;
            return self.lose(asked.value(1), now);
        }
        self.goes_away |= every(self.behaviour.goaway_every);
        let verdict = if self.validates {
            let head = Head::from_places(|place| asked.value(place));
            let body = Body { kept: asked.body, len: asked.body_bytes };
            decide(&self.shared, &self.behaviour, self.platform, &head, body, &mut self.memory, now)
        } else {
            Verdict::sunk(self.platform)
        };
        let stalls = matches!(verdict.reason, Reason::ApnsStalled | Reason::FcmStalled);
        let now = Instant::from_std(now.instant);
        let takes = if stalls { Duration::ZERO } else { self.turn(now) + self.takes(verdict.reason) };
        if takes.is_zero() {
            self.ready.push((asked.stream, verdict));
        } else {
            self.delayed.push(now + takes, (asked.stream, verdict));
        }
    }

    /// How long a request waits for its turn.
    fn turn(&mut self, now: Instant) -> Duration {
        let per_s = self.behaviour.apns_requests_per_s;
        if per_s == 0 || self.platform != Platform::Apns {
            self.next_turn = None;
            return Duration::ZERO;
        }
        // A rate that changes begins anew.
        let next = self.next_turn.filter(|(of, _)| *of == per_s).map(|(_, next)| next);
        let turn = next.map_or(now, |next| next.max(now));
        self.next_turn = Some((per_s, turn + Duration::from_secs(1) / per_s));
        turn - now
    }

    /// How long this answer takes.
    fn takes(&mut self, reason: Reason) -> Duration {
        let shared = &self.shared;
        let takes = self.behaviour.takes(self.platform, || shared.next_round_trip());
        let minds =
            self.behaviour.apns_slowdown_share.is_some() || self.behaviour.apns_disconnect_share.is_some();
        if !minds || self.platform != Platform::Apns {
            return takes;
        }
        let mood = self.patience.note(&self.behaviour, reason);
        self.goes_away |= mood == Mood::Ends;
        match mood {
            Mood::Calm => takes,
            Mood::Slow | Mood::Ends => {
                takes + Duration::from_millis(u64::from(self.behaviour.apns_slowdown_ms))
            }
        }
    }

    /// The client gave a request up. Whether one that stalls was noted before is left as it is.
    fn forget(&mut self, stream: u32, now: Moment) {
        if let Some((_, verdict)) = self.delayed.remove(|(delayed, _)| *delayed == stream) {
            self.lose_answer(&verdict, now);
        }
    }

    /// A request that was looked at, and whose answer never leaves.
    fn lose_answer(&mut self, verdict: &Verdict, now: Moment) {
        let outcome = verdict.unheard(self.platform, closed(self.platform));
        self.record(verdict.token_hash, outcome, now);
    }

    /// A request that nobody looks at any more.
    fn lose(&mut self, path: Option<&[u8]>, now: Moment) {
        self.record(path_token(self.platform, path), closed(self.platform), now);
    }

    pub(super) fn record(&mut self, token_hash: Option<u64>, outcome: Reason, now: Moment) {
        self.notes.push(self.shared.journal.note(self.platform, token_hash, outcome, now.instant));
    }

    pub(super) fn hand_notes_in(&mut self) {
        if !self.notes.is_empty() {
            self.shared.journal.append(&mut self.notes);
        }
    }

    /// Whatever still waits for its answer never gets one.
    pub(super) fn abandon(&mut self, now: Moment) {
        let waiting: Vec<Verdict> =
            self.delayed.drain().chain(self.ready.drain(..)).map(|(_, v)| v).collect();
        for verdict in waiting {
            self.lose_answer(&verdict, now);
        }
        self.hand_notes_in();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.abandon(Moment::now());
    }
}

/// What a request came to that was not accepted, and whose connection ended.
pub(in super::super) fn closed(platform: Platform) -> Reason {
    match platform {
        Platform::Apns => Reason::ApnsClosed,
        Platform::Fcm => Reason::FcmClosed,
    }
}

/// The hash of the token in a path, for who asks no more.
fn path_token(platform: Platform, path: Option<&[u8]>) -> Option<u64> {
    let path = std::str::from_utf8(path?).ok().filter(|_| platform == Platform::Apns)?;
    super::super::apns::path_token(path).ok()
}
