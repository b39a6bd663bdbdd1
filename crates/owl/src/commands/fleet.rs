//! `owl fleet`: who is there and ready for what, how many are wanted, how many a blast takes.

use crate::client::Client;
use crate::commands::create::parse_duration;
use crate::output;
use crate::output::outln;
use crate::plan::predict::{self, PredictArgs};
use crate::plan::{self, PlanArgs, parse_instant};
use anyhow::bail;
use clap::{Args, Subcommand};
use common::fleet::{FleetSize, Role, ScaleWish, Slot, WorkerRow};
use common::time::UnixMs;
use control::{RedriveRequest, Redriven, ScaleRequest, Scaled};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How often a waiting command looks.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Subcommand, Debug)]
pub(crate) enum FleetCommand {
    /// Every live worker: what it holds, its connections, and what troubles it.
    Status,
    /// Have this many workers started (on AWS). Refuses fewer while a campaign is armed or sending.
    Scale(ScaleArgs),
    /// Calculate what a blast takes: tasks, connections, calls, quotas to ask for, and the bill.
    Plan(Box<PlanArgs>),
    /// Predict by a model how long fleets of several sizes take, what limits each, and what it costs.
    Predict(Box<PredictArgs>),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl fleet scale --interim 4 --push 5 --until 6h           up for the evening; then both go to zero by themselves
  owl fleet scale --interim 4 --push 5 --until 2027-02-15T05:00:00Z --wait 10m
  owl fleet scale --interim 0 --push 0                       down now

What was asked here is what `owl campaign arm` expects, unless told otherwise. `owl fleet plan` says how many.")]
pub(crate) struct ScaleArgs {
    /// Interim workers.
    #[arg(long)]
    interim: u32,
    /// Push workers.
    #[arg(long)]
    push: u32,
    /// Then both go to zero, or as soon as no campaign needs them: a time (UTC), or one from now.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    until: Option<UnixMs>,
    /// Wait, at most this long, until as many workers send their heartbeats.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl redrive --dry-run        what lies there, and what would become of it
  owl redrive

An envelope becomes a dead letter when it was received 20 times without an end: find out why first (`owl fleet status`, the
workers' logs). Batches of a campaign that is being sent go back on their queue; the ledger sees to it that nobody gets
anything twice. Those whose run is over, or whose deadline passed, are removed: nothing late is sent.")]
pub(crate) struct RedriveArgs {
    /// Count only; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Remove what is no envelope of ours too.
    #[arg(long)]
    discard_unreadable: bool,
}

#[derive(Serialize, Deserialize)]
struct FleetAnswer {
    slot: Slot,
    workers: Vec<WorkerRow>,
    #[serde(default)]
    sizes: Vec<FleetSize>,
}

pub(crate) fn run(client: &Client, command: &FleetCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        FleetCommand::Status => status(client, json),
        FleetCommand::Scale(args) => scale(client, args, json),
        FleetCommand::Plan(args) => plan::run(args, json),
        FleetCommand::Predict(args) => predict::run(args, json),
    }
}

fn status(client: &Client, json: bool) -> anyhow::Result<bool> {
    let answer: FleetAnswer = client.get("/v1/fleet")?;
    if json {
        output::json(&answer)?;
        return Ok(true);
    }
    sizes(answer.slot.scale.as_ref(), &answer.sizes);
    if answer.workers.is_empty() {
        outln!("no live worker");
    }
    let now = answer.workers.iter().map(|w| w.at).max().unwrap_or(UnixMs(0));
    for w in &answer.workers {
        worker(w, now);
    }
    Ok(true)
}

fn worker(w: &WorkerRow, now: UnixMs) {
    let ready = if w.ready { "ready" } else { "not ready" };
    let campaign = w.campaign.map_or_else(|| "no campaign".to_owned(), |c| format!("campaign {c}"));
    let snapshot =
        w.snapshot.map_or_else(|| "no snapshot".to_owned(), |s| format!("snapshot {:.12}", s.to_string()));
    let silent = now.since(w.at).as_secs();
    let silent = if silent == 0 { String::new() } else { format!(", silent for {silent} s") };
    outln!("{:8} {}  {ready:10} {campaign}, {snapshot}, {} claims{silent}", role(w.role), w.worker, w.claims);
    for link in &w.links {
        outln!("         {}: {} connections, {} streams", link.gateway, link.connections, link.streams);
    }
    if let Some(trouble) = &w.trouble {
        outln!("         {trouble}");
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Interim => "interim",
        Role::Push => "push",
    }
}

/// What was asked, and what whoever runs the tasks says.
fn sizes(wish: Option<&ScaleWish>, sizes: &[FleetSize]) {
    if let Some(wish) = wish {
        let until = wish.until.map_or_else(String::new, |at| format!(" until {}", at.rfc3339()));
        let (by, at) = (&wish.by, wish.at.rfc3339());
        outln!("asked    {} interim, {} push{until} (by {by} at {at})", wish.interim, wish.push);
    }
    for size in sizes {
        outln!(
            "tasks    {:8} {} wanted, {} running, {} starting",
            role(size.role),
            size.wanted,
            size.running,
            size.pending
        );
    }
}

fn scale(client: &Client, args: &ScaleArgs, json: bool) -> anyhow::Result<bool> {
    let request = ScaleRequest { interim: args.interim, push: args.push, until: args.until };
    let scaled: Scaled = client.post("/v1/fleet/scale", &request)?;
    if !json {
        sizes(scaled.wish.as_ref(), &scaled.sizes);
        if request.until.is_none() && request.interim + request.push > 0 {
            outln!("no --until: it stays up, and costs, until somebody scales it down");
        }
    }
    if let Some(wait) = args.wait {
        wait_for(client, &request, wait)?;
    }
    if json {
        output::json(&scaled)?;
    }
    Ok(true)
}

/// Until as many workers of both roles are alive as were asked for.
fn wait_for(client: &Client, request: &ScaleRequest, wait: Duration) -> anyhow::Result<()> {
    let total = u64::from(request.interim) + u64::from(request.push);
    let bar = output::progress("workers", Some(total));
    let began = Instant::now();
    loop {
        let answer: FleetAnswer = client.get("/v1/fleet")?;
        let alive = |role| answer.workers.iter().filter(|w| w.role == role).count() as u64;
        let there = |role, wanted: u32| alive(role).min(wanted.into());
        let (interim, push) = (there(Role::Interim, request.interim), there(Role::Push, request.push));
        bar.set_position(interim + push);
        if interim + push == total {
            bar.finish_and_clear();
            return Ok(());
        }
        if began.elapsed() >= wait {
            bar.finish_and_clear();
            bail!(
                "after {} s there are {interim} of {} interim and {push} of {} push workers; `owl fleet status` shows who, ECS's events of the service say why",
                wait.as_secs(),
                request.interim,
                request.push
            );
        }
        std::thread::sleep(LOOK);
    }
}

/// Goes through the dead letters. False when some are left.
pub(crate) fn redrive(client: &Client, args: &RedriveArgs, json: bool) -> anyhow::Result<bool> {
    let request = RedriveRequest { dry_run: args.dry_run, discard_unreadable: args.discard_unreadable };
    let done: Redriven = client.post("/v1/redrive", &request)?;
    let left = done.failed + if args.discard_unreadable { 0 } else { done.unreadable };
    if json {
        output::json(&done)?;
        return Ok(args.dry_run || left == 0);
    }
    if done == Redriven::default() {
        outln!("no dead letters");
    }
    let would = if args.dry_run { "would be " } else { "" };
    for (n, what) in [
        (done.put_back, "batches {would}put back on their queue"),
        (done.over, "{would}removed: their run is over, or their deadline passed; the report counts them"),
        (done.redispatched, "shards {would}removed: the reconciler puts them on the queue by itself"),
        (done.unreadable, "can't be read: no envelope of ours (--discard-unreadable removes them)"),
        (done.failed, "stay dead letters: the queue did not take them; try again"),
    ] {
        if n > 0 {
            outln!("{n} {}", what.replace("{would}", would));
        }
    }
    Ok(args.dry_run || left == 0)
}

/// What troubles the fleet, each thing once.
pub(crate) fn troubles(client: &Client) -> anyhow::Result<Vec<String>> {
    let answer: FleetAnswer = client.get("/v1/fleet")?;
    let mut all: Vec<String> = answer.workers.into_iter().filter_map(|w| w.trouble).collect();
    all.sort();
    all.dedup();
    Ok(all)
}
