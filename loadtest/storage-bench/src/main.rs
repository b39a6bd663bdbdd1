//! Compares embedded stores under the loads of the `owl` process: queue bodies, the ledger, the devices.
//!
//! Every candidate runs in a child process of its own, so that CPU (all threads, until closed) and peak memory are its
//! own. `kill` proves that what was acknowledged survives `kill -9`. Throughput over the network, several writers at
//! once and power cuts are not measured here.

mod kill;
mod meter;
mod stores;
mod work;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use stores::{CANDIDATES, Durability};

const HELP: &str = "\
Compares embedded stores: CPU, memory, disk, and survival of kill -9. Prints a Markdown table.

usage: storage-bench [run|kill] [options]

  run                 the workloads (default)
  kill                kill -9 a writer at random instants, reopen, verify

  --candidates A,B    of: log, fjall, fjall-blob, redb, redb-quick, sqlite, sqlite-16k (default: all that apply)
  --workloads A,B     of: queue-steady, queue-drain, ledger-10, ledger-100, devices, devices-sorted (default: all)
  --envelopes N       envelopes in queue workloads, records in ledger workloads (default 40000)
  --devices A,B       sizes of the device table (default 1000000,4000000)
  --rounds N          rounds of kill (default 10)
  --fsync             commits are on the disk (fdatasync) instead of in the kernel
  --dir D             where the stores are put, and removed afterwards (default: the system's temporary folder)
  --help

Use a release build. `log` takes no part in the ledger and device workloads: it is the queue's yardstick.
";

/// What the command line says.
struct Options {
    mode: String,
    candidates: Vec<String>,
    workloads: Vec<String>,
    envelopes: u64,
    devices: Vec<u64>,
    rounds: u32,
    fsync: bool,
    dir: PathBuf,
    /// The store's folder, for a child process.
    child: Vec<String>,
}

fn options() -> Result<Options> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut options = Options {
        mode: "run".into(),
        candidates: list(&CANDIDATES.join(",")),
        workloads: list("queue-steady,queue-drain,ledger-10,ledger-100,devices,devices-sorted"),
        envelopes: 40_000,
        devices: vec![1_000_000, 4_000_000],
        rounds: 10,
        fsync: false,
        dir: std::env::temp_dir(),
        child: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "run" | "kill" => options.mode = argument,
            "--candidates" => options.candidates = list(&value()?),
            "--workloads" => options.workloads = list(&value()?),
            "--envelopes" => options.envelopes = value()?.parse()?,
            "--devices" => {
                options.devices = list(&value()?).iter().map(|n| n.parse()).collect::<Result<_, _>>()?
            }
            "--rounds" => options.rounds = value()?.parse()?,
            "--fsync" => options.fsync = true,
            "--dir" => options.dir = value()?.into(),
            "--help" | "-h" => {
                print!("{HELP}");
                std::process::exit(0);
            }
            "child" => {
                options.mode = argument;
                options.child = arguments.by_ref().collect();
            }
            other => bail!("unknown argument {other:?}; see --help"),
        }
    }
    for candidate in &options.candidates {
        ensure!(CANDIDATES.contains(&candidate.as_str()), "unknown candidate {candidate:?}; see --help");
    }
    Ok(options)
}

fn main() -> Result<()> {
    let options = options()?;
    match options.mode.as_str() {
        "child" => child(&options.child),
        "kill" => kill::rounds(&options.candidates, options.rounds, durability(options.fsync), &options.dir),
        _ => run(&options),
    }
}

fn durability(fsync: bool) -> Durability {
    if fsync { Durability::Disk } else { Durability::Kernel }
}

/// `child WORKLOAD CANDIDATE DIR FSYNC ITEMS`: one workload in this process, its figures on standard output.
fn child(arguments: &[String]) -> Result<()> {
    let [workload, candidate, dir, fsync, items] = arguments else { bail!("child takes five arguments") };
    let job = work::Job {
        candidate,
        dir: Path::new(dir),
        durability: durability(fsync == "true"),
        items: items.parse()?,
    };
    match workload.as_str() {
        "queue-steady" => work::queue(&job, 2_000),
        "queue-drain" => work::queue(&job, job.items),
        "ledger-10" => work::ledger(&job, 10),
        "ledger-100" => work::ledger(&job, 100),
        "devices-import" => work::devices_import(&job, work::IMPORT_CHUNK, false),
        "devices-sorted" => work::devices_import(&job, work::SORTED_CHUNK, true),
        "devices-hang" => work::devices_hang(&job),
        "devices-read" => work::devices_read(&job),
        "kill-write" => kill::write(&job),
        "kill-verify" => kill::verify(&job),
        other => bail!("unknown workload {other:?}; see --help"),
    }
}

/// The command that runs a workload in a process of its own.
fn child_command(
    workload: &str,
    candidate: &str,
    dir: &Path,
    durability: Durability,
    items: u64,
) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", workload, candidate]).arg(dir);
    command.args([(durability == Durability::Disk).to_string(), items.to_string()]);
    Ok(command)
}

/// A folder for one store, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Result<Self> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let dir = parent.join(format!("storage-bench-{}-{nanos}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Only the temporary folder would stay behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(options: &Options) -> Result<()> {
    meter::print_machine();
    println!(
        "Commits are {}.\n",
        if options.fsync { "on the disk (fdatasync)" } else { "in the kernel, not fsynced" }
    );
    println!("{}", meter::TABLE_HEAD);
    for workload in &options.workloads {
        for candidate in &options.candidates {
            let queue = workload.starts_with("queue");
            if !queue && ["log", "fjall-blob", "sqlite-16k"].contains(&candidate.as_str()) {
                continue;
            }
            let durability = durability(options.fsync);
            if !workload.starts_with("devices") {
                let scratch = Scratch::new(&options.dir)?;
                report(
                    child_command(workload, candidate, &scratch.0, durability, options.envelopes)?,
                    candidate,
                )?;
                continue;
            }
            for &items in &options.devices {
                let scratch = Scratch::new(&options.dir)?;
                let command = |workload| child_command(workload, candidate, &scratch.0, durability, items);
                if workload == "devices-sorted" {
                    report(command(workload)?, candidate)?;
                    continue;
                }
                report(command("devices-import")?, candidate)?;
                kill::hang_and_kill(command("devices-hang")?)?;
                report(command("devices-read")?, candidate)?;
            }
        }
    }
    Ok(())
}

/// Runs a child and passes its rows on.
fn report(mut command: Command, candidate: &str) -> Result<()> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        println!("| | {candidate} | failed: {} |", output.status);
    }
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
