//! `cargo xtask scaling`: rehearsals against the model of `crates/scale`, and `docs/scaling.md`, whose figures it writes.

mod doc;
mod measure;
mod plot;
mod scenarios;
mod tables;

use crate::steps::cargo;
use anyhow::{Context, bail, ensure};
use clap::Args;
use measure::Measured;
use scenarios::Scenario;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask scaling                                  everything: an hour or so on an idle machine
  cargo xtask scaling --scenarios lanes-2,lanes-4      only these again; the others stay as they were measured
  cargo xtask scaling --no-measure                     the model and the documentation, from what was measured before
  cargo xtask scaling --list

Rehearsals are told apart by name in docs/scaling/measured.json, which is kept. CPU costs are calibrated from one of them
only (it is named in the table); all others are predicted.")]
pub(crate) struct ScalingArgs {
    /// Rehearse each so many times.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    scenarios: Vec<String>,
    /// Show the scenarios.
    #[arg(long)]
    list: bool,
    /// Rehearse nothing.
    #[arg(long)]
    no_measure: bool,
    /// Write nothing but what was measured, here instead of into the documentation: to try it out.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Users instead of each scenario's, to try it out.
    #[arg(long, value_name = "N", requires = "out")]
    users: Option<u64>,
    /// This program instead of a release that is built first.
    #[arg(long, value_name = "FILE")]
    owl: Option<PathBuf>,
}

/// Where the figures are kept.
const DOCS: &str = "docs";

/// Measures, compares, writes.
pub(crate) fn run(args: &ScalingArgs) -> anyhow::Result<bool> {
    let all = scenarios::all();
    if args.list {
        for scenario in &all {
            println!("{:14} {}", scenario.name, scenario.about());
        }
        return Ok(true);
    }
    let owl = program(args)?;
    let dir = args.out.clone().unwrap_or_else(|| Path::new(DOCS).join("scaling"));
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let file = dir.join("measured.json");
    let mut measured = Measured::read(&file)?;
    if !args.no_measure {
        for mut scenario in wanted(args, &all)? {
            scenario.users = args.users.unwrap_or(scenario.users);
            measured.rehearse(&owl, &scenario, args.repeats)?;
            // What took minutes is kept, whatever becomes of the rest.
            measured.write(&file)?;
        }
    }
    let compared = measured.compare()?;
    println!("{}", tables::compared(&compared, &measured));
    if args.out.is_some() {
        plot::compared(&dir, &compared)?;
        return Ok(true);
    }
    doc::write(Path::new(DOCS), &owl, &measured, &compared)?;
    println!("written: {DOCS}/scaling.md");
    Ok(true)
}

fn wanted(args: &ScalingArgs, all: &[Scenario]) -> anyhow::Result<Vec<Scenario>> {
    if args.scenarios.is_empty() {
        return Ok(all.to_vec());
    }
    let find = |name: &String| match all.iter().find(|scenario| scenario.name == *name) {
        Some(scenario) => Ok(scenario.clone()),
        None => bail!("there is no scenario `{name}`: `cargo xtask scaling --list` shows them"),
    };
    args.scenarios.iter().map(find).collect()
}

fn program(args: &ScalingArgs) -> anyhow::Result<PathBuf> {
    if let Some(owl) = &args.owl {
        return Ok(owl.clone());
    }
    ensure!(cargo(&["build", "--release", "--locked"]).status()?.success(), "owl could not be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(&target).join("release/owl"))
}
