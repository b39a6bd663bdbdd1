//! `owl fleet`: who is there, and ready for what.

use crate::client::Client;
use crate::output;
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
        println!("no live worker");
    }
    for w in &answer.workers {
        let role = if w.role == Role::Interim { "interim" } else { "push" };
        let ready = if w.ready { "ready" } else { "not ready" };
        let snapshot = w
            .snapshot
            .map_or_else(|| "no snapshot".to_owned(), |s| format!("snapshot {:.12}", s.to_string()));
        println!("{role:8} {:016x}  {ready:10} {snapshot}, {} claims", w.worker.0, w.claims);
        for link in &w.links {
            println!("         {}: {} connections, {} streams", link.gateway, link.connections, link.streams);
        }
        if let Some(trouble) = &w.trouble {
            println!("         {trouble}");
        }
    }
    Ok(true)
}
