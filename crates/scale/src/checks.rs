//! Limits that are not met in the course of a blast, or that plain arithmetic finds: from how many users or workers on each
//! of them binds, and what to change then.

use crate::figures::Figures;
use crate::setup::{Blast, Fleet};
use serde::Serialize;

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What it is about.
    pub what: &'static str,
    /// What this blast and fleet need of it.
    pub need: f64,
    /// What there is.
    pub limit: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// From so many on it binds, the other figures being as they are.
    pub binds_from: f64,
    /// So many of what.
    pub of: &'static str,
    /// What to change then.
    pub change: &'static str,
}

impl Check {
    /// Whether there is enough.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.need <= self.limit
    }
}

/// Everybody within so many seconds: what the product promises (`common::limits::LATE_MS`).
const PROMISE_S: f64 = 5.0;
/// Bytes of a unit of strongly consistent reading.
const UNIT_BYTES: f64 = 4_096.0;

/// All of them.
#[must_use]
pub fn checks(f: &Figures, blast: &Blast, fleet: &Fleet) -> Vec<Check> {
    let mut all = of_the_audience(f, blast);
    all.extend(of_the_fleet(f, blast, fleet));
    all.extend(of_the_heartbeats(f, fleet));
    all
}

fn of_the_audience(f: &Figures, blast: &Blast) -> Vec<Check> {
    let users = blast.users as f64;
    let per_user = |need: f64| need / users.max(1.0);
    let linear = |what, need: f64, limit: f64, unit, change| {
        let binds_from = limit / per_user(need).max(1e-12);
        Check { what, need, limit, unit, binds_from, of: "users", change }
    };
    let fcm = users * blast.devices_per_user * blast.android_share;
    let quota = f.fcm_quota_per_min.value / 60.0 * (PROMISE_S + 0.5);
    let writes = blast.batches() as f64 * 2.0;
    let calls = f64::from(blast.shards.div_ceil(10));
    vec![
        linear(
            "FCM messages within 5 s of the press",
            fcm,
            quota,
            "messages",
            "ask Google for more quota, 15 days a step ahead; or let Android come later",
        ),
        linear(
            "ledger writes within 5 s, evenly",
            writes,
            f.table_writes_per_s.value * PROMISE_S,
            "writes",
            "warm throughput of the ledger's table, and the account's quota for one table",
        ),
        linear(
            "a snapshot in an interim worker's memory",
            users * f.bytes_per_user.value,
            f.snapshot_bytes_max.value,
            "bytes",
            "interim.snapshot_bytes_max, and tasks with more memory; else shards are fetched when they are needed",
        ),
        Check {
            what: "calls to the FIFO queue in the second of the press",
            need: calls,
            limit: f.fifo_calls_per_s.value,
            unit: "calls",
            binds_from: f.fifo_calls_per_s.value * 10.0,
            of: "shards",
            change: "FIFO high throughput; more than 1,000 shards are refused anyway",
        },
    ]
}

fn of_the_fleet(f: &Figures, blast: &Blast, fleet: &Fleet) -> [Check; 3] {
    let workers = f64::from(fleet.push_workers + fleet.interim_workers);
    let pushes = f64::from(fleet.push_workers);
    let room = (fleet.devices_in_flight / blast.per_batch()).max(1);
    let in_flight = f64::from(room * fleet.lanes);
    let looks = workers * f.looks_per_s.value;
    let (key, table) = (f.partition_reads_per_s.value, f.table_reads_per_s.value);
    [
        Check {
            what: "envelopes in flight on the batch queue",
            need: (in_flight * pushes).min(blast.batches() as f64),
            limit: f.in_flight_max.value,
            unit: "envelopes",
            binds_from: f.in_flight_max.value / in_flight,
            of: "push workers, where the audience has more batches than that",
            change: "fewer lanes or push.devices_in_flight for each, or more users a batch",
        },
        Check {
            what: "reads of one copy of the fleet's record",
            need: looks / f.record_copies.value,
            limit: key,
            unit: "units/s",
            binds_from: key * f.record_copies.value / f.looks_per_s.value,
            of: "workers",
            change: "larger tasks, fewer of them",
        },
        Check {
            what: "reads of slot and campaign together",
            need: looks * 2.0,
            limit: table,
            unit: "units/s",
            binds_from: table / 2.0 / f.looks_per_s.value,
            of: "workers",
            change: "warm read throughput of the campaigns' table",
        },
    ]
}

/// Push workers read those of all.
fn of_the_heartbeats(f: &Figures, fleet: &Fleet) -> [Check; 2] {
    let pushes = f64::from(fleet.push_workers);
    // Rows of a key are read together: units by their bytes, at every look at the fleet of every push worker.
    let units = |n: f64| (n / f.heartbeat_keys.value * f.heartbeat_bytes.value / UNIT_BYTES).ceil();
    let heartbeats = |n: f64| n * units(n) / f.fleet_every_s.value;
    let most = |limit: f64, keys: f64| (1..100_000).map(f64::from).find(|n| heartbeats(*n) * keys > limit);
    let from = |limit, keys| most(limit, keys).unwrap_or(f64::INFINITY);
    let (key, table) = (f.partition_reads_per_s.value, f.table_reads_per_s.value);
    [
        Check {
            what: "reads of one key of heartbeats",
            need: heartbeats(pushes),
            limit: key,
            unit: "units/s",
            binds_from: from(key, 1.0),
            of: "push workers",
            change: "push.fleet_every_ms",
        },
        Check {
            what: "reads of all heartbeats",
            need: heartbeats(pushes) * f.heartbeat_keys.value,
            limit: table,
            unit: "units/s",
            binds_from: from(table, f.heartbeat_keys.value),
            of: "push workers",
            change: "push.fleet_every_ms, or warm read throughput of the fleet's table",
        },
    ]
}
