//! The world: what is durable (record, ledger, queues), the gateways, time, and the actors that are alive.

use super::interim::Interim;
use super::people::Dispatcher;
use super::push::Pusher;
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, State, Upload};
use common::content::Content;
use common::device::Platform;
use common::envelope::{FifoKey, Head, ShardEnvelope};
use common::fleet::Expect;
use common::ids::{BatchKey, BatchNo, Epoch, ShardNo, SnapshotId};
use common::ledger::{BatchRecord, ShardRecord};
use common::outcome::Outcome;
use common::queue::{QueueState, Rules, Sent, Seq};
use common::time::UnixMs;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Steps of a history while things go wrong.
const STORM_STEPS: u32 = 500;
/// Rounds in which everything must come to an end once nothing goes wrong any more.
const CALM_ROUNDS: u32 = 4_000;

/// A batch envelope without its bytes.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) head: Head,
    pub(super) key: BatchKey,
    pub(super) attempt: u8,
    pub(super) only: Option<Vec<u16>>,
}

/// What a gateway knows of one device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) accepted: u32,
    pub(super) rejected: bool,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) rng: StdRng,
    /// While true, actors crash, sends fail, clocks jump.
    pub(super) stormy: bool,
    wall: i64,
    pub(super) mono: i64,
    pub(super) campaign: Campaign,
    pub(super) shards: Vec<ShardRecord>,
    pub(super) ledger: BTreeMap<BatchKey, BatchRecord>,
    fifo: QueueState,
    fifo_bodies: HashMap<Seq, ShardEnvelope>,
    batches: QueueState,
    batch_bodies: HashMap<Seq, Job>,
    /// Devices of each batch of each shard.
    pub(super) layout: Vec<Vec<u16>>,
    pub(super) heard: BTreeMap<(BatchKey, u16), Heard>,
    dispatchers: Vec<Dispatcher>,
    interims: Vec<Interim>,
    pushers: Vec<Pusher>,
    pub(super) stopping_since: Option<i64>,
    pub(super) received_shards: u32,
    pub(super) crashes: u32,
    pub(super) lapsed: u32,
    pub(super) stops: u32,
    trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let shards = rng.random_range(1..=3_u16);
        let layout: Vec<Vec<u16>> = (0..shards)
            .map(|_| (0..rng.random_range(1..=3)).map(|_| rng.random_range(1..=3)).collect())
            .collect();
        let campaign = armed(&layout, rng.random_bool(0.1), rng.random_bool(0.5));
        Self {
            seed,
            stormy: true,
            wall: 1_000_000,
            mono: 0,
            campaign,
            shards: Vec::new(),
            ledger: BTreeMap::new(),
            fifo: QueueState::new(Rules::fifo()),
            fifo_bodies: HashMap::new(),
            batches: QueueState::new(Rules { receives_max: 1_000, ..Rules::standard() }),
            batch_bodies: HashMap::new(),
            heard: BTreeMap::new(),
            dispatchers: Vec::new(),
            interims: (0..2).map(Interim::new).collect(),
            pushers: (0..3).map(Pusher::new).collect(),
            stopping_since: None,
            received_shards: 0,
            crashes: 0,
            lapsed: 0,
            stops: 0,
            trace: Vec::new(),
            rng,
            layout,
        }
    }

    pub(super) fn now(&self) -> UnixMs {
        UnixMs(self.wall)
    }

    /// The queues' clock moves with the monotonic one: a corrected wall clock moves no visibility.
    pub(super) fn queue_now(&self) -> UnixMs {
        UnixMs(self.mono)
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        let text = format!("{:>9} ms  {}", self.mono, text());
        self.trace.push(text);
    }

    pub(super) fn print_trace(&self) {
        for line in &self.trace {
            println!("{line}");
        }
    }

    /// Ends the test with the last events of this history.
    pub(super) fn fail(&self, what: &str) -> ! {
        if std::env::var_os("OWL_STEPPING_SEED").is_some() {
            self.print_trace();
        }
        let tail = self.trace.len().saturating_sub(40);
        panic!(
            "seed {}: {what}\nlayout {:?}, state {:?}\n{}",
            self.seed,
            self.layout,
            self.campaign.state,
            self.trace[tail..].join("\n")
        );
    }

    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        self.stormy && self.rng.random_range(0..one_in) == 0
    }

    fn pass(&mut self, ms: i64) {
        self.wall += ms;
        self.mono += ms;
    }

    fn pass_time(&mut self) {
        let ms = match self.rng.random_range(0..100) {
            0..70 => self.rng.random_range(0..40),
            70..95 => self.rng.random_range(40..900),
            95..99 => self.rng.random_range(900..12_000),
            _ => 20_000,
        };
        self.pass(ms);
        if self.chance(400) {
            self.wall += 6 * 60_000;
            self.note(|| "the wall clock jumps by 6 minutes".to_owned());
        }
    }

    /// Random actors take random steps, and things go wrong.
    pub(super) fn storm(&mut self) {
        for _ in 0..STORM_STEPS {
            self.pass_time();
            self.random_step();
            if self.campaign.state == State::Done {
                break;
            }
        }
    }

    /// Nothing goes wrong any more: everybody works until nothing is left.
    pub(super) fn calm(&mut self) {
        self.stormy = false;
        self.note(|| "calm".to_owned());
        for _ in 0..CALM_ROUNDS {
            self.pass(50);
            self.calm_person();
            self.reconcile();
            self.step_dispatchers();
            for i in 0..self.interims.len() {
                self.with_interim(i);
            }
            for i in 0..self.pushers.len() {
                self.with_pusher(i);
            }
            if self.campaign.state == State::Done {
                return;
            }
        }
        self.fail("it never came to an end");
    }

    fn random_step(&mut self) {
        match self.rng.random_range(0..20) {
            0..2 => self.random_person(),
            2..4 => self.reconcile(),
            4..7 => self.step_dispatchers(),
            7..11 => {
                let i = self.rng.random_range(0..self.interims.len());
                self.with_interim(i);
            }
            _ => {
                let i = self.rng.random_range(0..self.pushers.len());
                self.with_pusher(i);
            }
        }
    }

    pub(super) fn dispatch(&mut self, dispatcher: Dispatcher) {
        self.dispatchers.push(dispatcher);
    }

    fn step_dispatchers(&mut self) {
        let mut all = std::mem::take(&mut self.dispatchers);
        all.retain_mut(|d| {
            if self.chance(25) {
                self.crashes += 1;
                self.note(|| "a dispatcher dies".to_owned());
                return false;
            }
            d.step(self)
        });
        self.dispatchers.append(&mut all);
    }

    fn with_interim(&mut self, i: usize) {
        let mut actor = std::mem::replace(&mut self.interims[i], Interim::new(i as u64));
        if self.chance(60) {
            self.crashes += 1;
            self.note(|| format!("interim worker {i} dies"));
            return;
        }
        actor.step(self);
        self.interims[i] = actor;
    }

    fn with_pusher(&mut self, i: usize) {
        let fresh = Pusher::new(self.rng.random_range(100..u64::MAX));
        let mut actor = std::mem::replace(&mut self.pushers[i], fresh);
        if self.chance(80) {
            self.crashes += 1;
            self.note(|| format!("push worker {i} dies, {}", actor.what()));
            return;
        }
        actor.step(self);
        self.pushers[i] = actor;
    }

    // The queues.

    pub(super) fn send_shard(&mut self, envelope: &ShardEnvelope) -> bool {
        if self.chance(15) {
            return false;
        }
        let (key, now): (FifoKey, _) = (envelope.fifo_key(), self.queue_now());
        if let Sent::Queued(seq) = self.fifo.send(Some(&key), Duration::ZERO, now) {
            self.fifo_bodies.insert(seq, envelope.clone());
        }
        // The answer may be lost although the envelope is in.
        !self.chance(30)
    }

    pub(super) fn receive_shard(&mut self) -> Option<(common::queue::Ticket, ShardEnvelope)> {
        let now = self.queue_now();
        let ticket = *self.fifo.receive(1, common::limits::SHARD_VISIBILITY, now).0.first()?;
        let envelope = self.fifo_bodies.get(&ticket.seq)?.clone();
        if ticket.receive == 1 {
            self.received_shards += 1;
        }
        Some((ticket, envelope))
    }

    pub(super) fn delete_shard(&mut self, ticket: common::queue::Ticket) {
        let now = self.queue_now();
        self.fifo.delete(ticket, now);
    }

    pub(super) fn fifo_is_empty(&self) -> bool {
        self.fifo.depth(self.queue_now()).is_empty()
    }

    /// At least once: now and then an envelope is there twice, or comes late.
    pub(super) fn send_batch(&mut self, job: &Job, delay: Duration) {
        let copies = if self.chance(20) { 2 } else { 1 };
        for _ in 0..copies {
            let late = if self.chance(20) { self.rng.random_range(0..9_000) } else { 0 };
            let (delay, now) = (delay + Duration::from_millis(late), self.queue_now());
            if let Sent::Queued(seq) = self.batches.send(None, delay, now) {
                self.batch_bodies.insert(seq, job.clone());
            }
        }
    }

    pub(super) fn receive_batch(&mut self) -> Option<(common::queue::Ticket, Job)> {
        let now = self.queue_now();
        let ticket = *self.batches.receive(1, common::limits::BATCH_VISIBILITY, now).0.first()?;
        Some((ticket, self.batch_bodies.get(&ticket.seq)?.clone()))
    }

    pub(super) fn delete_batch(&mut self, ticket: common::queue::Ticket) {
        let now = self.queue_now();
        self.batches.delete(ticket, now);
    }

    pub(super) fn hide_batch(&mut self, ticket: common::queue::Ticket, until: UnixMs) {
        let (now, rest) = (self.queue_now(), until.since(self.now()));
        self.batches.hide(ticket, rest.clamp(Duration::from_millis(50), Duration::from_secs(10)), now);
    }

    // The record and the ledger.

    /// A conditional write: taken only if nobody wrote since `next` was decided.
    pub(super) fn write(&mut self, decision: Decision) -> bool {
        match decision {
            Decision::Change(next) if next.version == self.campaign.version + 1 => {
                let (from, to, epoch) = (self.campaign.state, next.state, next.epoch);
                self.note(|| format!("campaign {from:?} -> {to:?}, epoch {epoch}"));
                self.campaign = *next;
                true
            }
            _ => false,
        }
    }

    pub(super) fn mark_dispatched(&mut self, epoch: Epoch, marks: &[(ShardNo, u32)]) {
        let at = self.now();
        marks
            .iter()
            .for_each(|(shard, attempt)| self.mark(ShardRecord::dispatched(*shard, epoch, *attempt, at)));
    }

    pub(super) fn mark_expanded(&mut self, epoch: Epoch, shard: ShardNo) {
        let at = self.now();
        self.mark(ShardRecord::expanded(shard, epoch, at));
    }

    fn mark(&mut self, new: ShardRecord) {
        let stored = self.shards.iter().position(|s| s.shard == new.shard);
        match (new.onto(stored.map(|i| self.shards[i])), stored) {
            (Some(next), Some(i)) => self.shards[i] = next,
            (Some(next), None) => self.shards.push(next),
            (None, _) => {}
        }
    }

    pub(super) fn devices(&self, key: BatchKey) -> u16 {
        self.layout[usize::from(key.shard.0)][key.number.0 as usize]
    }

    pub(super) fn blank(&self, key: BatchKey) -> Vec<u8> {
        let platform = |i: u16| if i.is_multiple_of(2) { Platform::Apns } else { Platform::Fcm };
        (0..self.devices(key)).map(|i| Outcome::Unsent.to_byte(platform(i))).collect()
    }

    pub(super) fn keys(&self) -> Vec<BatchKey> {
        let of_shard = |(s, batches): (usize, &Vec<u16>)| {
            (0..batches.len())
                .map(move |n| BatchKey { shard: ShardNo(s as u16), number: BatchNo(n as u32) })
                .collect::<Vec<_>>()
        };
        self.layout.iter().enumerate().flat_map(of_shard).collect()
    }
}

fn next(decision: Decision) -> Campaign {
    match decision {
        Decision::Change(next) => *next,
        other => panic!("{other:?}"),
    }
}

fn armed(layout: &[Vec<u16>], resend_ambiguous: bool, short: bool) -> Campaign {
    let deadline_ms = if short { 45_000 } else { 10 * 60_000 };
    let options =
        Options { shards: layout.len() as u16, resend_ambiguous, deadline_ms, ..Options::default() };
    let stamp = |at| Stamp::new("engineer", UnixMs(at));
    let draft = Campaign::new("night", Content::english("a", "b"), options, stamp(0));
    let upload = Upload { object: "o".into(), format: ListFormat::Plain, bytes: 1, stamp: stamp(1) };
    let devices = layout.iter().flatten().map(|n| u64::from(*n)).sum();
    let snapshot = SnapshotRef {
        id: SnapshotId([7; 32]),
        uploaded: devices,
        users: devices,
        devices: BTreeMap::from([("apns".to_owned(), devices)]),
        batches: layout.iter().map(|s| s.len() as u64).sum(),
        dropped: BTreeMap::new(),
        dropped_devices: BTreeMap::new(),
        built_at: UnixMs(2),
        build_ms: 1,
    };
    let ready = next(next(draft.upload(upload)).build_done(snapshot));
    next(ready.arm(stamp(3), Expect::default(), BTreeMap::new()))
}
