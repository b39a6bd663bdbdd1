//! `cargo xtask`: what a developer and CI run. `test` is the whole of it, and installs what it needs.

mod browser;
mod dockerfile;
mod pairs;
mod python;
mod scaling;
mod schemathesis;
mod standins;
mod steps;
mod system;
mod terraform;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, lint, docs, dependencies, and all tests; ends with the sum of all test binaries.
    Test {
        /// Only the steps whose name contains this, such as `clippy` or `tests`.
        #[arg(long)]
        only: Option<String>,
    },
    /// Put the code into its usual form and apply what clippy can mend.
    Fix,
    /// Run `owl demo` in pairs, in turns without and with some flags, and compare.
    #[command(after_help = "Example:
  cargo xtask pairs --with '--watchers 200' -- --users 4000000     what do 200 people who watch cost the blast?")]
    Pairs {
        /// How many.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        pairs: u16,
        /// Flags of the second of each pair, in one string.
        #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
        with: String,
        /// Flags of both.
        #[arg(last = true)]
        flags: Vec<String>,
    },
    /// Hold the model of fleets against rehearsals, and write the figures of docs/scaling.md.
    Scaling(scaling::ScalingArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { only } => steps::test(only.as_deref()),
        Task::Fix => steps::fix(),
        Task::Pairs { pairs, with, flags } => {
            let with: Vec<String> = with.split_whitespace().map(str::to_owned).collect();
            pairs::run(pairs, &with, &flags)
        }
        Task::Scaling(args) => scaling::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
