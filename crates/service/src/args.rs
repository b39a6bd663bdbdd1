//! The flags of a service: the same for all three.

use clap::{CommandFactory, FromArgMatches, Parser};
use std::path::PathBuf;

/// What is different about a service's command line.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its binary's name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Lines for the end of `--help`.
    pub examples: &'static str,
}

#[derive(Parser, Clone, Debug)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Configuration file (TOML). Environment variables win over it, flags over both; docs/config.md has every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Check the configuration, say everything that is wrong with it, and end: 0 when it is good, 2 when it is not.
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Where to listen, such as 0.0.0.0:8080. Key `listen`.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Log lines to show, such as `info` or `info,aws=debug`. Key `telemetry.log`.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

impl Args {
    /// Reads the process's flags; ends the process on wrong usage (2) and after help (0).
    pub(crate) fn parse_for(about: &About) -> Self {
        let command = Self::command().name(about.name).bin_name(about.name);
        let command = command.about(about.about).after_help(about.examples);
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|e| e.exit())
    }

    /// The keys that these flags set.
    pub(crate) fn settings(&self) -> Vec<(&'static str, &'static str, String)> {
        let listen = self.listen.clone().map(|v| ("listen", "--listen", v));
        let log = self.log.clone().map(|v| ("telemetry.log", "--log", v));
        listen.into_iter().chain(log).collect()
    }
}
