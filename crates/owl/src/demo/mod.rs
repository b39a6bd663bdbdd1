//! `owl demo`: the whole way that a team goes, in one process against stand-in gateways in a second one, ending with a
//! report and the proof that nobody was missed or doubled.

mod blast;
mod crowd;
mod stop;
mod summary;

use crate::client::Client;
use crate::commands::create::parse_duration;
use crate::output;
use crate::up::{self, Running};
use crate::way::gateways::GatewayProcess;
use crate::way::interrupted::{self, Open};
use crate::way::stage::{Apart, Stage};
use crate::way::{Made, Say, Sent, Source, Way, verify};
use anyhow::Context;
use blast::Blast;
use clap::Args;
use common::fleet::Expected;
use control::Report;
use crowd::{Crowd, CrowdProcess};
use std::path::PathBuf;
use std::time::Duration;
use summary::Summary;
use tokio::runtime::Runtime;

/// How often the demo looks at the campaign while it sends.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl demo                                             200,000 made-up users
  owl demo --users 4000000                             as many as on the night
  owl demo --devices devices.csv --audience users.csv  your own lists
  owl demo --empty-payload                             what load-testers fire first
  owl demo --round-trip-ms 30 --dead-share 0.02        gateways that are more like the real ones
  owl demo --kill-at 40 --round-trip-ms 50             kill -9 in mid-blast: who is doubled, who is missing?
  owl demo --stop-at 10,50 --round-trip-ms 200         stop twice in mid-blast: who was reached? then send the rest
  owl demo --presses 1000 --watchers 200               1,000 presses at once by five people; 200 people watch
  owl demo --json | tail -n 1 | jq .p99_ms             one object at the end")]
pub(crate) struct DemoArgs {
    /// How many made-up users end up in the snapshot.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=40_000_000))]
    users: u64,
    /// Import these devices instead of made-up ones.
    #[arg(long, value_name = "FILE", requires = "audience")]
    devices: Option<PathBuf>,
    /// Upload this audience instead of a made-up one.
    #[arg(long, value_name = "FILE", requires = "devices")]
    audience: Option<PathBuf>,
    /// A silent campaign: proves acceptance, not display.
    #[arg(long)]
    empty_payload: bool,
    /// Keep everything in this directory; a fresh one, removed at the end, if not given.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How long the gateways take to answer.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    round_trip_ms: u64,
    /// The gateways send each answer on its own, as the real ones do; the journal is the same.
    #[arg(long)]
    answer_singly: bool,
    /// Share of tokens that the gateways call dead, 0.0 to 1.0.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    dead_share: f64,
    /// Share of tokens that the gateways call bad, 0.0 to 1.0.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    bad_share: f64,
    /// Run all roles in a process of their own, kill it (kill -9) when so much of the audience is accepted, and start it again.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    kill_at: Option<u8>,
    /// Stop when so much of the audience is settled, hold the ledger against the gateways' journal, and resume.
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(0..=99), conflicts_with = "kill_at")]
    stop_at: Vec<u8>,
    /// The gateways read nothing for so long when a stop comes, such as `12s`.
    #[arg(long, requires = "stop_at", num_args = 0..=1, require_equals = true, value_name = "TIME", default_missing_value = "1500ms",
          value_parser = crate::commands::create::parse_duration)]
    slow_reader: Option<Duration>,
    /// So many presses at once, by five people.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "kill_at")]
    presses: u16,
    /// So many people watch the live figures, each on a connection of their own.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1000), conflicts_with = "kill_at")]
    watchers: u16,
    /// Shards of the snapshot: envelopes on the FIFO queue.
    #[arg(long, default_value_t = common::limits::SHARDS_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=1000))]
    shards: u16,
    /// Users of a batch.
    #[arg(long, default_value_t = common::limits::BATCH_USERS_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch_users: u16,
    /// Nothing is sent later than this after the press.
    #[arg(long, default_value = "10m", value_parser = parse_duration, value_name = "TIME")]
    deadline: Duration,
}

/// Runs the demo. False when an invariant does not hold.
pub(crate) fn run(args: &DemoArgs, json: bool) -> anyhow::Result<bool> {
    crate::logging::init(crate::logging::Form::Text, "warn");
    let scratch =
        tempfile::Builder::new().prefix("owl-demo-").tempdir().context("cannot make a scratch directory")?;
    let _open = Open::new(scratch.path(), &[]);
    interrupted::listen("the scratch directory is gone")?;
    let data_dir = args.data_dir.clone().unwrap_or_else(|| scratch.path().join("data"));
    let say = Say { quiet: json };
    say.line(&format!("demo: {} against stand-in gateways; no phone can be reached", args.what()));
    let start = || GatewayProcess::start(&scratch.path().join("gateways"), &args.gateway_flags());
    let gateways = interrupted::starting(start, GatewayProcess::pid)?;
    let token = api::access::mint().map_err(anyhow::Error::msg)?;
    let stage = match args.kill_at {
        None => {
            let config = up::Config::for_stand_ins(&gateways.info, &data_dir, &token)?;
            let round_trip = Duration::from_millis(args.round_trip_ms);
            Stage::Here(Box::new(up::start(&config.for_round_trip(round_trip))?))
        }
        Some(_) => {
            let start = || Apart::start(&gateways.info, scratch.path(), &data_dir, &token, Vec::new());
            let apart = interrupted::starting(start, Apart::pid)?;
            Stage::Apart(Box::new(apart))
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(&stage.url(), Some(token));
    let way = Way { client: &client, say };
    let demo = Demo { args, way, gateways: &gateways, runtime: &runtime };
    let measured = demo.go(&stage)?;
    let running = stage.into_running()?;
    let done = demo.prove(measured, &running);
    running.stop();
    let summary = done?;
    if json {
        output::json(&summary)?;
    } else {
        summary.print();
    }
    Ok(summary.faults.is_empty())
}

impl DemoArgs {
    fn what(&self) -> String {
        match &self.audience {
            Some(file) => format!("the users of {}", file.display()),
            None => format!("{} made-up users", output::count(self.users)),
        }
    }

    fn gateway_flags(&self) -> Vec<String> {
        let flag = |name: &str, value: String| [format!("--{name}"), value];
        let flags = [
            flag("round-trip-ms", self.round_trip_ms.to_string()),
            flag("dead-share", self.dead_share.to_string()),
            flag("bad-share", self.bad_share.to_string()),
        ];
        let singly = self.answer_singly.then(|| "--answer-singly".to_owned());
        flags.into_iter().flatten().chain(singly).collect()
    }
}

struct Demo<'a> {
    args: &'a DemoArgs,
    way: Way<'a>,
    gateways: &'a GatewayProcess,
    /// For what is asked of the gateways.
    runtime: &'a Runtime,
}

/// What was seen before anybody was asked for proof.
struct Measured {
    report: Report,
    cpu: (f64, f64),
    peak_rss: u64,
    receipt_ms: u64,
    build_ms: u64,
    preload_ms: u64,
    blast: Blast,
    crowd: Option<Crowd>,
}

impl Demo<'_> {
    fn go(&self, stage: &Stage) -> anyhow::Result<Measured> {
        let args = self.args;
        let made = Made::new(args.users, &loadtest::rehearse::Audience::default());
        let source = match (&args.devices, &args.audience) {
            (Some(devices), Some(audience)) => Source::Files { devices, audience },
            _ => Source::Made(&made),
        };
        self.way.import(source)?;
        let deadline = args.deadline;
        let sent = Sent {
            silent: args.empty_payload,
            deadline,
            shards: args.shards,
            batch_users: args.batch_users,
            resend_ambiguous: false,
        };
        let campaign = self.way.create("demo", sent)?;
        let id = campaign.id.to_string();
        let campaign = self.way.upload(&id, source)?;
        let preload_ms = self.way.arm(&id, Expected::default())?;
        let mut crowd = self.gather(&id, stage)?;
        let cpu = (stage.cpu_seconds(), self.gateway_cpu()?);
        let receipt_ms = self.press(&id, crowd.as_mut())?;
        let devices = campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count);
        let blast = self.watch(&id, devices, stage)?;
        let cpu = (stage.cpu_seconds() - cpu.0, self.gateway_cpu()? - cpu.1);
        let peak_rss = stage.peak_rss_bytes();
        let crowd = crowd.map(CrowdProcess::end).transpose()?;
        let report = self.way.report(&id)?;
        let build_ms = campaign.snapshot.map_or(0, |s| s.build_ms);
        Ok(Measured { report, cpu, peak_rss, receipt_ms, build_ms, preload_ms, blast, crowd })
    }

    /// Those who press at once and those who watch, all connected; nobody if it is one press and nobody watches.
    fn gather(&self, id: &str, stage: &Stage) -> anyhow::Result<Option<CrowdProcess>> {
        let presses = if self.args.presses > 1 { self.args.presses } else { 0 };
        if presses == 0 && self.args.watchers == 0 {
            return Ok(None);
        }
        CrowdProcess::start(self.way.client, &stage.url(), id, presses.into(), self.args.watchers.into())
            .map(Some)
    }

    /// One press, or the crowd's. Answers how long the (slowest) receipt took.
    fn press(&self, id: &str, crowd: Option<&mut CrowdProcess>) -> anyhow::Result<u64> {
        let crowd = crowd.map(CrowdProcess::press).transpose()?;
        if let Some(pressed) = crowd.filter(|pressed| pressed.presses > 0) {
            let (all, ms) = (output::count(pressed.presses as u64), pressed.max_us / 1000);
            self.way.say.line(&format!("press       {all} at once (the slowest receipt after {ms} ms)"));
            return Ok(ms);
        }
        self.way.press(id).map(|(_, ms)| ms)
    }

    /// Holds the gateways' journal against the snapshot.
    fn prove(&self, measured: Measured, running: &Running) -> anyhow::Result<Summary> {
        let admin = loadtest::gateways::AdminClient::new(&self.gateways.info.admin);
        let verdict = running.block_on(async {
            let journal = admin.journal().await.context("cannot read the gateways' journal")?;
            verify::verify(running.backend(), &measured.report.campaign, &journal).await
        })?;
        Ok(Summary::new(measured, verdict, self.gateways.info.mode, self.args))
    }

    fn gateway_cpu(&self) -> anyhow::Result<f64> {
        Ok(self.gateways_say()?.cpu_seconds.unwrap_or(0.0))
    }

    fn gateways_say(&self) -> anyhow::Result<loadtest::gateways::journal::Summary> {
        let admin = loadtest::gateways::AdminClient::new(&self.gateways.info.admin);
        self.runtime.block_on(admin.summary()).context("cannot reach the gateways' process")
    }
}
