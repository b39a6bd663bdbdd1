//! `owl fleet`: who is there, and ready for what.

use crate::client::Client;
use crate::output;
use crate::output::outln;
use clap::Subcommand;
use common::fleet::{Role, WorkerRow};
use serde::{Deserialize, Serialize};

#[derive(Subcommand, Debug)]
pub(crate) enum FleetCommand {
    /// Every live worker: what it holds, its connections, and what troubles it.
    Status,
}

#[derive(Serialize, Deserialize)]
struct FleetAnswer {
    workers: Vec<WorkerRow>,
}

pub(crate) fn run(client: &Client, command: &FleetCommand, json: bool) -> anyhow::Result<bool> {
    let FleetCommand::Status = command;
    let answer: FleetAnswer = client.get("/v1/fleet")?;
    if json {
        output::json(&answer)?;
        return Ok(true);
    }
    if answer.workers.is_empty() {
        outln!("no live worker");
    }
    for w in &answer.workers {
        let role = if w.role == Role::Interim { "interim" } else { "push" };
        let ready = if w.ready { "ready" } else { "not ready" };
        let snapshot = w
            .snapshot
            .map_or_else(|| "no snapshot".to_owned(), |s| format!("snapshot {:.12}", s.to_string()));
        outln!("{role:8} {}  {ready:10} {snapshot}, {} claims", w.worker, w.claims);
        for link in &w.links {
            outln!("         {}: {} connections, {} streams", link.gateway, link.connections, link.streams);
        }
        if let Some(trouble) = &w.trouble {
            outln!("         {trouble}");
        }
    }
    Ok(true)
}

/// What troubles the fleet, each thing once.
pub(crate) fn troubles(client: &Client) -> anyhow::Result<Vec<String>> {
    let answer: FleetAnswer = client.get("/v1/fleet")?;
    let mut all: Vec<String> = answer.workers.into_iter().filter_map(|w| w.trouble).collect();
    all.sort();
    all.dedup();
    Ok(all)
}
