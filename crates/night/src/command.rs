//! The command: nights over some threads, with progress, sums, and the trace of what failed.

use crate::{Outcome, Size, run};
use clap::Parser;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Failures that are kept and printed.
const FAILURES_MAX: usize = 20;

/// Simulated nights. Exit status: 0 all rules held, 1 one was broken, 2 usage.
#[derive(Clone, Debug, Parser)]
#[command(name = "night", version)]
pub struct Command {
    /// How many nights.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub nights: u64,
    /// The first seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many at a time: one thread each.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub threads: u64,
    /// How large they are.
    #[arg(long, value_enum, default_value_t = Size::Mixed)]
    pub size: Size,
    /// Go on after a night that broke a rule.
    #[arg(long)]
    pub keep_going: bool,
    /// Print every event of every night.
    #[arg(long)]
    pub trace: bool,
    /// The sums as JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Sums over nights.
#[derive(Debug, Default, serde::Serialize)]
struct Sums {
    nights: u64,
    failed: u64,
    seconds: f64,
    nights_per_hour: f64,
    virtual_hours: f64,
    events: u64,
    accepted: u64,
    doubled: u64,
    doubled_at_most: u64,
    unknown_accepted: u64,
    learned_late: u64,
    kills: u64,
    hangs: u64,
    terms: u64,
    calls_failed: u64,
    stopped: u64,
    busy_seconds: f64,
    largest_fleet: usize,
    failures: Vec<Outcome>,
}

impl Sums {
    fn add(&mut self, night: Outcome) {
        let t = night.tally;
        self.nights += 1;
        self.events += night.events;
        #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
        let hours = night.virtual_ms as f64 / 3_600_000.0;
        self.virtual_hours += hours;
        self.accepted += t.accepted;
        #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
        let busy = t.busy_ms as f64 / 1_000.0;
        self.busy_seconds += busy;
        self.doubled += t.doubled;
        self.doubled_at_most += t.doubled_at_most;
        self.unknown_accepted += t.unknown_accepted;
        self.learned_late += t.learned_late;
        self.kills += u64::from(t.kills);
        self.hangs += u64::from(t.hangs);
        self.terms += u64::from(t.terms);
        self.calls_failed += u64::from(t.calls_failed);
        self.stopped += u64::from(night.state == "stopped");
        self.largest_fleet = self.largest_fleet.max(night.push_workers);
        if night.violation.is_some() {
            self.failed += 1;
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(night);
            }
        }
    }

    fn took(&mut self, seconds: f64) {
        self.seconds = seconds;
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = self.nights as f64 / seconds.max(1e-9) * 3_600.0;
        self.nights_per_hour = rate.round();
    }
}

/// Runs the command.
#[must_use]
pub fn main(command: &Command) -> ExitCode {
    let began = Instant::now();
    let sums = match all(command, began) {
        Ok(sums) => sums,
        Err(error) => {
            eprintln!("night: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    if command.json {
        match serde_json::to_string_pretty(&sums) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("night: {error}"),
        }
    } else {
        tell(&sums);
    }
    if sums.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all(command: &Command, began: Instant) -> anyhow::Result<Sums> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let sums = Mutex::new(Sums::default());
    let error = Mutex::new(None);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= command.nights {
                return;
            }
            match run(command.seed.wrapping_add(n), command.size, command.trace) {
                Ok(night) => take(command, &sums, &stop, night, began),
                Err(why) => {
                    *error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..command.threads {
            scope.spawn(work);
        }
    });
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    if let Some(why) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(why);
    }
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.took(began.elapsed().as_secs_f64());
    Ok(sums)
}

fn take(command: &Command, sums: &Mutex<Sums>, stop: &AtomicBool, night: Outcome, began: Instant) {
    let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
    if command.trace {
        eprintln!("{}\n{}", night.spec, night.trace.join("\n"));
    }
    if night.violation.is_some() {
        eprintln!("\n{}", failure(&night, command.size, !command.trace));
        stop.store(!command.keep_going, Ordering::Relaxed);
    }
    sums.add(night);
    let one_in = if std::io::stderr().is_terminal() { 20 } else { 1_000 };
    if sums.nights.is_multiple_of(one_in) {
        let (n, failed, seconds) = (sums.nights, sums.failed, began.elapsed().as_secs());
        let end = if std::io::stderr().is_terminal() { "\r" } else { "\n" };
        eprint!("{n} of {} nights, {failed} failed, {seconds} s{end}", command.nights);
        // Progress that can't be shown can't be helped.
        let _ = std::io::stderr().flush();
    }
}

/// What a person needs of a night that broke a rule.
#[must_use]
pub fn failure(night: &Outcome, size: Size, with_trace: bool) -> String {
    let trace = if with_trace { night.trace.join("\n") } else { String::new() };
    let violation = night.violation.as_deref().unwrap_or("nothing is wrong");
    let size = match size {
        Size::Mixed => String::new(),
        other => format!(" --size {}", format!("{other:?}").to_lowercase()),
    };
    format!(
        "{}\n{trace}\nBROKEN {violation}\nagain: cargo run -p night -- --seed {}{size}",
        night.spec, night.seed
    )
}

fn tell(sums: &Sums) {
    let s = sums;
    println!(
        "{} nights ({} failed) in {:.1} s: {:.0} an hour; {:.1} virtual hours, {} events, largest fleet {}",
        s.nights, s.failed, s.seconds, s.nights_per_hour, s.virtual_hours, s.events, s.largest_fleet
    );
    println!(
        "{} kills, {} hangs, {} SIGTERMs, {} calls failed; {} nights ended stopped; {:.0} s of sending",
        s.kills, s.hangs, s.terms, s.calls_failed, s.stopped, s.busy_seconds
    );
    println!(
        "{} pushes accepted, {} of them twice ({} counted at most), {} unknown to the books, {} learned after them",
        s.accepted, s.doubled, s.doubled_at_most, s.unknown_accepted, s.learned_late
    );
}
