//! The rounds: every sender of every row once in each, one after the other, each in a process of its own.

use crate::job::{Figures, Job, Measure, Sender};
use crate::rows::{ROWS, Row};
use crate::stand_in::StandIns;
use anyhow::{Result, ensure};
use loadtest::gateways::{AdminClient, Behaviour};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How a run is to be.
pub struct Plan {
    /// Rounds.
    pub rounds: usize,
    /// Divides the requests of each sender where CPU is measured.
    pub divisor: u64,
    /// Names of rows; empty: all.
    pub only: Vec<String>,
    /// Core of the senders.
    pub core: Option<usize>,
    /// Senders that can't take part, and why.
    pub skipped: Vec<(Sender, String)>,
}

/// What all rounds found of one row.
pub struct Found {
    /// The row.
    pub row: &'static Row,
    /// By sender: requests a round, and what each round found.
    pub senders: Vec<(Sender, u64, Vec<Figures>)>,
    /// Who failed, and how; the figures of such a round are left out.
    pub failed: Vec<String>,
}

/// Longest wait for the stand-ins to see what was sent: requests may be counted after their answers left.
const COUNTED_WITHIN: Duration = Duration::from_millis(200);

/// Runs all rounds. Says on standard error how far it is.
pub fn run(plan: &Plan, stand_ins: &StandIns) -> Result<Vec<Found>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = AdminClient::new(&stand_ins.info.admin);
    let wanted = |row: &&Row| plan.only.is_empty() || plan.only.iter().any(|name| name == row.name);
    let takes_part = |sender: Sender| plan.skipped.iter().all(|(skipped, _)| *skipped != sender);
    let found = |row: &'static Row| {
        let senders = row.senders.iter().filter(|(sender, _)| takes_part(*sender));
        let divisor = if row.measure == Measure::Cpu { plan.divisor } else { 1 };
        Found {
            row,
            senders: senders.map(|&(sender, n)| (sender, n / divisor, Vec::new())).collect(),
            failed: Vec::new(),
        }
    };
    let mut all: Vec<Found> = ROWS.iter().filter(wanted).map(found).collect();
    for round in 0..plan.rounds {
        for found in &mut all {
            let row = found.row;
            eprintln!("round {} of {}: {}", round + 1, plan.rounds, row.title);
            runtime.block_on(behave(&admin, row))?;
            // Another one is first in each round, so that none always follows the same.
            let count = found.senders.len();
            for place in (0..count).map(|place| (place + round) % count) {
                let (sender, requests, figures) = &mut found.senders[place];
                let job = job(plan, row, *sender, *requests, stand_ins);
                match runtime.block_on(measured(itself()?, &job, stand_ins, &admin)) {
                    Ok(one) => figures.push(one),
                    Err(error) => {
                        let line = format!("{}, round {}: {error:#}", sender.label(), round + 1);
                        eprintln!("{line}");
                        found.failed.push(line);
                    }
                }
            }
        }
    }
    Ok(all)
}

/// This program, to be started anew.
fn itself() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Runs a sender in a process that is started so; figures only of requests that were all accepted, and that the stand-ins saw.
pub async fn measured(
    command: Command,
    job: &Job,
    stand_ins: &StandIns,
    admin: &AdminClient,
) -> Result<Figures> {
    let before = admin.summary().await?.requests;
    let figures = child(command, job, stand_ins)?;
    let (accepted, all) = (figures.accepted, figures.requests);
    ensure!(accepted == all, "only {accepted} of {all} were accepted, so this is no measurement");
    // The HTTP/1.1 stand-in does not count.
    if job.sender != Sender::FcmV1 {
        seen(admin, before + all).await?;
    }
    Ok(figures)
}

/// Makes the stand-ins behave as the row wants.
pub async fn behave(admin: &AdminClient, row: &Row) -> Result<()> {
    let behaviour = Behaviour {
        round_trip_ms: row.round_trip_ms,
        answer_singly: row.singly,
        apns_streams_until_proven: 1_000,
        ..Behaviour::default()
    };
    Ok(admin.set_behaviour(&behaviour).await?)
}

/// The stand-ins' own count: what was not sent was not measured.
async fn seen(admin: &AdminClient, at_least: u64) -> Result<()> {
    let began = std::time::Instant::now();
    loop {
        let requests = admin.summary().await?.requests;
        if requests >= at_least {
            return Ok(());
        }
        ensure!(began.elapsed() < COUNTED_WITHIN, "the stand-ins saw {requests} requests, not {at_least}");
    }
}

/// A sender's part of a row.
pub fn job(plan: &Plan, row: &Row, sender: Sender, requests: u64, stand_ins: &StandIns) -> Job {
    Job {
        sender,
        measure: row.measure,
        gateway: row.gateway,
        connections: row.connections,
        streams: row.streams,
        requests,
        core: plan.core,
        info: stand_ins.info_file.clone(),
    }
}

fn child(mut command: Command, job: &Job, stand_ins: &StandIns) -> Result<Figures> {
    command.arg("send").arg(serde_json::to_string(job)?).stderr(Stdio::inherit());
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name);
    }
    match job.sender {
        Sender::A2 => command.env(webpki_roots::VARIABLE, &stand_ins.info.ca_file),
        Sender::FcmV1 => command.env("SSL_CERT_FILE", stand_ins.plain_ca_file()),
        _ => &mut command,
    };
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?.wait_with_output()?;
    ensure!(output.status.success(), "the sender failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
