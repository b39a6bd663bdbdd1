//! People who press, abort, resume and try a canary; dispatchers that put envelopes on the queue; the reconciler.

use super::world::World;
use common::campaign::{Campaign, Decision, Stamp, State};
use common::envelope::ShardEnvelope;
use common::ids::{Epoch, ShardNo};
use common::ledger::{CloseRequest, close};
use common::limits::LOOK_GOOD_FOR;
use common::outcome::Class;
use common::plan::undispatched;
use common::report::BooksBuilder;
use rand::RngExt;

/// As the reconciler's own: a second for the last looks, and a little more.
const STOP_SETTLES_MS: i64 = LOOK_GOOD_FOR.as_millis() as i64 + 250;

/// Sends missing envelopes one by one, then writes down which are on the queue. May die anywhere.
pub(super) struct Dispatcher {
    epoch: Epoch,
    todo: Vec<ShardEnvelope>,
    sent: Vec<(ShardNo, u32)>,
}

impl Dispatcher {
    pub(super) fn of(world: &World, campaign: &Campaign) -> Option<Self> {
        let run = campaign.live_run()?;
        let todo = undispatched(campaign, &world.shards, world.fifo_is_empty(), world.now());
        (!todo.is_empty()).then(|| Self { epoch: run.epoch, todo, sent: Vec::new() })
    }

    /// One effect. False when it is finished.
    pub(super) fn step(&mut self, world: &mut World) -> bool {
        let Some(envelope) = self.todo.pop() else {
            world.mark_dispatched(self.epoch, &self.sent);
            return false;
        };
        if world.send_shard(&envelope) {
            self.sent.push((envelope.shard, envelope.attempt));
        }
        world.note(|| {
            format!("dispatch shard {} epoch {} attempt {}", envelope.shard, self.epoch, envelope.attempt)
        });
        true
    }
}

impl World {
    fn stamp(&self, who: &str) -> Stamp {
        Stamp::new(who, self.now())
    }

    fn act(&mut self, decide: impl Fn(&Campaign, Stamp) -> Decision, who: &str) {
        let seen = self.campaign.clone();
        let decision = decide(&seen, self.stamp(who));
        let same = decision == Decision::Same;
        if (self.write(decision) || same)
            && let Some(dispatcher) = Dispatcher::of(self, &self.campaign.clone())
        {
            self.dispatch(dispatcher);
        }
        if self.campaign.state == State::Stopping && self.stopping_since.is_none() {
            self.stopping_since = Some(self.mono);
        }
    }

    pub(super) fn random_person(&mut self) {
        match self.rng.random_range(0..12) {
            0 => self.act(Campaign::canary, "careful"),
            1 => self.act(Campaign::abort, "worried"),
            2..5 => self.act(Campaign::resume, "sre"),
            _ => {
                let who = format!("marketer {}", self.rng.random_range(0..3));
                self.act(Campaign::press, &who);
            }
        }
    }

    /// In the calm, somebody presses or resumes what still waits.
    pub(super) fn calm_person(&mut self) {
        match self.campaign.state {
            State::Armed => self.act(Campaign::press, "last"),
            State::Stopped => self.act(Campaign::resume, "last"),
            State::Ready => {
                let armed =
                    self.campaign.arm(self.stamp("engineer"), common::fleet::Expect::default(), [].into());
                self.write(armed);
            }
            _ => {}
        }
    }

    /// One step of the reconciler: the same decisions as `control::reconcile`, on this world's ledger.
    pub(super) fn reconcile(&mut self) {
        let campaign = self.campaign.clone();
        if let Some(dispatcher) = Dispatcher::of(self, &campaign) {
            self.dispatch(dispatcher);
        }
        match campaign.state {
            State::Sending => self.reconcile_sending(&campaign),
            State::Stopping => self.reconcile_stopping(&campaign),
            _ => {}
        }
    }

    fn reconcile_sending(&mut self, campaign: &Campaign) {
        let past = campaign.runs.last().is_some_and(|r| r.deadline_at <= self.now());
        if past && !self.close_all() {
            return;
        }
        let now = self.now();
        let pending = self.keys().iter().any(|k| self.ledger.get(k).is_none_or(|r| r.has(Class::Pending)));
        let held = self.ledger.values().any(|r| r.is_held(now));
        if !pending && !held {
            let books = self.books(false);
            self.write(campaign.done(now, books));
        }
    }

    fn reconcile_stopping(&mut self, campaign: &Campaign) {
        let since = *self.stopping_since.get_or_insert(self.mono);
        let now = self.now();
        let held = self.ledger.values().any(|r| r.is_held(now));
        if self.mono - since >= STOP_SETTLES_MS && !held {
            let books = self.books(true);
            if !books.balance() || books.pending > 0 {
                self.fail(&format!("stopped with unbalanced books: {books:?}"));
            }
            self.write(campaign.stopped(now, books));
            self.stopping_since = None;
            self.stops += 1;
        }
    }

    fn close_all(&mut self) -> bool {
        let (now, mut all) = (self.now(), true);
        for key in self.keys() {
            let ask = CloseRequest { key, blank: self.blank(key), now };
            let (closed, record) = close(self.ledger.get(&key), &ask);
            all &= closed;
            if let Some(record) = record {
                self.note(|| format!("close batch {key}"));
                self.ledger.insert(key, record);
            }
        }
        all
    }

    pub(super) fn books(&self, stopped: bool) -> common::report::Books {
        let pressed = self.campaign.pressed_at().unwrap_or(self.now());
        let mut builder = BooksBuilder::new(pressed, stopped);
        for key in self.keys() {
            builder.batch(key, self.ledger.get(&key), || self.blank(key), self.now());
        }
        builder.finish()
    }
}
