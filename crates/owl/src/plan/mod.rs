//! `owl fleet plan`: how many tasks of which size, which connections, calls and quotas a blast takes, and what it costs.
//! Plain arithmetic on assumptions that are printed with the result; nothing is asked of AWS.

mod arithmetic;
mod assumptions;
pub(crate) mod predict;
mod print;
mod report;

use crate::commands::create::parse_duration;
use crate::output;
use anyhow::{Context, bail};
use arithmetic::Plan;
use assumptions::Assumptions;
use clap::Args;
use common::time::{Clock, SystemClock, UnixMs};
use std::path::PathBuf;
use std::time::Duration;

/// How large a blast, and how exact to be about it.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  owl fleet plan --users 4000000 --seconds 5 --android-share 0.4
  owl fleet plan --users 4000000 --at 2027-02-14T23:30:00Z     with dates: when to ask for which quota
  owl fleet plan --users 4000000 --from report.json            with what a rehearsal measured
  owl fleet predict --users 4000000 --push-workers 10,37       what a model of the whole says of it
  owl fleet plan --users 4000000 --tfvars > event.auto.tfvars  for deploy/terraform")]
pub(crate) struct PlanArgs {
    /// Users of the audience.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=common::limits::AUDIENCE_USERS_MAX))]
    users: u64,
    /// Within how many seconds of the press the last of them shall be accepted.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Share of the devices that FCM serves.
    #[arg(long, default_value_t = 0.4)]
    android_share: f64,
    /// Devices of a user, on average.
    #[arg(long, default_value_t = 1.05)]
    devices_per_user: f64,
    /// The event, in UTC: says by when to ask for quotas.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    at: Option<UnixMs>,
    /// How long the fleet is up on the evening.
    #[arg(long, default_value = "6h", value_parser = parse_duration)]
    up: Duration,
    /// Rehearsals before it, of an hour each.
    #[arg(long, default_value_t = 3)]
    rehearsals: u32,
    /// A rehearsal's JSON (`owl demo --json`, `owl rehearse --json`): its measured figures replace the assumed ones.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Print the sizes as Terraform variables.
    #[arg(long, conflicts_with = "json")]
    tfvars: bool,
}

/// Makes and prints a plan.
pub(crate) fn run(args: &PlanArgs, json: bool) -> anyhow::Result<bool> {
    let mut assumed = Assumptions::default();
    if let Some(file) = &args.from {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        report::apply(&text, &mut assumed).with_context(|| format!("in {}", file.display()))?;
    }
    let plan = Plan::new(&args.blast()?, assumed);
    if args.tfvars {
        print::tfvars(&plan);
    } else if json {
        output::json(&plan)?;
    } else {
        print::people(&plan);
    }
    Ok(true)
}

impl PlanArgs {
    fn blast(&self) -> anyhow::Result<arithmetic::Blast> {
        let within = |name: &str, value: f64, min: f64, max: f64| {
            if (min..=max).contains(&value) {
                return Ok(value);
            }
            bail!("--{name} is {value}, {min} to {max} are allowed")
        };
        Ok(arithmetic::Blast {
            users: self.users,
            seconds: within("seconds", self.seconds, 1.0, 14_400.0)?,
            android_share: within("android-share", self.android_share, 0.0, 1.0)?,
            devices_per_user: within("devices-per-user", self.devices_per_user, 0.1, 20.0)?,
            at: self.at,
            up_hours: within("up", self.up.as_secs_f64() / 3_600.0, 0.01, 24.0 * 31.0)?,
            rehearsals: self.rehearsals,
        })
    }
}

/// `2027-02-14T23:30:00Z`, or a time from now such as `4h`.
pub(crate) fn parse_instant(text: &str) -> anyhow::Result<UnixMs> {
    if let Ok(from_now) = parse_duration(text) {
        return Ok(SystemClock::default().now().plus(from_now));
    }
    let at = humantime::parse_rfc3339_weak(text).ok().with_context(|| {
        format!("`{text}` is neither a time such as 2027-02-14T23:30:00Z (UTC) nor one from now such as 4h")
    })?;
    let ms = at.duration_since(std::time::UNIX_EPOCH).context("that is before 1970")?.as_millis();
    Ok(UnixMs(i64::try_from(ms).context("that is too far away")?))
}
