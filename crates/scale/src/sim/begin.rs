//! The world before the press: everybody in their places.

use super::{BUCKET, Doing, Interim, LOOK, Lane, Push, Queue, Receiver, Seen, Shard, World, gateway};
use crate::cpu::Cores;
use crate::dice::Dice;
use crate::latency::Draws;
use crate::rate::{Bucket, Rate};
use crate::setup::{Fleet, Machine, Setup};
use std::collections::{BinaryHeap, VecDeque};

impl<'a> World<'a> {
    pub(super) fn new(s: &'a Setup) -> Self {
        let many = Many::of(&s.fleet);
        let machines = machines(s, many);
        let mut dice = Dice::new(s.blast.seed);
        let push = push_workers(s, many, machines.len() == 1, &mut dice);
        let interim = interim_workers(s, many, &mut dice);
        let (shards, left, bucket_of) = cut(s);
        let (partitions, keys) = ledger_rates(s, &bucket_of);
        let mut world = Self {
            s,
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            queue_call: Draws::new(s.backend.queue),
            ledger_call: Draws::new(s.backend.ledger),
            round_trips: [Draws::new(s.gateways.apns.round_trip), Draws::new(s.gateways.fcm.round_trip)],
            machines,
            gateway_thread: 0,
            fifo: VecDeque::new(),
            fifo_rate: s.backend.fifo_calls_per_s.map(|per_s| Rate::new(per_s, per_s)),
            asking: VecDeque::new(),
            shards,
            interim,
            push,
            lanes: lanes(s, many),
            receivers: receivers(many),
            groups: Vec::new(),
            free_groups: Vec::new(),
            queue: Queue::default(),
            partitions,
            keys,
            left,
            bucket_of,
            per_batch: s.blast.per_batch(),
            fcm_rest: 0.0,
            seen: Seen::default(),
            dice,
        };
        world.queue.ready.reserve(world.left.len());
        world
    }
}

/// How many there are: at least one of each.
#[derive(Clone, Copy)]
struct Many {
    pushes: u32,
    interims: u32,
    /// Of a push worker.
    lanes: u32,
    /// Of a lane.
    receivers: u32,
}

impl Many {
    fn of(fleet: &Fleet) -> Self {
        Self {
            pushes: fleet.push_workers.max(1),
            interims: fleet.interim_workers.max(1),
            lanes: fleet.lanes.max(1),
            receivers: fleet.receivers.max(1),
        }
    }
}

/// One that all share, or one for each worker: push workers' first.
fn machines(s: &Setup, many: Many) -> Vec<Cores> {
    match s.machine {
        Machine::Shared(cores) => vec![Cores::new(cores)],
        Machine::Own(push, interim) => {
            let own = (0..many.pushes).map(|_| Cores::new(push));
            own.chain((0..many.interims).map(|_| Cores::new(interim))).collect()
        }
    }
}

fn push_workers(s: &Setup, many: Many, shared: bool, dice: &mut Dice) -> Vec<Push> {
    let quota = s.gateways.fcm.quota_per_min.map(|per_min| per_min / 60.0 / f64::from(many.pushes));
    let worker = |n: u32| Push {
        machine: if shared { 0 } else { n as usize },
        looked: dice.below(LOOK),
        bucket: quota.map(Bucket::new),
        calls: s.backend.table_calls.map_or_else(Vec::new, |calls| vec![0; calls.max(1) as usize]),
    };
    (0..many.pushes).map(worker).collect()
}

fn interim_workers(s: &Setup, many: Many, dice: &mut Dice) -> Vec<Interim> {
    let permits = s.fleet.permits.max(1);
    (0..many.interims).map(|_| Interim { permits, asking: false, looked: dice.below(LOOK) }).collect()
}

fn lanes(s: &Setup, many: Many) -> Vec<Lane> {
    let lane = |n: u32| Lane {
        worker: n / many.lanes,
        thread: 0,
        room: 0,
        received: None,
        blocked: Vec::new(),
        asleep: Vec::new(),
        pools: [
            gateway::Pool::new(&s.gateways.apns, s.fleet.apns_connections),
            gateway::Pool::new(&s.gateways.fcm, s.fleet.fcm_connections),
        ],
    };
    (0..many.pushes * many.lanes).map(lane).collect()
}

fn receivers(many: Many) -> Vec<Receiver> {
    let receiver = |n: u32| Receiver {
        lane: n / many.receivers,
        first: n.is_multiple_of(many.receivers),
        doing: Doing::Busy,
        since: 0,
        call: 0,
        waiting: false,
        want: 0,
        room: 0,
        back: 0,
    };
    (0..many.pushes * many.lanes * many.receivers).map(receiver).collect()
}

/// What the ledger's partitions take, and its keys: one for each bucket. None where its writes have no limit.
fn ledger_rates(s: &Setup, bucket_of: &[u32]) -> (Vec<Rate>, Vec<Rate>) {
    let per_s = s.backend.partition_writes_per_s;
    let partitions =
        s.backend.table_writes_per_s.map_or(0, |writes| (writes / per_s).ceil().max(1.0) as usize);
    let keys = if partitions > 0 { bucket_of.last().map_or(0, |last| *last as usize + 1) } else { 0 };
    let rates = |count: usize| (0..count).map(|_| Rate::new(per_s, 1.0)).collect();
    (rates(partitions), rates(keys))
}

/// The audience as shards, with devices and ledger bucket by batch.
fn cut(s: &Setup) -> (Vec<Shard>, Vec<u16>, Vec<u32>) {
    let blast = &s.blast;
    let shards = u64::from(blast.shards.max(1));
    let (mut all, mut left, mut bucket_of) = (Vec::new(), Vec::new(), Vec::new());
    let mut buckets = 0;
    let (mut users, mut devices) = (0, 0);
    // Users are cut by a hash of their ids: shards differ by the root of their size.
    let mut dice = Dice::new(blast.seed);
    let spread = (blast.users as f64 / shards as f64).sqrt();
    for n in 1..=shards {
        let first = left.len() as u32;
        // Twelve shares of chance are about as normal as it takes.
        let chance = (0..12).map(|_| dice.share()).sum::<f64>() - 6.0;
        let even = (blast.users * n / shards) as f64;
        let end = if n == shards { blast.users } else { (even + chance * spread).max(0.0).round() as u64 };
        let end = end.clamp(users, blast.users);
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
