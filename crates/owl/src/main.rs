//! `owl`: the operator's command, and all roles of Superb Owl in one process.

mod args;
mod client;
mod commands;
mod credentials;
mod demo;
mod logging;
mod output;
mod plan;
mod process;
mod rehearse;
mod up;
mod way;

use std::process::ExitCode;

/// Gives memory back: see `docs/adr/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit status: 0 done, 1 failed, 2 usage (clap's own).
fn main() -> ExitCode {
    let cli = args::Cli::read();
    process::raise_file_limit();
    let as_json = cli.json;
    match commands::run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::error(&error, as_json);
            ExitCode::FAILURE
        }
    }
}
