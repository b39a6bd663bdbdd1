//! `owl fleet predict`: how long fleets of several sizes take, what limits each, and what it costs. A model in events
//! (`crates/scale`) of what was measured; nothing is asked of AWS.

mod print;

use super::arithmetic;
use super::assumptions::Assumptions;
use crate::commands::create::parse_duration;
use crate::output;
use anyhow::{Context, bail};
use clap::Args;
use scale::{Blast, Check, Figures, Fleet, Measured, Prediction, Setup, checks, predict};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How large a blast, and which fleets.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  owl fleet predict --users 4000000                            fleets of 2 to 1,000 push workers
  owl fleet predict --users 4000000 --fcm-quota 25000000       as if Google had granted so many messages a minute
  owl fleet predict --users 40000000 --push-workers 200,1000 --interim 50
  owl fleet predict --users 4000000 --devices-in-flight 20000 --table-writes 100000
  owl fleet predict --users 4000000 --from rehearsals/superbowl-4m-2026-11-22T01-02-03Z.json
                                                               with the CPU that a rehearsal measured
  owl fleet predict --users 4000000 --json | jq '.fleets[] | {push_workers, p99: .accepted.p99_ms, limit}'

docs/scaling.md says how to read it, what it stands on, and how far it was from what was measured.")]
pub(crate) struct PredictArgs {
    /// Users of the audience.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=common::limits::AUDIENCE_USERS_MAX))]
    users: u64,
    /// Push workers; several are compared.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "2,10,50,200,1000",
          value_parser = clap::value_parser!(u32).range(1..=2_000))]
    push_workers: Vec<u32>,
    /// Interim workers; as many as `owl fleet plan` says for five seconds when left out.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    interim: Option<u32>,
    /// Share of the devices that FCM serves.
    #[arg(long, default_value_t = 0.4)]
    android_share: f64,
    /// Devices of a user, on average.
    #[arg(long, default_value_t = 1.05)]
    devices_per_user: f64,
    /// Shards of the snapshot.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shards: u32,
    /// FCM messages that the project may send in a minute.
    #[arg(long, value_name = "N", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    fcm_quota: u64,
    /// Writes in a second that the ledger's table takes: its warm throughput.
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    table_writes: u64,
    /// Lanes of a push worker.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    lanes: u32,
    /// Receive calls of a lane at once (push.receivers).
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    receivers: u32,
    /// Devices that a lane holds at once (push.devices_in_flight).
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u32).range(2_000..=1_000_000))]
    devices_in_flight: u32,
    /// Connections of a lane to APNs.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    apns_connections: u32,
    /// Connections of a lane to FCM.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    fcm_connections: u32,
    /// Half of all calls to queues and tables take less, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20.0)]
    call_ms: f64,
    /// Nothing is sent later than this after the press.
    #[arg(long, default_value = "10m", value_parser = parse_duration)]
    deadline: Duration,
    /// How long the fleet is up on the evening, for the bill.
    #[arg(long, default_value = "6h", value_parser = parse_duration)]
    up: Duration,
    /// A rehearsal's JSON (`owl rehearse`, `owl demo --json`): its measured CPU replaces the assumed one.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Where the model's chance comes from: the same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Of one size of fleet.
#[derive(Debug, Serialize)]
struct Sized {
    #[serde(flatten)]
    predicted: Prediction,
    /// What binds once the limit is lifted.
    next: String,
    /// The event, in US dollars.
    usd_event: f64,
    /// Limits that plain arithmetic finds.
    checks: Vec<Check>,
}

/// All of it.
#[derive(Debug, Serialize)]
struct Predicted {
    users: u64,
    up_hours: f64,
    fleets: Vec<Sized>,
    figures: Figures,
}

/// Predicts and prints.
pub(crate) fn run(args: &PredictArgs, json: bool) -> anyhow::Result<bool> {
    let predicted = args.predicted()?;
    if json {
        output::json(&predicted)?;
    } else {
        print::people(&predicted);
    }
    Ok(true)
}

impl PredictArgs {
    fn predicted(&self) -> anyhow::Result<Predicted> {
        let (blast, figures, mut assumed) = (self.blast()?, self.figures()?, Assumptions::default());
        assumed.push_cpu_us.value = figures.push_cpu_us.value;
        let up_hours = within("up", self.up.as_secs_f64() / 3_600.0, 0.01, 24.0 * 31.0)?;
        let planned = arithmetic::Blast {
            users: self.users,
            seconds: 5.0,
            android_share: self.android_share,
            devices_per_user: self.devices_per_user,
            at: None,
            up_hours,
            rehearsals: 0,
        };
        let interim = self.interim.unwrap_or_else(|| arithmetic::interim_tasks(&planned, &assumed));
        let sized = |push_workers: &u32| {
            let fleet = self.fleet(*push_workers, interim);
            let cores = (assumed.push_vcpu.value as u32, assumed.interim_vcpu.value as u32);
            let checks = checks(&figures, &blast, &fleet);
            let predicted = predict(&Setup::aws(&figures, blast.clone(), fleet, cores));
            let usd_event = arithmetic::usd_event(&planned, interim, *push_workers, &assumed);
            Sized { next: next(&predicted), predicted, usd_event, checks }
        };
        let fleets = at_once(&self.push_workers, &sized)?;
        Ok(Predicted { users: self.users, up_hours, fleets, figures })
    }

    fn blast(&self) -> anyhow::Result<Blast> {
        Ok(Blast {
            users: self.users,
            devices_per_user: within("devices-per-user", self.devices_per_user, 0.1, 20.0)?,
            android_share: within("android-share", self.android_share, 0.0, 1.0)?,
            shards: self.shards,
            batch_users: common::limits::BATCH_USERS_DEFAULT.into(),
            deadline_s: within("deadline", self.deadline.as_secs_f64(), 1.0, 14_400.0)?,
            seed: self.seed,
        })
    }

    fn fleet(&self, push_workers: u32, interim_workers: u32) -> Fleet {
        Fleet {
            interim_workers,
            push_workers,
            lanes: self.lanes,
            receivers: self.receivers,
            devices_in_flight: self.devices_in_flight,
            apns_connections: self.apns_connections,
            fcm_connections: self.fcm_connections,
            ..Fleet::default()
        }
    }

    fn figures(&self) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        if let Some(file) = &self.from {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let measured = Measured::read(&text).with_context(|| format!("in {}", file.display()))?;
            measured.apply(&mut figures);
        }
        let call_ms = within("call-ms", self.call_ms, 0.01, 1_000.0)?;
        figures.call_p99_ms.value *= call_ms / figures.call_ms.value;
        for (figure, value, flag) in [
            (&mut figures.call_ms, call_ms, "--call-ms"),
            (&mut figures.fcm_quota_per_min, self.fcm_quota as f64, "--fcm-quota"),
            (&mut figures.table_writes_per_s, self.table_writes as f64, "--table-writes"),
        ] {
            // A default says where it comes from.
            if (figure.value - value).abs() > 1e-9 {
                (figure.value, figure.source) = (value, flag.to_owned());
            }
        }
        Ok(figures)
    }
}

/// Each on its own, as many at once as there are cores.
fn at_once(all: &[u32], sized: &(dyn Fn(&u32) -> Sized + Sync)) -> anyhow::Result<Vec<Sized>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut done = Vec::with_capacity(all.len());
    for some in all.chunks(cores) {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|workers| scope.spawn(move || sized(workers))).collect();
            for one in running {
                done.push(
                    one.join().map_err(|_| anyhow::anyhow!("the model broke: say so, with this command"))?,
                );
            }
            Ok::<_, anyhow::Error>(())
        })?;
    }
    Ok(done)
}

/// What is waited for most, beside the limit.
fn next(p: &Prediction) -> String {
    let other = p.waited.iter().find(|waited| waited.kind != p.limit);
    other.map_or_else(|| "-".to_owned(), |waited| waited.name.clone())
}

fn within(name: &str, value: f64, min: f64, max: f64) -> anyhow::Result<f64> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    bail!("--{name} is {value}, {min} to {max} are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the plan assumes and the model too is the same figure.
    #[test]
    fn plan_and_model_do_not_drift_apart() {
        let (plan, model) = (Assumptions::default(), Figures::default());
        let model: std::collections::BTreeMap<_, _> = model.all().into_iter().collect();
        let mut compared = Vec::new();
        for (name, figure) in plan.all() {
            if let Some(same) = model.get(name) {
                assert_eq!((figure.value, figure.unit), (same.value, same.unit), "{name}");
                compared.push(name);
            }
        }
        let expected = [
            "push_cpu_us",
            "bytes_per_user",
            "call_ms",
            "apns_per_connection",
            "fcm_streams",
            "fcm_quota_per_min",
        ];
        assert_eq!(compared, expected);
        let sdk =
            model["sdk_send_us"].value + model["sdk_receive_us"].value + 2.0 * model["sdk_ledger_us"].value;
        assert_eq!(sdk, plan.sdk_cpu_us_per_batch.value);
        let of_push: f64 =
            model.iter().filter(|(name, _)| name.starts_with("share_")).map(|(_, f)| f.value).sum();
        assert!((of_push - 1.0).abs() < 1e-9, "the shares of a push are a whole: {of_push}");
    }

    /// What workers are configured to be, and what limits say, is what the model takes them for.
    #[test]
    fn the_model_has_the_workers_defaults() {
        let (fleet, push) = (Fleet::default(), push_worker::PushConfig::default());
        let interim = interim_worker::InterimConfig::default();
        let same = |a: u32, b: usize| assert_eq!(a as usize, b);
        same(fleet.receivers, push.receivers);
        same(fleet.devices_in_flight, push.devices_in_flight);
        same(fleet.permits, interim.permits);
        same(fleet.sends_in_flight, interim.sends_in_flight);
        assert_eq!(fleet.gather_ms, push.gather.as_secs_f64() * 1_000.0);
        assert_eq!(fleet.receive_wait_ms, push.receive_wait.as_secs_f64() * 1_000.0);
        let figures = Figures::default();
        assert_eq!(figures.snapshot_bytes_max.value, interim.snapshot_bytes_max as f64);
        assert_eq!(figures.in_flight_max.value, common::limits::SQS_IN_FLIGHT_MAX as f64);
        assert_eq!(figures.looks_per_s.value, 1.0 / common::limits::LOOK_EVERY.as_secs_f64());
    }
}
