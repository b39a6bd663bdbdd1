//! Instructions of a push in the sender's own process (the kernel's are not seen), as callgrind counts them: unlike time,
//! they are the same on a busy machine.

use crate::job::{Figures, Job, Measure, Sender};
use crate::rounds::{self, Plan};
use crate::rows::{ROWS, Row};
use crate::stand_in::StandIns;
use anyhow::{Context, Result, ensure};
use loadtest::gateways::AdminClient;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in a process that runs under callgrind.
const VARIABLE: &str = "SENDER_BENCH_CALLGRIND";
/// What is counted, per sender: fifty times slower than without callgrind.
const REQUESTS: u64 = 40_000;
/// The rows that are counted: what is in flight or how long it takes changes no instruction of a push.
const ROWS_COUNTED: [&str; 3] = ["groups", "singly", "fcm"];

/// Called where a measurement begins: what was counted before is forgotten.
pub fn forget() -> Result<()> {
    control("--zero")
}

/// Called where a measurement ends.
pub fn write_down() -> Result<()> {
    control("--dump")
}

fn control(order: &str) -> Result<()> {
    if std::env::var_os(VARIABLE).is_none() {
        return Ok(());
    }
    let id = std::process::id().to_string();
    let mut command = Command::new("callgrind_control");
    let output = command.args([order, &id]).stdin(Stdio::null()).output().context("callgrind_control")?;
    ensure!(output.status.success(), "callgrind_control: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Counts, and prints a table (or an object).
pub fn count(plan: &Plan, stand_ins: &StandIns, dir: &Path, json: bool) -> Result<()> {
    ensure!(Command::new("valgrind").arg("--version").output().is_ok(), "valgrind is not installed");
    std::fs::create_dir_all(dir)?;
    let dir = dir.canonicalize()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = AdminClient::new(&stand_ins.info.admin);
    let wanted = |row: &&Row| match plan.only.as_slice() {
        [] => ROWS_COUNTED.contains(&row.name),
        only => row.measure == Measure::Cpu && only.iter().any(|name| name == row.name),
    };
    let mut found = Vec::new();
    for row in ROWS.iter().filter(wanted) {
        eprintln!("{}", row.title);
        runtime.block_on(rounds::behave(&admin, row))?;
        // h2load does its work in a process of its own, written in C: its own figures compare it.
        let skipped =
            |s: &Sender| *s == Sender::H2load || plan.skipped.iter().any(|(skipped, _)| skipped == s);
        for sender in row.senders.iter().map(|(sender, _)| *sender).filter(|s| !skipped(s)) {
            let job = rounds::job(plan, row, sender, REQUESTS / plan.divisor, stand_ins);
            let out = dir.join(format!("callgrind.{}.{sender:?}", row.name));
            let counted = runtime.block_on(one(&job, stand_ins, &admin, &out));
            let counted = counted.with_context(|| format!("{}, {}", row.name, sender.label()))?;
            found.push((row, sender, counted));
        }
    }
    print(&found, json);
    Ok(())
}

/// Instructions of a push.
async fn one(job: &Job, stand_ins: &StandIns, admin: &AdminClient, out: &Path) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).env(VARIABLE, "1");
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(std::env::current_exe()?);
    let figures: Figures = rounds::measured(command, job, stand_ins, admin).await?;
    // The first part is the measurement, what comes after it is the end of the process.
    let part = PathBuf::from(format!("{}.1", out.display()));
    let text = std::fs::read_to_string(&part).with_context(|| format!("{}", part.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:")).context("no totals")?;
    Ok(total.trim().parse::<f64>()? / figures.requests.max(1) as f64)
}

fn print(found: &[(&Row, Sender, f64)], json: bool) {
    if json {
        let rows = found.iter().map(|(row, sender, counted)| {
            serde_json::json!({ "row": row.name, "sender": format!("{sender:?}"), "instructions": counted })
        });
        println!("{:#}", serde_json::Value::from_iter(rows));
        return;
    }
    println!("| instructions of a push, without the kernel's | |\n|---|---|");
    for (row, sender, counted) in found {
        println!("| {}: {} | {counted:.0} |", row.name, sender.label());
    }
}
