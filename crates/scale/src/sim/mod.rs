//! The world: its events, and the loop that takes one after the other.

mod begin;
mod expand;
mod gateway;
mod lane;
mod queue;

use crate::cpu::Cores;
use crate::dice::Dice;
use crate::latency::Draws;
use crate::rate::{Bucket, Rate};
use crate::setup::Setup;
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
    pub(crate) apns: Spread,
    pub(crate) fcm: Spread,
    /// Batches whose last answer came.
    pub(crate) answered: Spread,
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

impl World<'_> {
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

/// Time that a batch spends on its own account.
fn own(world: &mut World<'_>, kind: Kind, ns: Ns, batches: f64) {
    world.seen.waits.held.add(kind, ns, batches);
}
