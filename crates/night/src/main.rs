//! `cargo run -p night`: many nights, or one of them again.

use clap::Parser;
use night::command::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Command::try_parse() {
        Ok(command) => night::command::main(&command),
        Err(error) => {
            // What can't be printed can't be helped.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
    }
}
