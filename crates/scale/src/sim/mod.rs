//! The world: its events, and the loop that takes one after the other.

mod expand;
mod gateway;
mod lane;
mod queue;

use crate::cpu::Cores;
use crate::dice::Dice;
use crate::latency::Draws;
use crate::rate::{Bucket, Rate};
use crate::setup::{Machine, Setup};
use crate::spread::Spread;
use crate::waits::{Kind, Waits};
use crate::{Ns, ns_of_ms};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Shard envelopes are on the FIFO queue.
    Dispatched { from: u32, count: u32 },
    /// An interim worker asks the FIFO queue.
    AskShards { worker: u32 },
    /// It has got one.
    GotShard { shard: u32, worker: u32 },
    /// It may be expanded.
    ShardReady { shard: u32 },
    /// Batches are on the batch queue.
    Arrived { from: u32, count: u32 },
    /// A send call has its answer.
    Sent { shard: u32 },
    /// A shard is marked, and its envelope deleted.
    Expanded { shard: u32 },
    /// A receiver looks for room.
    Take { receiver: u32 },
    /// Its call is at the queue.
    Ask { receiver: u32 },
    /// Its call waited long enough.
    GiveUp { receiver: u32, call: u32 },
    /// Envelopes are in a lane.
    Got { group: u32 },
    /// They are decoded.
    Admit { group: u32 },
    /// They are claimed.
    Claimed { group: u32 },
    /// Requests of a batch to one gateway may leave.
    Leave { group: u32, place: u8, fcm: bool },
    /// So many have their answers.
    Answered { group: u32, place: u8, fcm: bool, count: u16 },
    /// All of a batch have theirs.
    Over { group: u32, place: u8 },
    /// What ended together is finished together.
    Gathered { group: u32, timer: u32 },
    /// Finishing these of a group: later tries are on the queue, results in the ledger, envelopes deleted.
    Finish { group: u32, places: u16, step: u8 },
    /// A later try, or what was sent away, comes again.
    Again { job: Job },
}

/// An envelope of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    batch: u32,
    apns: u16,
    fcm: u16,
    /// On the queue since.
    since: Ns,
}

/// A shard, and how far it is expanded.
#[derive(Clone, Debug, Default)]
struct Shard {
    first: u32,
    batches: u32,
    next: u32,
    in_flight: u32,
    worker: u32,
    since: Ns,
}

#[derive(Clone, Debug, Default)]
struct Interim {
    permits: u32,
    asking: bool,
    looked: Ns,
}

#[derive(Clone, Debug)]
struct Push {
    /// Where its CPU is.
    machine: usize,
    looked: Ns,
    bucket: Option<Bucket>,
    /// When each call that it may have under way at a table ends.
    calls: Vec<Ns>,
}

#[derive(Clone, Debug)]
struct Lane {
    worker: u32,
    /// When its thread is free.
    thread: Ns,
    room: u32,
    received: Option<Ns>,
    /// Receivers that wait for room, and those that sleep.
    blocked: Vec<u32>,
    asleep: Vec<u32>,
    pools: [gateway::Pool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Blocked,
    Calling,
    Asleep,
    Limited,
    Busy,
}

#[derive(Clone, Debug)]
struct Receiver {
    lane: u32,
    first: bool,
    doing: Doing,
    /// Of the time in which the queue was not empty.
    since: Ns,
    call: u32,
    waiting: bool,
    want: u32,
    room: u32,
    back: Ns,
}

/// Envelopes that a lane received together.
#[derive(Clone, Debug, Default)]
struct Group {
    lane: u32,
    receiver: u32,
    room: u32,
    jobs: Vec<InHand>,
    sending: u32,
    over: Vec<u8>,
    timer: u32,
    open: u32,
}

#[derive(Clone, Copy, Debug)]
struct InHand {
    job: Job,
    /// Answers that are missing.
    left: u16,
    /// FCM's part comes again after this.
    later: Option<Ns>,
    over: Ns,
}

/// The batch queue.
#[derive(Clone, Debug, Default)]
struct Queue {
    ready: VecDeque<Job>,
    waiting: VecDeque<(u32, u32)>,
    in_flight: u64,
    most_in_flight: u64,
    most_ready: u64,
    /// Time in which it was not empty, until `changed`.
    busy: Ns,
    changed: Ns,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) dispatched: Spread,
    pub(crate) expanded: Spread,
    pub(crate) claimed: Spread,
    pub(crate) accepted: Spread,
    pub(crate) fcm: Spread,
    pub(crate) completed: Spread,
    pub(crate) expired: u64,
    pub(crate) sent_away: u64,
    pub(crate) batches: u64,
    pub(crate) finished_batches: u64,
    pub(crate) events: u64,
    pub(crate) most_in_flight: u64,
    pub(crate) most_ready: u64,
    /// CPU of push workers, interim workers and stand-ins, in seconds.
    pub(crate) cpu_s: [f64; 3],
    pub(crate) waits: Waits,
    /// Batches and nanoseconds in the lanes, for Little's law.
    pub(crate) in_lanes: f64,
}

struct World<'a> {
    s: &'a Setup,
    now: Ns,
    order: u64,
    heap: BinaryHeap<Reverse<(Ns, u64, Event)>>,
    dice: Dice,
    queue_call: Draws,
    ledger_call: Draws,
    round_trips: [Draws; 2],
    machines: Vec<Cores>,
    gateway_thread: Ns,
    fifo: VecDeque<u32>,
    fifo_rate: Option<Rate>,
    asking: VecDeque<u32>,
    shards: Vec<Shard>,
    interim: Vec<Interim>,
    push: Vec<Push>,
    lanes: Vec<Lane>,
    receivers: Vec<Receiver>,
    groups: Vec<Group>,
    free_groups: Vec<u32>,
    queue: Queue,
    partitions: Vec<Rate>,
    keys: Vec<Rate>,
    /// By batch: devices without an outcome.
    left: Vec<u16>,
    /// By batch: its bucket in the ledger.
    bucket_of: Vec<u32>,
    per_batch: u32,
    fcm_rest: f64,
    seen: Seen,
}

/// Batches of one ledger bucket (`common::limits::LEDGER_BUCKET`).
const BUCKET: u32 = 100;
/// How often a worker looks at the campaign (`common::limits::LOOK_EVERY`), in nanoseconds.
const LOOK: u64 = 250_000_000;

/// Lets it happen.
pub(crate) fn run(setup: &Setup) -> Seen {
    let mut world = World::new(setup);
    world.press();
    let batches = world.left.len() as u64;
    while world.seen.finished_batches < batches {
        let Some(Reverse((at, _, event))) = world.heap.pop() else { break };
        world.now = at;
        world.seen.events += 1;
        world.happen(event);
    }
    world.end()
}

impl<'a> World<'a> {
    fn new(s: &'a Setup) -> Self {
        let (fleet, blast) = (&s.fleet, &s.blast);
        let mut dice = Dice::new(blast.seed);
        let draws = Draws::new;
        let (pushes, interims) = (fleet.push_workers.max(1), fleet.interim_workers.max(1));
        let machines = match s.machine {
            Machine::Shared(cores) => vec![Cores::new(cores)],
            Machine::Own(push, interim) => {
                let own = (0..pushes).map(|_| Cores::new(push));
                own.chain((0..interims).map(|_| Cores::new(interim))).collect()
            }
        };
        let shared = machines.len() == 1;
        let quota = s.gateways.fcm.quota_per_min.map(|per_min| per_min / 60.0 / f64::from(pushes));
        let worker = |n: u32, dice: &mut Dice| Push {
            machine: if shared { 0 } else { n as usize },
            looked: dice.below(LOOK),
            bucket: quota.map(Bucket::new),
            calls: s.backend.table_calls.map_or_else(Vec::new, |calls| vec![0; calls.max(1) as usize]),
        };
        let lanes = fleet.lanes.max(1);
        let lane = |n: u32| Lane {
            worker: n / lanes,
            thread: 0,
            room: 0,
            received: None,
            blocked: Vec::new(),
            asleep: Vec::new(),
            pools: [
                gateway::Pool::new(&s.gateways.apns, fleet.apns_connections),
                gateway::Pool::new(&s.gateways.fcm, fleet.fcm_connections),
            ],
        };
        let receivers = fleet.receivers.max(1);
        let receiver = |n: u32| Receiver {
            lane: n / receivers,
            first: n % receivers == 0,
            doing: Doing::Busy,
            since: 0,
            call: 0,
            waiting: false,
            want: 0,
            room: 0,
            back: 0,
        };
        let looked = |dice: &mut Dice| dice.below(LOOK);
        let partitions = s
            .backend
            .table_writes_per_s
            .map_or(0, |writes| (writes / s.backend.partition_writes_per_s).ceil().max(1.0) as usize);
        let rate = || Rate::new(s.backend.partition_writes_per_s, 1.0);
        let (shards, left, bucket_of) = cut(s);
        let keys = if partitions > 0 { bucket_of.last().map_or(0, |last| *last as usize + 1) } else { 0 };
        let push = (0..pushes).map(|n| worker(n, &mut dice)).collect();
        let interim = (0..interims)
            .map(|_| Interim { permits: fleet.permits.max(1), asking: false, looked: looked(&mut dice) })
            .collect();
        let mut world = Self {
            s,
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            queue_call: draws(s.backend.queue),
            ledger_call: draws(s.backend.ledger),
            round_trips: [draws(s.gateways.apns.round_trip), draws(s.gateways.fcm.round_trip)],
            machines,
            gateway_thread: 0,
            fifo: VecDeque::new(),
            fifo_rate: s.backend.fifo_calls_per_s.map(|per_s| Rate::new(per_s, per_s)),
            asking: VecDeque::new(),
            shards,
            interim,
            push,
            lanes: (0..pushes * lanes).map(lane).collect(),
            receivers: (0..pushes * lanes * receivers).map(receiver).collect(),
            groups: Vec::new(),
            free_groups: Vec::new(),
            queue: Queue::default(),
            partitions: (0..partitions).map(|_| rate()).collect(),
            keys: (0..keys).map(|_| rate()).collect(),
            left,
            bucket_of,
            per_batch: blast.per_batch(),
            fcm_rest: 0.0,
            seen: Seen::default(),
            dice,
        };
        world.queue.ready.reserve(world.left.len());
        world
    }

    fn at(&mut self, at: Ns, event: Event) {
        // Of what happens at one instant, what was said first comes first.
        self.order += 1;
        self.heap.push(Reverse((at.max(self.now), self.order, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Dispatched { from, count } => self.dispatched(from, count),
            Event::AskShards { worker } => self.ask_shards(worker),
            Event::GotShard { shard, worker } => self.got_shard(shard, worker),
            Event::ShardReady { shard } => self.shard_ready(shard),
            Event::Arrived { from, count } => self.arrived(from, count),
            Event::Sent { shard } => self.sent(shard),
            Event::Expanded { shard } => self.shard_done(shard),
            Event::Take { receiver } => self.take(receiver),
            Event::Ask { receiver } => self.ask(receiver),
            Event::GiveUp { receiver, call } => self.give_up(receiver, call),
            Event::Got { group } => self.got(group),
            Event::Admit { group } => self.admit(group),
            Event::Claimed { group } => self.claimed(group),
            Event::Leave { group, place, fcm } => self.leave(group, place, fcm),
            Event::Answered { group, place, fcm, count } => self.answered(group, place, fcm, count),
            Event::Over { group, place } => self.over(group, place),
            Event::Gathered { group, timer } => self.gathered(group, timer),
            Event::Finish { group, places, step } => self.finish(group, places, step),
            Event::Again { job } => self.again(job),
        }
    }

    fn queue_ns(&mut self) -> Ns {
        self.queue_call.draw(&mut self.dice)
    }

    fn ledger_ns(&mut self) -> Ns {
        self.ledger_call.draw(&mut self.dice)
    }

    fn deadline(&self) -> Ns {
        ns_of_ms(self.s.blast.deadline_s * 1_000.0)
    }

    fn end(mut self) -> Seen {
        self.queue_is_asked();
        self.seen.batches = self.left.len() as u64;
        let pushes = if self.machines.len() == 1 { 1 } else { self.push.len() };
        let busy = |cores: &[Cores]| cores.iter().map(|c| c.busy as f64 / 1e9).sum::<f64>();
        let (push, interim) = self.machines.split_at(pushes);
        self.seen.cpu_s[0] += busy(push);
        self.seen.cpu_s[1] += busy(interim);
        if self.machines.len() == 1 {
            let (own, gateways) = (self.seen.cpu_s[1], self.seen.cpu_s[2]);
            self.seen.cpu_s[0] -= own + gateways;
        }
        (self.seen.most_in_flight, self.seen.most_ready) = (self.queue.most_in_flight, self.queue.most_ready);
        self.seen
    }
}

/// The audience as shards, with devices and ledger bucket by batch.
fn cut(s: &Setup) -> (Vec<Shard>, Vec<u16>, Vec<u32>) {
    let blast = &s.blast;
    let shards = u64::from(blast.shards.max(1));
    let (mut all, mut left, mut bucket_of) = (Vec::new(), Vec::new(), Vec::new());
    let mut buckets = 0;
    let (mut users, mut devices) = (0, 0);
    for n in 0..shards {
        let first = left.len() as u32;
        let end = blast.users * (n + 1) / shards;
        while users < end {
            users += (end - users).min(u64::from(blast.batch_users.max(1)));
            // So that the sum is right, shares are rounded over neighbours.
            let until = (users as f64 * blast.devices_per_user).round() as u64;
            bucket_of.push(buckets + (left.len() as u32 - first) / BUCKET);
            left.push(u16::try_from(until - devices).unwrap_or(u16::MAX - 1));
            devices = until;
        }
        let batches = left.len() as u32 - first;
        buckets += batches.div_ceil(BUCKET);
        all.push(Shard { first, batches, ..Shard::default() });
    }
    (all, left, bucket_of)
}

/// Time that a batch spends on its own account.
fn own(world: &mut World<'_>, kind: Kind, ns: Ns, batches: f64) {
    world.seen.waits.held.add(kind, ns, batches);
}
