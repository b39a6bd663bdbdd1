//! What this process used, as the kernel counts it.

use crate::instructions;
use crate::job::Figures;
use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Pid;
use std::time::Instant;

/// Measures from its creation on.
pub struct Meter {
    who: UsageWho,
    began: Instant,
    user_s: f64,
    system_s: f64,
}

fn usage(who: UsageWho) -> Result<(f64, f64)> {
    let usage = getrusage(who)?;
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    Ok((seconds(usage.user_time()), seconds(usage.system_time())))
}

impl Meter {
    /// Starts to measure this process.
    pub fn start() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_SELF)
    }

    /// Starts to measure processes that this one starts and waits for.
    pub fn of_children() -> Result<Self> {
        Self::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> Result<Self> {
        instructions::forget()?;
        let (user_s, system_s) = usage(who)?;
        Ok(Self { who, began: Instant::now(), user_s, system_s })
    }

    /// What was used since.
    pub fn stop(&self, requests: u64, accepted: u64) -> Result<Figures> {
        let wall_s = self.began.elapsed().as_secs_f64();
        let (user_s, system_s) = usage(self.who)?;
        instructions::write_down()?;
        let (user_s, system_s) = (user_s - self.user_s, system_s - self.system_s);
        Ok(Figures { requests, accepted, user_s, system_s, wall_s, ..Figures::default() })
    }
}

/// Resident memory now, and its peak since then.
pub struct MemoryMeter {
    before: u64,
}

impl MemoryMeter {
    /// Starts, and forgets older peaks.
    pub fn start() -> Result<Self> {
        std::fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak of memory")?;
        Ok(Self { before: status("VmRSS:")? })
    }

    /// Growth up to the peak, in bytes.
    pub fn grown(&self) -> Result<u64> {
        Ok(status("VmHWM:")?.saturating_sub(self.before))
    }
}

fn status(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Keeps this process, and what it will start, on one core.
pub fn pin(core: Option<usize>) -> Result<()> {
    let Some(core) = core else { return Ok(()) };
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores).with_context(|| format!("cannot stay on core {core}"))
}

/// Half, 99 of 100, all.
pub fn quantiles(mut times_us: Vec<f64>) -> [f64; 3] {
    times_us.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (times_us.len() as f64 * share).ceil() as usize;
        times_us.get(place.saturating_sub(1)).copied().unwrap_or_default()
    };
    [at(0.5), at(0.99), at(1.0)]
}
