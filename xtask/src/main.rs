//! `cargo xtask`: what a developer and CI run. `test` is the whole of it, and installs what it needs.

mod browser;
mod dockerfile;
mod python;
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
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { only } => steps::test(only.as_deref()),
        Task::Fix => steps::fix(),
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
