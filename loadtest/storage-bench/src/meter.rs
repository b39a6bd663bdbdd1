//! Figures of this process: CPU of all threads, wall time, peak memory, and bytes on the disk; one table row for each.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Instant};

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};

/// The head of the table whose rows [`Meter::row`] prints.
pub const TABLE_HEAD: &str = "\
| workload | candidate | CPU s | user | sys | wall s | peak RSS MiB | disk MiB | note |
|---|---|---|---|---|---|---|---|---|";

/// Measures from its creation on.
pub struct Meter {
    started: Instant,
    user: f64,
    sys: f64,
    rss_before: f64,
}

fn usage() -> Result<(f64, f64, f64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok((seconds(usage.user_time()), seconds(usage.system_time()), usage.max_rss() as f64 / 1024.0))
}

impl Meter {
    /// Starts measuring.
    pub fn start() -> Result<Self> {
        let (user, sys, rss_before) = usage()?;
        Ok(Self { started: Instant::now(), user, sys, rss_before })
    }

    /// User and system seconds so far.
    pub fn cpu(&self) -> Result<f64> {
        let (user, sys, _) = usage()?;
        Ok(user + sys - self.user - self.sys)
    }

    /// Wall time so far in seconds.
    pub fn started_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Prints a row: everything since the start. Memory is the peak beyond what the process had at the start.
    pub fn row(&self, workload: &str, candidate: &str, dir: &Path, note: &str) -> Result<()> {
        let (user, sys, rss) = usage()?;
        let (user, sys) = (user - self.user, sys - self.sys);
        println!(
            "| {workload} | {candidate} | {:.2} | {user:.2} | {sys:.2} | {:.2} | {:.0} | {:.0} | {note} |",
            user + sys,
            self.started_seconds(),
            rss - self.rss_before,
            disk_bytes(dir)? as f64 / f64::from(1 << 20),
        );
        Ok(())
    }
}

/// Bytes allocated on the disk by everything in `dir`.
fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// Says where the figures come from: processor, kernel, versions of the candidates.
pub fn print_machine() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("Machine: {model}, {cores} cores, Linux {}.", read("/proc/sys/kernel/osrelease").trim());
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let from = lock.find(&format!("name = \"{name}\"\n"))?;
        lock[from..].lines().nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
    };
    let versions: Vec<_> = ["fjall", "lsm-tree", "redb", "rusqlite"]
        .map(|name| format!("{name} {}", version(name).unwrap_or("?")))
        .into();
    println!("Versions: {}, SQLite {}.", versions.join(", "), rusqlite::version());
}
