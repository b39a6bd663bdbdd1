//! The workloads. Each prepares its input first and then measures until the store is closed.

use std::{path::Path, time::Instant};

use anyhow::{Result, ensure};

use crate::{
    meter::Meter,
    stores::{self, Durability, Op, Store, Table},
};

/// Body of an envelope: a batch of 100 users.
const BODY_BYTES: usize = 11 * 1024;
/// Envelopes in a call, as with SQS.
const CALL: u64 = 10;
/// Random bytes that bodies are cut from.
const POOL_BYTES: usize = 16 << 20;
/// Batches in a shard, for ledger keys.
const SHARD_BATCHES: u64 = 800;
/// Devices in a commit of the import.
pub const IMPORT_CHUNK: u64 = 10_000;
/// Devices in a commit of the import that sorts each chunk first.
pub const SORTED_CHUNK: u64 = 200_000;
/// Runs into which the hash range is divided for reading, and keys in a call.
const READ_RUNS: u64 = 50;
const READ_CALL: usize = 1_000;
/// Single reads at random.
const SINGLE_GETS: u64 = 100_000;

/// What a child process was asked to do.
pub struct Job<'a> {
    /// The candidate's name.
    pub candidate: &'a str,
    /// The store's folder.
    pub dir: &'a Path,
    /// When commits may return.
    pub durability: Durability,
    /// Envelopes, records or devices.
    pub items: u64,
}

impl Job<'_> {
    /// Opens the store.
    pub fn open(&self) -> Result<Box<dyn Store>> {
        stores::open(self.candidate, self.dir, self.durability)
    }

    /// Opens the store to have its commits timed.
    fn open_timed(&self) -> Result<Timed> {
        Ok(Timed { store: self.open()?, micros: Vec::new() })
    }
}

/// A store and how long each of its commits took.
struct Timed {
    store: Box<dyn Store>,
    micros: Vec<u128>,
}

impl Timed {
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()> {
        let started = Instant::now();
        self.store.commit(ops)?;
        self.micros.push(started.elapsed().as_micros());
        Ok(())
    }

    /// Closes the store, and says what 99 % of the commits kept to, and the slowest.
    fn close(mut self) -> Result<String> {
        self.store.close()?;
        self.micros.sort_unstable();
        let p99 = self.micros.get(self.micros.len() * 99 / 100).copied().unwrap_or(0);
        let slowest = self.micros.last().copied().unwrap_or(0);
        Ok(format!("commit p99 {:.2} ms, slowest {:.1} ms", p99 as f64 / 1e3, slowest as f64 / 1e3))
    }
}

/// A well-mixed function of `n` (splitmix64): random enough for keys and bodies, and repeatable.
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random bytes that do not compress.
pub struct Pool(Vec<u8>);

impl Pool {
    /// Fills the pool.
    pub fn new() -> Self {
        Self((0..POOL_BYTES as u64 / 8).flat_map(|n| mix(n).to_le_bytes()).collect())
    }

    /// The body of envelope `id`.
    pub fn body(&self, id: u64) -> &[u8] {
        let at = mix(!id) as usize % (POOL_BYTES - BODY_BYTES);
        &self.0[at..at + BODY_BYTES]
    }
}

fn ids(from: u64) -> Vec<[u8; 8]> {
    (from..from + CALL).map(u64::to_be_bytes).collect()
}

/// Sends, receives and deletes envelopes in calls of ten, with about `backlog` of them waiting.
pub fn queue(job: &Job<'_>, backlog: u64) -> Result<()> {
    let pool = Pool::new();
    let meter = Meter::start()?;
    let mut store = job.open_timed()?;
    let mut phases = [0.0; 3];
    let mut phase = |phase: usize, before: &mut f64| -> Result<()> {
        let now = meter.cpu()?;
        phases[phase] += now - *before;
        *before = now;
        Ok(())
    };
    let mut cpu = meter.cpu()?;
    let (mut sent, mut received) = (0, 0);
    while received < job.items {
        if sent < job.items && sent - received < backlog {
            let keys = ids(sent);
            let ops: Vec<_> =
                keys.iter().zip(sent..).map(|(key, id)| Op::Put(Table::Bodies, key, pool.body(id))).collect();
            store.commit(&ops)?;
            sent += CALL;
            phase(0, &mut cpu)?;
            continue;
        }
        let keys = ids(received);
        let slices: Vec<_> = keys.iter().map(|key| key.as_slice()).collect();
        let mut right = 0;
        store.store.get_many(Table::Bodies, &slices, &mut |at, body| {
            let expected = pool.body(received + at as u64);
            right +=
                u64::from(body.is_some_and(|body| body[..64] == expected[..64] && body.len() == BODY_BYTES));
        })?;
        ensure!(right == CALL, "{right} of {CALL} bodies are as sent");
        let count = [1; 12];
        store.commit(&slices.iter().map(|key| Op::Put(Table::Counts, key, &count)).collect::<Vec<_>>())?;
        phase(1, &mut cpu)?;
        let deletes: Vec<_> = slices
            .iter()
            .flat_map(|key| [Op::Delete(Table::Bodies, key), Op::Delete(Table::Counts, key)])
            .collect();
        store.commit(&deletes)?;
        received += CALL;
        phase(2, &mut cpu)?;
    }
    let before_close = meter.cpu()?;
    let commits = store.close()?;
    let close = meter.cpu()? - before_close;
    let name = if backlog < job.items { "queue, steady" } else { "queue, all then drain" };
    let [send, receive, delete] = phases;
    let note =
        format!("CPU: send {send:.2}, receive {receive:.2}, delete {delete:.2}, close {close:.2}; {commits}");
    meter.row(name, job.candidate, job.dir, &note)
}

/// Claims and completes every record, `group` to a commit.
pub fn ledger(job: &Job<'_>, group: usize) -> Result<()> {
    let keys: Vec<Vec<u8>> = (0..job.items)
        .map(|n| {
            let mut key = b"campaign-0123456".to_vec();
            key.extend(((n / SHARD_BATCHES) as u16).to_be_bytes());
            key.extend(((n % SHARD_BATCHES) as u32).to_be_bytes());
            key
        })
        .collect();
    // Batches come from the queue in about the order of sending; workers interleave 50 shards.
    let shards = job.items.div_ceil(SHARD_BATCHES);
    let order: Vec<&[u8]> = (0..job.items)
        .filter_map(|n| keys.get((n % shards * SHARD_BATCHES + n / shards) as usize).map(Vec::as_slice))
        .collect();
    let (claim, complete) = ([7; 60], [1; 400]);
    let meter = Meter::start()?;
    let mut store = job.open_timed()?;
    // Completions trail the claims by about two thousand batches in flight.
    let chunks: Vec<_> = order.chunks(group).collect();
    let lag = 2_000 / group;
    for step in 0..chunks.len() + lag {
        for (chunk, value, expect) in [
            (chunks.get(step), claim.as_slice(), None),
            (step.checked_sub(lag).and_then(|step| chunks.get(step)), complete.as_slice(), Some(claim.len())),
        ] {
            let Some(chunk) = chunk else { continue };
            let mut right = 0;
            store.store.get_many(Table::Ledger, chunk, &mut |_, found| {
                right += usize::from(found.map(<[u8]>::len) == expect)
            })?;
            ensure!(right == chunk.len(), "{right} of {} records are as written", chunk.len());
            store.commit(&chunk.iter().map(|key| Op::Put(Table::Ledger, key, value)).collect::<Vec<_>>())?;
        }
    }
    let commits = store.close()?;
    meter.row(&format!("ledger, {group} to a commit"), job.candidate, job.dir, &commits)
}

fn device_key(n: u64) -> Vec<u8> {
    let mut key = mix(n).to_be_bytes().to_vec();
    key.extend(format!("u{n:08}").as_bytes());
    key
}

/// About 150 bytes, of which a token's 32 random bytes and more do not compress.
fn device_value(n: u64) -> Vec<u8> {
    let mut value: Vec<u8> = (0..12).flat_map(|part| mix(n.wrapping_mul(31) + part).to_le_bytes()).collect();
    value.extend(b"{ios;production;de-DE;Europe/Berlin;registered=1700000");
    value
}

/// Imports devices in the order of their user ids, which is random in the order of their keys, `chunk` to a commit;
/// if `sort`, each chunk is sorted by key first.
pub fn devices_import(job: &Job<'_>, chunk: u64, sort: bool) -> Result<()> {
    let meter = Meter::start()?;
    let mut store = job.open()?;
    for from in (0..job.items).step_by(chunk as usize) {
        let mut chunk: Vec<_> =
            (from..job.items.min(from + chunk)).map(|n| (device_key(n), device_value(n))).collect();
        if sort {
            chunk.sort_unstable();
        }
        store.commit(
            &chunk.iter().map(|(key, value)| Op::Put(Table::Devices, key, value)).collect::<Vec<_>>(),
        )?;
    }
    let before_close = meter.started_seconds();
    store.close()?;
    let close = meter.started_seconds() - before_close;
    let sorted = if sort { ", sorted chunks" } else { "" };
    let name = format!("devices, import {} k by {} k{sorted}", job.items / 1000, chunk / 1000);
    meter.row(&name, job.candidate, job.dir, &format!("close {close:.2} s"))
}

/// Opens, commits one chunk again, says so and waits to be killed.
pub fn devices_hang(job: &Job<'_>) -> Result<()> {
    let mut store = job.open()?;
    let chunk: Vec<_> = (0..job.items.min(IMPORT_CHUNK)).map(|n| (device_key(n), device_value(n))).collect();
    store
        .commit(&chunk.iter().map(|(key, value)| Op::Put(Table::Devices, key, value)).collect::<Vec<_>>())?;
    println!("committed");
    loop {
        std::thread::park();
    }
}

/// After a kill: opens; reads every device in runs of sorted keys; reads single ones at random.
pub fn devices_read(job: &Job<'_>) -> Result<()> {
    let mut order: Vec<(u64, u32)> = (0..job.items).map(|n| (mix(n), n as u32)).collect();
    order.sort_unstable();
    let meter = Meter::start()?;
    let store = job.open()?;
    meter.row("devices, open after kill -9", job.candidate, job.dir, "")?;

    let meter = Meter::start()?;
    let mut found = 0;
    for run in order.chunks(order.len().div_ceil(READ_RUNS as usize)) {
        for call in run.chunks(READ_CALL) {
            let keys: Vec<_> = call.iter().map(|&(_, n)| device_key(n.into())).collect();
            let slices: Vec<_> = keys.iter().map(Vec::as_slice).collect();
            store.get_many(Table::Devices, &slices, &mut |_, value| found += u64::from(value.is_some()))?;
        }
    }
    ensure!(found == job.items, "{found} of {} devices found", job.items);
    meter.row(&format!("devices, read {} k sorted", job.items / 1000), job.candidate, job.dir, "")?;

    let meter = Meter::start()?;
    let mut found = 0;
    for run in order.chunks(order.len().div_ceil(READ_RUNS as usize)) {
        let (Some(&(_, first)), Some(&(_, last))) = (run.first(), run.last()) else { continue };
        let (from, to) = (device_key(first.into()), device_key(last.into()));
        store.scan(Table::Devices, &from, &to, &mut |key, value| {
            found += u64::from(key.len() > 8 && !value.is_empty())
        })?;
    }
    ensure!(found == job.items, "{found} of {} devices scanned", job.items);
    meter.row(&format!("devices, scan {} k by ranges", job.items / 1000), job.candidate, job.dir, "")?;

    let meter = Meter::start()?;
    for n in 0..SINGLE_GETS.min(job.items) {
        let key = device_key(mix(n) % job.items);
        let mut there = false;
        store.get_many(Table::Devices, &[&key], &mut |_, value| there = value.is_some())?;
        ensure!(there, "a device is missing");
    }
    meter.row("devices, 100 k single gets", job.candidate, job.dir, "")?;
    store.close()
}
