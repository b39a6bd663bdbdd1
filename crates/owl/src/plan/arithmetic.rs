//! The arithmetic: a blast and the assumptions in, a plan out.

use super::assumptions::Assumptions;
use common::limits::{BATCH_USERS_DEFAULT, FLEET_TASKS_MAX, LOOK_EVERY, SHARDS_DEFAULT};
use common::time::UnixMs;
use serde::Serialize;
use std::time::Duration;

/// Heartbeat and counter rows that a worker writes in a second.
const ROWS_PER_S: f64 = 4.0;
/// A day, in seconds.
const DAY_S: u64 = 86_400;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Blast {
    pub(crate) users: u64,
    pub(crate) seconds: f64,
    pub(crate) android_share: f64,
    pub(crate) devices_per_user: f64,
    pub(crate) at: Option<UnixMs>,
    pub(crate) up_hours: f64,
    pub(crate) rehearsals: u32,
}

/// Tasks of one role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Tasks {
    pub(crate) count: u32,
    pub(crate) vcpu: f64,
    pub(crate) gb: f64,
    /// What decides the count.
    pub(crate) because: String,
}

/// Connections to one gateway, over the fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Connections {
    pub(crate) per_second: u64,
    pub(crate) connections: u64,
    pub(crate) streams: u64,
    pub(crate) per_task: u64,
}

/// What the queues and tables have to take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Load {
    pub(crate) batches: u64,
    pub(crate) sqs_calls_per_s: u64,
    pub(crate) ledger_writes_per_s: u64,
    /// Writes in a second to the busiest key of the ledger, of 1,000 that DynamoDB allows.
    pub(crate) busiest_ledger_key_per_s: u64,
    /// Reads in a second of the fleet's record, of 3,000 that DynamoDB allows one key.
    pub(crate) slot_reads_per_s: u64,
    pub(crate) fleet_writes_per_s: u64,
}

/// A quota that has to be asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Quota {
    pub(crate) what: String,
    pub(crate) need: u64,
    pub(crate) usual: u64,
    pub(crate) enough: bool,
    /// Ask this many days before the event.
    pub(crate) days_before: u64,
    /// The same as a date, when the event's is known.
    pub(crate) ask_by: Option<String>,
    pub(crate) how: String,
}

/// What it costs, in US dollars.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Costs {
    pub(crate) at_rest_per_month: f64,
    pub(crate) rehearsals: f64,
    pub(crate) event: f64,
    pub(crate) forgotten_per_day: f64,
}

/// A plan, with what it stands on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) blast: Blast,
    pub(crate) devices: u64,
    pub(crate) interim: Tasks,
    pub(crate) push: Tasks,
    pub(crate) apns: Connections,
    pub(crate) fcm: Connections,
    pub(crate) load: Load,
    pub(crate) quotas: Vec<Quota>,
    pub(crate) usd: Costs,
    /// What can't be reached as asked, in plain words.
    pub(crate) warnings: Vec<String>,
    pub(crate) assumptions: Assumptions,
}

impl Plan {
    /// Calculates it.
    pub(crate) fn new(blast: &Blast, assumed: Assumptions) -> Self {
        let devices = whole(count(blast.users) * blast.devices_per_user);
        let batches = blast.users.div_ceil(BATCH_USERS_DEFAULT.into());
        let fcm_devices = whole(count(devices) * blast.android_share);
        let interim = interim(blast, batches, &assumed);
        let mut push = push(blast, devices, batches, &assumed);
        let (apns_rate, fcm_rate) =
            (whole(count(devices - fcm_devices) / blast.seconds), whole(count(fcm_devices) / blast.seconds));
        let apns = apns(apns_rate, &push, &assumed);
        let fcm = fcm(fcm_rate, &push, &assumed);
        let mut warnings = Vec::new();
        for (role, tasks) in [("interim", &interim), ("push", &push)] {
            if tasks.count >= FLEET_TASKS_MAX {
                warnings.push(format!(
                    "more than {FLEET_TASKS_MAX} {role} workers would be needed: allow more seconds"
                ));
            }
        }
        push.count = push.count.min(FLEET_TASKS_MAX);
        let load = load(blast, batches, interim.count + push.count, &assumed);
        if load.slot_reads_per_s > 3_000 {
            warnings.push(format!(
                "{} workers would read the fleet's record {} times a second, and DynamoDB serves 3,000 from one key: use larger tasks",
                interim.count + push.count,
                load.slot_reads_per_s
            ));
        }
        let quotas = quotas(blast, fcm_devices, &interim, &push, &load, &assumed);
        let usd = costs(blast, batches, &interim, &push, &assumed);
        Self {
            blast: blast.clone(),
            devices,
            interim,
            push,
            apns,
            fcm,
            load,
            quotas,
            usd,
            warnings,
            assumptions: assumed,
        }
    }
}

fn interim(blast: &Blast, batches: u64, a: &Assumptions) -> Tasks {
    let calls_per_s = count(batches) / 10.0 / (blast.seconds * a.expand_share.value);
    let one = a.interim_calls.value / (a.call_ms.value / 1_000.0);
    let by_calls = (calls_per_s / one).ceil();
    // One more than needed may be lost on the evening; no more than there are shards have anything to do.
    let tasks = tasks((by_calls + 1.0).max(2.0)).min(SHARDS_DEFAULT.into());
    let need_gb = count(blast.users) * a.bytes_per_user.value / 1e9;
    let gb = a.interim_gb.value.max((need_gb * 2.0).ceil());
    let because = format!(
        "{} send calls/s to expand within {:.1} s, {} a worker; one to spare",
        whole(calls_per_s),
        blast.seconds * a.expand_share.value,
        whole(one)
    );
    Tasks { count: tasks, vcpu: a.interim_vcpu.value, gb, because }
}

/// Interim workers that a blast takes.
pub(super) fn interim_tasks(blast: &Blast, a: &Assumptions) -> u32 {
    interim(blast, blast.users.div_ceil(BATCH_USERS_DEFAULT.into()), a).count
}

/// What the evening costs with so many workers, in US dollars.
pub(super) fn usd_event(blast: &Blast, interim_workers: u32, push_workers: u32, a: &Assumptions) -> f64 {
    let batches = blast.users.div_ceil(BATCH_USERS_DEFAULT.into());
    let interim = Tasks { count: interim_workers, ..interim(blast, batches, a) };
    let devices = whole(count(blast.users) * blast.devices_per_user);
    let push = Tasks { count: push_workers, ..push(blast, devices, batches, a) };
    costs(blast, batches, &interim, &push, a).event
}

fn push(blast: &Blast, devices: u64, batches: u64, a: &Assumptions) -> Tasks {
    let cpu_s =
        count(devices) * a.push_cpu_us.value / 1e6 + count(batches) * a.sdk_cpu_us_per_batch.value / 1e6;
    let sending_s = blast.seconds * (1.0 - a.expand_share.value);
    let one = a.push_vcpu.value * a.cpu_use.value * sending_s;
    let by_cpu = cpu_s / one;
    // Little's law: devices that are held at once, over the room of a worker.
    let held = count(devices) / sending_s * a.held_ms.value / 1_000.0;
    let room = a.push_vcpu.value * a.lane_room.value;
    let by_room = held / room;
    let because = if by_cpu >= by_room {
        let use_percent = a.cpu_use.value * 100.0;
        format!(
            "{cpu_s:.0} CPU seconds of work, {one:.1} a worker in {sending_s:.1} s at {use_percent:.0} % use"
        )
    } else {
        format!(
            "{} devices are held at once for {:.0} ms, a worker has room for {}",
            whole(held),
            a.held_ms.value,
            whole(room)
        )
    };
    Tasks {
        count: tasks(by_cpu.max(by_room).ceil().max(2.0)),
        vcpu: a.push_vcpu.value,
        gb: a.push_gb.value,
        because,
    }
}

fn apns(per_second: u64, push: &Tasks, a: &Assumptions) -> Connections {
    let connections = whole(count(per_second) / a.apns_per_connection.value);
    connections_of(per_second, connections, connections * 1_000, push)
}

fn fcm(per_second: u64, push: &Tasks, a: &Assumptions) -> Connections {
    // Little's law: requests under way at once, over the streams of a connection.
    let streams = whole(count(per_second) * a.fcm_round_trip_ms.value / 1_000.0);
    connections_of(per_second, whole(count(streams) / a.fcm_streams.value), streams, push)
}

fn connections_of(per_second: u64, connections: u64, streams: u64, push: &Tasks) -> Connections {
    let per_task = connections.div_ceil(push.count.into());
    Connections { per_second, connections, streams, per_task }
}

fn load(blast: &Blast, batches: u64, workers: u32, a: &Assumptions) -> Load {
    let per_s = |n: f64| whole(n / blast.seconds);
    // Sent, received and deleted in tens; claimed and completed one by one.
    let ledger = count(batches) * 2.0 * (a.ledger_bytes.value / 1_024.0).ceil();
    let keys = batches.div_ceil(common::limits::LEDGER_BUCKET.into()).max(SHARDS_DEFAULT.into());
    Load {
        batches,
        sqs_calls_per_s: per_s(count(batches) * 3.0 / 10.0),
        ledger_writes_per_s: per_s(ledger),
        busiest_ledger_key_per_s: per_s(ledger / count(keys)),
        slot_reads_per_s: whole(f64::from(workers) / LOOK_EVERY.as_secs_f64()),
        fleet_writes_per_s: whole(f64::from(workers) * ROWS_PER_S),
    }
}

fn quotas(
    blast: &Blast,
    fcm_devices: u64,
    interim: &Tasks,
    push: &Tasks,
    load: &Load,
    a: &Assumptions,
) -> Vec<Quota> {
    let vcpu = f64::from(interim.count) * interim.vcpu + f64::from(push.count) * push.vcpu;
    let steps = (count(fcm_devices) / a.fcm_quota_per_min.value).log(a.fcm_quota_step.value).ceil().max(0.0);
    let all = [
        (
            "FCM messages in a minute, of the project",
            fcm_devices,
            whole(a.fcm_quota_per_min.value),
            whole(steps * a.fcm_quota_days.value),
            format!(
                "Google Cloud console, Quotas, FCM API: {steps:.0} steps of +25 %; each wants 80 % use of the one before"
            ),
        ),
        (
            "Fargate vCPUs on demand, of the account in this region",
            whole(vcpu),
            6,
            14,
            "Service Quotas, AWS Fargate, L-3032A538; new accounts begin with 6".to_owned(),
        ),
        (
            "DynamoDB writes/s of the ledger, warm",
            load.ledger_writes_per_s,
            4_000,
            1,
            "the module's variable `warm_throughput`; a new table begins with 4,000".to_owned(),
        ),
    ];
    let ask_by = |days: u64| {
        let at = blast.at?.minus(Duration::from_secs(days * DAY_S)).rfc3339();
        at.split_once('T').map(|(day, _)| day.to_owned())
    };
    let quota = |(what, need, usual, days, how): (&str, u64, u64, u64, String)| {
        let enough = need <= usual;
        let days_before = if enough { 0 } else { days };
        let ask_by = if enough { None } else { ask_by(days) };
        Quota { what: what.to_owned(), need, usual, enough, days_before, ask_by, how }
    };
    all.into_iter().map(quota).collect()
}

fn costs(blast: &Blast, batches: u64, interim: &Tasks, push: &Tasks, a: &Assumptions) -> Costs {
    let tasks_hour =
        |t: &Tasks| f64::from(t.count) * (t.vcpu * a.usd_vcpu_hour.value + t.gb * a.usd_gb_hour.value);
    let workers = f64::from(interim.count + push.count);
    let hour_s = 3_600.0;
    // Two small strong reads a look; rows of a worker.
    let idle_hour = workers * hour_s / LOOK_EVERY.as_secs_f64() * 2.0 * a.usd_rru_million.value / 1e6
        + workers * hour_s * ROWS_PER_S * a.usd_wru_million.value / 1e6;
    let fleet_hour = tasks_hour(interim) + tasks_hour(push) + idle_hour;
    let sqs = count(batches) * (2.0 * (a.envelope_bytes.value / 65_536.0).max(0.1) + 0.1);
    let writes = count(batches) * 2.0;
    let blast_once = sqs * a.usd_sqs_million.value / 1e6 + writes * a.usd_wru_million.value / 1e6;
    Costs {
        at_rest_per_month: a.usd_rest_hour.value * 730.0,
        rehearsals: f64::from(blast.rehearsals) * (fleet_hour + blast_once),
        event: blast.up_hours * fleet_hour + blast_once,
        forgotten_per_day: 24.0 * fleet_hour,
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}

/// Rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, far below 2^52")]
fn whole(n: f64) -> u64 {
    n.max(0.0).ceil() as u64
}

fn tasks(n: f64) -> u32 {
    u32::try_from(whole(n)).unwrap_or(u32::MAX).min(FLEET_TASKS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blast(users: u64, seconds: f64, android_share: f64) -> Blast {
        let at = Some(UnixMs(1_802_647_800_000));
        Blast { users, seconds, android_share, devices_per_user: 1.05, at, up_hours: 6.0, rehearsals: 3 }
    }

    fn plan(users: u64, seconds: f64, android_share: f64) -> Plan {
        Plan::new(&blast(users, seconds, android_share), Assumptions::default())
    }

    #[test]
    fn the_night_of_four_million() {
        let plan = plan(4_000_000, 5.0, 0.4);
        assert_eq!((plan.devices, plan.load.batches), (4_200_000, 40_000));
        assert_eq!((plan.apns.per_second, plan.fcm.per_second), (504_000, 336_000));
        // 504,000 / 2,000; 336,000 x 0.35 s / 100 streams.
        assert_eq!((plan.apns.connections, plan.fcm.connections), (252, 1_176));
        // 4.2M in 4 s, each held for 0.56 s: 588,000 at once; a worker holds 4 x 4,000. (Their CPU alone would take 5: 4.2M x 2 us +
        // 40,000 x 700 us = 36.4 CPU seconds, of 4 x 0.5 x 4 s = 8 a worker.)
        assert_eq!(plan.push.count, 37);
        // 4,000 calls in a second, 1,600 a worker, one to spare.
        assert_eq!(plan.interim.count, 4);
        // 80,000 writes in 5 s over 400 keys.
        assert_eq!((plan.load.ledger_writes_per_s, plan.load.busiest_ledger_key_per_s), (16_000, 40));
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    }

    #[test]
    fn google_wants_to_be_asked_early() {
        let plan = plan(4_000_000, 5.0, 0.4);
        let fcm = &plan.quotas[0];
        // 1.68M in a minute is 600,000 x 1.25^4.6: five steps of 15 days.
        assert_eq!((fcm.need, fcm.enough, fcm.days_before), (1_680_000, false, 75));
        assert_eq!(fcm.ask_by.as_deref(), Some("2026-12-01"));
        let small = Plan::new(&blast(400_000, 5.0, 0.4), Assumptions::default());
        assert!(small.quotas[0].enough && small.quotas[0].ask_by.is_none());
    }

    #[test]
    fn more_work_never_needs_fewer_workers() {
        let mut last = (0, 0, 0, 0.0);
        for users in [1_000, 100_000, 1_000_000, 4_000_000, 40_000_000] {
            let plan = plan(users, 5.0, 0.4);
            let now = (plan.interim.count, plan.push.count, plan.fcm.connections, plan.usd.event);
            assert!(now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2 && now.3 >= last.3, "{users}");
            last = now;
        }
        assert!(plan(4_000_000, 2.0, 0.4).push.count > plan(4_000_000, 5.0, 0.4).push.count);
    }

    #[test]
    fn what_can_not_be_reached_is_said() {
        let plan = plan(40_000_000, 1.0, 0.4);
        assert!(plan.push.count <= FLEET_TASKS_MAX);
        let mut slow = Assumptions::default();
        slow.push_cpu_us.value = 1_000.0;
        let plan = Plan::new(&blast(40_000_000, 1.0, 0.4), slow);
        assert!(plan.warnings.iter().any(|w| w.contains("allow more seconds")), "{:?}", plan.warnings);
        assert!(plan.warnings.iter().any(|w| w.contains("3,000")), "{:?}", plan.warnings);
    }

    #[test]
    fn only_one_gateway_is_fine() {
        assert_eq!(plan(4_000_000, 5.0, 0.0).fcm.connections, 0);
        assert_eq!(plan(4_000_000, 5.0, 1.0).apns.connections, 0);
    }
}
