//! The proof that an acknowledged commit survives `kill -9`: a child acknowledges numbers on its standard output, is
//! killed at a random instant, and another child reopens the store and looks for all of them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    Scratch, child_command,
    stores::{Durability, Op, Store, Table},
    work::{Job, Pool, mix},
};

/// Records and bodies in a commit.
const GROUP: u64 = 10;
/// Bodies older than this many records are deleted, so that the store reuses space while it is killed.
const BODIES_KEPT: u64 = 2_000;
/// A writer lives at least this long, and at most four times as long.
const LIFE: Duration = Duration::from_millis(300);

/// Kills and verifies each candidate `rounds` times, on one store that grows.
pub fn rounds(candidates: &[String], rounds: u32, durability: Durability, dir: &Path) -> Result<()> {
    println!(
        "| candidate | kills | acknowledged records | fewest in a round | lost | slowest reopening and verifying s |"
    );
    println!("|---|---|---|---|---|---|");
    for candidate in candidates {
        let scratch = Scratch::new(dir)?;
        let (mut next, mut fewest, mut slowest) = (0, u64::MAX, Duration::ZERO);
        for round in 0..rounds {
            let acknowledged =
                kill_one(child_command("kill-write", candidate, &scratch.0, durability, next)?)?;
            // A store that opens but then takes no commits (stuck in its own recovery) shows here.
            fewest = fewest.min(acknowledged.saturating_sub(next));
            let started = Instant::now();
            let output = child_command("kill-verify", candidate, &scratch.0, durability, acknowledged)?
                .stderr(Stdio::inherit())
                .output()?;
            slowest = slowest.max(started.elapsed());
            if !output.status.success() {
                bail!("{candidate} lost something in round {round}: see above");
            }
            // A commit that was not acknowledged may be there, whole; the next writer goes on after it.
            next = String::from_utf8(output.stdout)?.trim().parse()?;
        }
        println!("| {candidate} | {rounds} | {next} | {fewest} | 0 | {:.2} |", slowest.as_secs_f64());
    }
    Ok(())
}

/// Runs a writer, kills it at a random instant after it opened, and returns where its acknowledged records end.
fn kill_one(mut command: Command) -> Result<u64> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("standard output is piped")?);
    let mut text = String::new();
    output.read_line(&mut text)?;
    let reader = std::thread::spawn(move || output.read_to_string(&mut text).map(|_| text));
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    std::thread::sleep(LIFE + Duration::from_nanos(mix(nanos) % (3 * LIFE.as_nanos() as u64)));
    child.kill()?;
    child.wait()?;
    let text = reader.join().map_err(|_| anyhow::anyhow!("the reader of the child's output failed"))??;
    // The last line counts only if it is whole.
    let (lines, _) = text.rsplit_once('\n').context("the writer did not open its store")?;
    Ok(lines.lines().last().context("the writer did not open its store")?.parse()?)
}

/// Waits for a child's first line, then kills it.
pub fn hang_and_kill(mut command: Command) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("standard output is piped")?;
    BufReader::new(output).read_line(&mut String::new())?;
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// 400 bytes that say which record they belong to.
fn record(n: u64) -> Vec<u8> {
    (0..50).flat_map(|part| mix(n * 64 + part).to_le_bytes()).collect()
}

/// Commits groups from `job.items` on for ever, and acknowledges each by the number after its last record. The first
/// line, `job.items` itself, says that the store is open.
pub fn write(job: &Job<'_>) -> Result<()> {
    let pool = Pool::new();
    let mut store = job.open()?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", job.items)?;
    for from in (job.items..).step_by(GROUP as usize) {
        let keys: Vec<_> = (from..from + GROUP).map(u64::to_be_bytes).collect();
        let old: Vec<_> = (from..from + GROUP).map(|n| n.wrapping_sub(BODIES_KEPT).to_be_bytes()).collect();
        let records: Vec<_> = (from..from + GROUP).map(record).collect();
        let mut ops = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            ops.push(Op::Put(Table::Ledger, key, &records[at]));
            ops.push(Op::Put(Table::Bodies, key, pool.body(from + at as u64)));
            if from >= BODIES_KEPT {
                ops.push(Op::Delete(Table::Bodies, &old[at]));
            }
        }
        store.commit(&ops)?;
        writeln!(output, "{}", from + GROUP)?;
        output.flush()?;
    }
    Ok(())
}

/// Verifies all records below `job.items` and the bodies not yet deleted; prints where the next writer goes on.
pub fn verify(job: &Job<'_>) -> Result<()> {
    let pool = Pool::new();
    let store = job.open()?;
    for from in (0..job.items).step_by(GROUP as usize) {
        ensure!(
            group(store.as_ref(), Table::Ledger, from, |n| record(n))? == GROUP,
            "records from {from} on"
        );
    }
    // A commit beyond the last acknowledged one may have happened (its deletions too), but not a part of it.
    let beyond = group(store.as_ref(), Table::Ledger, job.items, record)?;
    let bodies_beyond = group(store.as_ref(), Table::Bodies, job.items, |n| pool.body(n).to_vec())?;
    ensure!(beyond == bodies_beyond && [0, GROUP].contains(&beyond), "a commit is there in part");
    let end = job.items + beyond;
    for from in (end.saturating_sub(BODIES_KEPT)..end).step_by(GROUP as usize) {
        ensure!(
            group(store.as_ref(), Table::Bodies, from, |n| pool.body(n).to_vec())? == GROUP,
            "bodies from {from} on"
        );
    }
    if end > BODIES_KEPT {
        let gone = end - BODIES_KEPT - GROUP;
        ensure!(
            group(store.as_ref(), Table::Bodies, gone, |_| Vec::new()).is_ok_and(|n| n == 0),
            "deleted bodies are back"
        );
    }
    println!("{end}");
    store.close()
}

/// How many records of a group are there; one that is there and wrong is an error.
fn group(store: &dyn Store, table: Table, from: u64, expect: impl Fn(u64) -> Vec<u8>) -> Result<u64> {
    let keys: Vec<_> = (from..from + GROUP).map(u64::to_be_bytes).collect();
    let slices: Vec<_> = keys.iter().map(|key| key.as_slice()).collect();
    let (mut there, mut wrong) = (0, None);
    store.get_many(table, &slices, &mut |at, value| {
        let n = from + at as u64;
        there += u64::from(value.is_some());
        if value.is_some_and(|value| value != expect(n)) {
            wrong = Some(n);
        }
    })?;
    ensure!(wrong.is_none(), "{} {wrong:?} is not what was written", table.name());
    Ok(there)
}
