//! How fast lists are read and snapshots are built, and with how much memory, on the embedded backend:
//! `cargo run --release -p audience --example speed -- [USERS] [CONCURRENCY]`.

use audience::build::{OnProgress, Progress};
use audience::devices_file::DeviceReader;
use audience::{BuildJob, UploadCheck, build};
use common::campaign::{Campaign, Decision, ListFormat, Options, Stamp, Upload};
use common::content::Content;
use common::ids::WorkerId;
use common::ports::{Backend, PutMode};
use common::snapshot::keys;
use common::time::{Clock, SystemClock, UnixMs};
use embedded::EmbeddedConfig;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;
const ROWS: u64 = 200_000;

/// Rows of devices: every third user has two, and one in a hundred devices stands under another user as well.
fn devices(users: std::ops::Range<u64>) -> Result<String> {
    let mut text = String::from("user_id,platform,token,locale,registered_at\n");
    for n in users {
        let locale = ["en-US", "pt-BR", "de", "es-MX"][(n % 4) as usize];
        writeln!(
            text,
            "user-{n:08},apns,{:064x},{locale},{}",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            1_770_000_000 + n
        )?;
        if n % 3 == 0 {
            let device = if n % 100 == 0 { n + 3 } else { n };
            writeln!(text, "user-{n:08},fcm,fcm:{device:064x}{device:064x},{locale},{}", 1_770_000_000 + n)?;
        }
    }
    Ok(text)
}

async fn import(backend: &Backend, users: u64) -> Result<()> {
    let (mut took, mut parsing, mut rows) = (0.0, 0.0, 0);
    for from in (0..users).step_by(ROWS as usize) {
        let text = devices(from..users.min(from + ROWS))?;
        let start = Instant::now();
        let mut reader = DeviceReader::new(None, None, UnixMs(0))?;
        let mut batch = Vec::with_capacity(ROWS as usize * 2);
        for chunk in text.as_bytes().chunks(64 * 1024) {
            reader.feed(chunk, |row| batch.extend(row.ok().map(|r| r.row)))?;
        }
        rows += reader.finish(|_| {})?.rows;
        parsing += start.elapsed().as_secs_f64();
        backend.devices.upsert(batch, &mut vec![]).await?;
        took += start.elapsed().as_secs_f64();
    }
    let all = rows as f64;
    println!("devices: {rows} rows parsed at {:.0}/s, imported at {:.0}/s", all / parsing, all / took);
    Ok(())
}

fn check(list: &[u8], what: &str) -> Result<()> {
    let start = Instant::now();
    let mut check = UploadCheck::new(None, None)?;
    for chunk in list.chunks(64 * 1024) {
        check.feed(chunk)?;
    }
    let facts = check.finish()?;
    let took = start.elapsed().as_secs_f64();
    println!("check of {what}: {} lines in {took:.2} s, {:.0}/s", facts.lines, facts.lines as f64 / took);
    Ok(())
}

/// Peak of the resident memory since it was reset, in MiB.
fn peak_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).unwrap_or("0").parse::<u64>()?;
    std::fs::write("/proc/self/clear_refs", "5")?;
    Ok(kib / 1024)
}

/// Prints how long each stage took, and its peak of memory.
fn stages() -> OnProgress {
    let last = Mutex::new((String::new(), Instant::now()));
    Arc::new(move |p: Progress| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != p.stage {
            if !last.0.is_empty() {
                println!(
                    "  {}: {:.2} s, {} MiB",
                    last.0,
                    last.1.elapsed().as_secs_f64(),
                    peak_mib().unwrap_or(0)
                );
            }
            *last = (p.stage.to_owned(), Instant::now());
        }
    })
}

async fn building(backend: &Backend, list: Vec<u8>, concurrency: usize) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let stamp = Stamp::new("speed", clock.now());
    let draft = Campaign::new("speed", Content::english("a", "b"), Options::default(), stamp.clone());
    let object = keys::upload(draft.id, "list");
    let bytes = list.len() as u64;
    backend.objects.put(&object, list.into(), PutMode::Replace).await?;
    let upload = Upload { object, format: ListFormat::Plain, bytes, stamp };
    let Decision::Change(campaign) = draft.upload(upload) else { return Err("not taken".into()) };
    backend.campaigns.create(&campaign).await?;
    println!("before: {} MiB", peak_mib()?);
    let start = Instant::now();
    let job = BuildJob {
        backend: backend.clone(),
        clock,
        campaign: *campaign,
        holder: WorkerId(1),
        concurrency,
        progress: stages(),
    };
    let built = Box::pin(build(job)).await?;
    let took = start.elapsed().as_secs_f64();
    println!("  the last stage and the end: {} MiB", peak_mib()?);
    println!(
        "built {} of {} users in {took:.2} s: {:.0}/s",
        built.users,
        built.uploaded,
        built.uploaded as f64 / took
    );
    println!("{:?} {:?} {:?}", built.devices, built.dropped, built.dropped_devices);
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let number = |n: usize, or: u64| std::env::args().nth(n).map_or(Ok(or), |s| s.parse());
    let (users, concurrency) = (number(1, 1_000_000)?, number(2, 2)?);
    let dir = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = embedded::open(EmbeddedConfig::new(dir.path()), clock)?;
    import(&store.backend, users).await?;
    let list: Vec<u8> = (0..users)
        .flat_map(|n| format!("user-{:08}\n", n.wrapping_mul(7_919) % users).into_bytes())
        .collect();
    check(&list, "plain lines")?;
    check(&zstd::encode_all(&list[..], 3)?, "plain lines in zstd")?;
    building(&store.backend, list, usize::try_from(concurrency)?).await
}
