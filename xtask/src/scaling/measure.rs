//! Rehearsing, and what came of it beside what the model says.

use super::scenarios::{self, CALIBRATION, Scenario};
use anyhow::{Context, ensure};
use scale::{Figures, Prediction, predict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// All that was measured, by scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) machine: String,
    pub(super) cores: u32,
    pub(super) scenarios: BTreeMap<String, Rehearsed>,
}

/// One scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rehearsed {
    pub(super) users: u64,
    pub(super) runs: Vec<Run>,
}

/// One rehearsal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) last_ms: f64,
    pub(super) expanded_ms: f64,
    pub(super) devices: f64,
    pub(super) cpu_us: f64,
    pub(super) gateway_us: f64,
    /// Share of all cores that were busy with it.
    pub(super) busy: f64,
}

/// A scenario, measured and predicted.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) scenario: Scenario,
    pub(super) runs: Vec<Run>,
    pub(super) predicted: Prediction,
}

impl Measured {
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(file)?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged: remove it and measure anew", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Rehearses a scenario anew.
    pub(super) fn rehearse(&mut self, owl: &Path, scenario: &Scenario, repeats: u16) -> anyhow::Result<()> {
        let mut runs = Vec::new();
        for n in 1..=repeats {
            eprintln!("{}, {n} of {repeats}: {}", scenario.name, scenario.about());
            let figures = rehearse(owl, scenario)?;
            let machine = &figures["machine"];
            self.machine = format!("{}, {}", text(machine, "cpu"), text(machine, "kernel"));
            self.cores = machine["cores"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
            runs.push(run(&figures["presses"][0], self.cores).context("the rehearsal says no times")?);
        }
        self.scenarios.insert(scenario.name.clone(), Rehearsed { users: scenario.users, runs });
        Ok(())
    }

    /// Costs, and how busy the cores were, from the one scenario that is calibrated by: the medians of its runs. Without it, those of the model.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        if let Some(rehearsed) = self.scenarios.get(CALIBRATION) {
            let of = |pick: fn(&Run) -> f64| median(rehearsed.runs.iter().map(pick).collect());
            let measured = scale::Measured {
                name: CALIBRATION.to_owned(),
                devices: of(|run| run.devices) as u64,
                push_cpu_us: of(|run| run.cpu_us),
                gateway_us: Some(of(|run| run.gateway_us)),
            };
            measured.apply(&mut figures);
            figures.one_machine_busy.value = of(|run| run.busy).clamp(0.05, 1.0);
            figures.one_machine_busy.source.clone_from(&figures.push_cpu_us.source);
        }
        figures
    }

    /// Each that was measured, beside the model.
    pub(super) fn compare(&self) -> anyhow::Result<Vec<Compared>> {
        let figures = self.figures();
        let found = |scenario: Scenario| {
            let rehearsed = self.scenarios.get(&scenario.name)?;
            let scenario = Scenario { users: rehearsed.users, ..scenario };
            let predicted = predict(&scenario.setup(&figures, self.cores));
            Some(Compared { scenario, runs: rehearsed.runs.clone(), predicted })
        };
        Ok(scenarios::all().into_iter().filter_map(found).collect())
    }
}

/// One rehearsal's JSON.
fn rehearse(owl: &Path, scenario: &Scenario) -> anyhow::Result<Value> {
    let dir = std::env::temp_dir().join(format!("owl-scaling-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let file = dir.join(format!("{}.toml", scenario.name));
    std::fs::write(&file, scenario.toml())?;
    let output = Command::new(owl)
        .args(["rehearse", "--json", "--out"])
        .arg(&dir)
        .arg(&file)
        .stderr(Stdio::inherit())
        .output();
    let removed = std::fs::remove_dir_all(&dir);
    let output = output.with_context(|| format!("cannot run {}", owl.display()))?;
    removed.with_context(|| format!("cannot remove {}", dir.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    ensure!(output.status.success(), "the rehearsal of {} failed: {last:.300}", scenario.name);
    serde_json::from_str(last).context("the rehearsal's figures can't be read")
}

fn run(press: &Value, cores: u32) -> Option<Run> {
    let accepted = &press["steps"]["accepted"]["times"];
    let ms = |times: &Value, key: &str| times[key].as_f64();
    let counted = &press["counted"];
    let devices = counted["accepted"].as_f64()? + counted["rejected"].as_f64()?;
    let (ours, gateways) = (press["cpu_seconds"].as_f64()?, press["gateway_cpu_seconds"].as_f64()?);
    let seconds = press["sending_ms"].as_f64()?.max(1.0) / 1_000.0;
    Some(Run {
        p50_ms: ms(accepted, "p50_ms")?,
        p99_ms: ms(accepted, "p99_ms")?,
        last_ms: ms(accepted, "last_ms")?,
        expanded_ms: ms(&press["steps"]["expanded"]["times"], "last_ms")?,
        devices,
        cpu_us: ours * 1e6 / devices.max(1.0),
        gateway_us: gateways * 1e6 / devices.max(1.0),
        busy: (ours + gateways) / seconds / f64::from(cores.max(1)),
    })
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("unknown")
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
