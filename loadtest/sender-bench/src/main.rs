//! Compares senders of pushes: ours, whole and in part, with a2, fcm_v1, hyper, h2 and h2load, all against the stand-in
//! gateways, by the CPU that the sending process used.
//!
//! Every sender runs in a child process on one core, the stand-ins in another on the other core. What is measured begins
//! when connections are open and warm.

mod instructions;
mod job;
mod message;
mod meter;
mod plain;
mod private;
mod rounds;
mod rows;
mod senders;
mod stand_in;
mod table;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use job::Sender;
use rounds::Plan;
use rows::ROWS;
use stand_in::{StandInArgs, StandIns};

#[derive(Parser)]
#[command(
    about = "Compares senders of pushes by the CPU that a push costs them. Prints Markdown.",
    after_help = "Examples:
  cargo run --release                            all rows, 7 rounds
  cargo run --release -- --quick                 one small round: does everything work?
  cargo run --release -- --only groups,latency   two rows
  cargo run --release -- --json | jq .rows       for programs
  cargo run --release -- --instructions          instructions instead of time (needs valgrind), the same on a busy machine

Rows: groups, singly, round-trip, fcm, memory, latency.
a2 and fcm_v1 have fixed hosts: they take part where a private network and mount namespace can be had (as root)."
)]
struct Flags {
    #[command(subcommand)]
    part: Option<Part>,
    /// Rounds; every sender runs once in each.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// One round with a tenth of the requests.
    #[arg(long)]
    quick: bool,
    /// These rows only.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// Count instructions of a push in the process itself, by callgrind, instead of measuring time.
    #[arg(long)]
    instructions: bool,
    /// With `--instructions`: keep callgrind's files here, for `callgrind_annotate`.
    #[arg(long, value_name = "DIR", requires = "instructions")]
    keep: Option<std::path::PathBuf>,
    /// One object instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Part {
    /// One sender's part of a row; for this program's own use.
    #[command(hide = true)]
    Send {
        /// The job.
        job: String,
    },
    /// The stand-ins; for this program's own use.
    #[command(hide = true)]
    StandIn(StandInArgs),
}

/// Requests of a quick run are divided by this.
const QUICK: u64 = 10;

fn main() -> Result<()> {
    let flags = Flags::parse();
    match &flags.part {
        Some(Part::Send { job }) => {
            let figures = senders::run(&serde_json::from_str(job)?)?;
            println!("{}", serde_json::to_string(&figures)?);
            Ok(())
        }
        Some(Part::StandIn(args)) => stand_in::serve(args),
        None => compare(&flags),
    }
}

fn compare(flags: &Flags) -> Result<()> {
    if let Some(unknown) = flags.only.iter().find(|name| ROWS.iter().all(|row| row.name != *name)) {
        bail!("there is no row `{unknown}`; --help names them");
    }
    let private = private::enter()?;
    let machine = table::machine();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let core = |number: usize| (cores > 1).then_some(number);
    let dir = tempfile::Builder::new().prefix("sender-bench-").tempdir()?;
    let stand_ins = StandIns::start(dir.path(), core(1), private.is_ok())?;
    let plan = Plan {
        rounds: if flags.quick { 1 } else { flags.rounds.into() },
        divisor: if flags.quick { QUICK } else { 1 },
        only: flags.only.clone(),
        core: core(0),
        skipped: skipped(&private),
    };
    if flags.instructions {
        let keep = flags.keep.as_deref().unwrap_or(dir.path());
        return instructions::count(&plan, &stand_ins, keep, flags.json);
    }
    let found = rounds::run(&plan, &stand_ins)?;
    let mode = serde_json::to_value(stand_ins.info.mode)?;
    let mode = mode.as_str().unwrap_or("unknown");
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&table::json(&plan, mode, &machine, &found))?);
    } else {
        println!("Machine: {machine}\nVersions: {}", table::versions());
        if cores == 1 {
            println!(
                "There is only one core: senders and gateways share it, so the wall's figures mean nothing."
            );
        }
        table::print(&plan, mode, &found);
    }
    Ok(())
}

fn skipped(private: &Result<(), String>) -> Vec<(Sender, String)> {
    let fixed = private.as_ref().err().map(|why| {
        [Sender::A2, Sender::FcmV1].map(|sender| (sender, format!("its host is fixed, and there is {why}")))
    });
    let h2load = senders::h2load_version().is_none().then(|| (Sender::H2load, "not installed".to_owned()));
    fixed.into_iter().flatten().chain(h2load).collect()
}
