//! From what was seen to what is told.

use crate::setup::{Machine, Setup};
use crate::sim::{self, Seen};
use crate::spread::Times;
use crate::waits::{Kind, Waited};
use serde::{Deserialize, Serialize};

/// One stage on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name, as `owl rehearse` has it.
    pub name: String,
    /// When it was passed.
    pub times: Times,
    /// The mean time in it, in milliseconds.
    pub mean_ms: f64,
}

/// What a fleet comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Users of the audience.
    pub users: u64,
    /// Their devices.
    pub devices: u64,
    /// Their batches.
    pub batches: u64,
    /// Batches that left the model: each once.
    pub finished_batches: u64,
    /// Interim workers.
    pub interim_workers: u32,
    /// Push workers.
    pub push_workers: u32,
    /// When devices were accepted.
    pub accepted: Times,
    /// The same of APNs' alone.
    pub apns: Times,
    /// The same of FCM's alone.
    pub fcm: Times,
    /// Devices that were not sent before the deadline.
    pub expired: u64,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// What a batch waited for in the mean, longest first.
    pub waited: Vec<Waited>,
    /// What limits.
    pub limit: Kind,
    /// The same in words.
    pub limit_name: String,
    /// What to change.
    pub change: String,
    /// Seconds of CPU: push workers, interim workers, stand-in gateways.
    pub cpu_s: [f64; 3],
    /// Share of the push workers' cores (of all cores, on one machine) that was busy until the last.
    pub cpu_use: f64,
    /// Most envelopes in flight on the batch queue.
    pub most_in_flight: u64,
    /// Most that waited there.
    pub most_waiting: u64,
    /// Envelopes that pacing sent away to come again.
    pub sent_away: u64,
    /// Mean batches in the lanes, from the press to the last completion.
    pub in_lanes: f64,
    /// Accepted in each 100 ms.
    pub tenths: Vec<u64>,
    /// Events of the model.
    pub events: u64,
}

/// Lets a blast happen.
#[must_use]
pub fn predict(setup: &Setup) -> Prediction {
    let seen = sim::run(setup);
    let accepted = seen.accepted.times();
    let batches = seen.finished_batches.max(1);
    let waited = seen.waits.settle(batches);
    let limit = waited.first().map_or(Kind::Calls, |first| first.kind);
    let last_s = (accepted.last_ms as f64 / 1_000.0).max(1e-3);
    let (cores, used) = match setup.machine {
        Machine::Shared(cores) => (f64::from(cores), seen.cpu_s.iter().sum()),
        Machine::Own(cores, _) => (f64::from(cores * setup.fleet.push_workers.max(1)), seen.cpu_s[0]),
    };
    Prediction {
        users: setup.blast.users,
        devices: accepted.count + seen.expired,
        batches: seen.batches,
        finished_batches: seen.finished_batches,
        interim_workers: setup.fleet.interim_workers,
        push_workers: setup.fleet.push_workers,
        accepted,
        apns: seen.apns.times(),
        fcm: seen.fcm.times(),
        expired: seen.expired,
        stages: stages(&seen),
        limit,
        limit_name: if limit.is_own() { format!("none: {}", limit.name()) } else { limit.name().to_owned() },
        change: limit.advice().to_owned(),
        waited,
        cpu_s: seen.cpu_s,
        cpu_use: used / cores / last_s,
        most_in_flight: seen.most_in_flight,
        most_waiting: seen.most_ready,
        sent_away: seen.sent_away,
        in_lanes: seen.in_lanes / 1e6 / (seen.completed.times().last_ms.max(1) as f64),
        tenths: seen.accepted.tenths(),
        events: seen.events,
    }
}

/// As `loadtest`'s limits have them, with what they call sending and gateways in one: leaving times less entering times, whoever overtakes whom.
fn stages(seen: &Seen) -> Vec<Stage> {
    let all = [
        ("press to FIFO queue", &seen.dispatched),
        ("expansion", &seen.expanded),
        ("batch queue", &seen.claimed),
        ("sending and gateways", &seen.answered),
        ("writing outcomes", &seen.completed),
    ];
    let mut before = 0.0;
    let stage = |(name, spread): (&str, &crate::spread::Spread)| {
        let times = spread.times();
        let mean_ms = (times.mean_ms - before).max(0.0);
        before = times.mean_ms.max(before);
        Stage { name: name.to_owned(), times, mean_ms }
    };
    all.into_iter().map(stage).collect()
}
