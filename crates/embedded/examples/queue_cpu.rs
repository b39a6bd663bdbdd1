//! CPU seconds of the embedded queue and ledger through their ports: 40,000 envelopes of 11 KB through send, receive and
//! delete; 40,000 batches of 100 devices through claim and complete; all in tens, four tasks at a time.
//!
//!     cargo run --release -p embedded --example queue_cpu [DIR] [--fsync]

use bytes::Bytes;
use common::device::Platform;
use common::envelope::NewEnvelope;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo, WorkerId};
use common::ledger::{ClaimAnswer, ClaimRequest, CompleteRequest, DeviceResult};
use common::outcome::Outcome;
use common::ports::{Backend, PortError};
use common::time::{Clock, SystemClock};
use embedded::EmbeddedConfig;
use futures::future::try_join_all;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENVELOPES: u32 = 40_000;
const BODY_BYTES: usize = 11_000;
const TASKS: u32 = 4;
const LEASE: Duration = Duration::from_secs(600);

type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Done {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let scratch = tempfile::tempdir()?;
    let dir = args.iter().find(|a| !a.starts_with("--")).map_or(scratch.path().to_owned(), Into::into);
    let mut config = EmbeddedConfig::new(dir);
    config.fsync = args.iter().any(|a| a == "--fsync");
    let clock = Arc::new(SystemClock::default());
    let opened = embedded::open(config.clone(), clock.clone())?;
    let backend = opened.backend.clone();
    println!("fsync {}; {ENVELOPES} envelopes of {BODY_BYTES} bytes, {TASKS} tasks", config.fsync);
    let all = cpu()?;
    measure("queue: send", |task| send(backend.clone(), task)).await?;
    measure("queue: receive and delete", |_| drain(backend.clone())).await?;
    println!("queue: all                    {:.2} s of CPU", cpu()? - all);
    measure("queue: all of it, interleaved", |task| interleaved(backend.clone(), task)).await?;
    let (campaign, now) = (CampaignId::random(), clock.now());
    measure("ledger: claim and complete", |task| ledger(backend.clone(), campaign, task, now)).await?;
    measure("ledger: read every bucket", |task| buckets(backend.clone(), campaign, task)).await?;
    drop(backend);
    opened.close();
    let begun = (Instant::now(), cpu()?);
    drop(embedded::open(config, clock)?);
    println!(
        "open again                    {:.2} s of CPU, {:.2} s",
        cpu()? - begun.1,
        begun.0.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn measure<F: Future<Output = Done> + Send + 'static>(what: &str, task: impl Fn(u32) -> F) -> Done {
    let (cpu_before, begun) = (cpu()?, Instant::now());
    for done in try_join_all((0..TASKS).map(|n| tokio::spawn(task(n)))).await? {
        done?;
    }
    println!("{what:<29} {:.2} s of CPU, {:.2} s", cpu()? - cpu_before, begun.elapsed().as_secs_f64());
    Ok(())
}

/// Ten envelopes. Each body is an allocation of its own, as an expansion makes them.
fn ten(task: u32, step: u32) -> Vec<NewEnvelope> {
    let fill = u8::try_from((task + step) % 251).unwrap_or(0);
    (0..10).map(|_| NewEnvelope::plain(Bytes::from(vec![fill; BODY_BYTES]))).collect()
}

async fn send(backend: Backend, task: u32) -> Done {
    for step in 0..ENVELOPES / TASKS / 10 {
        backend.batches.send(&ten(task, step)).await?;
    }
    Ok(())
}

async fn take(backend: &Backend) -> Result<bool, PortError> {
    let got = backend.batches.receive(10, Duration::ZERO, LEASE).await?;
    let acks: Vec<_> = got.iter().map(|r| r.ack.clone()).collect();
    backend.batches.delete(&acks).await?;
    Ok(!acks.is_empty())
}

async fn drain(backend: Backend) -> Done {
    while take(&backend).await? {}
    Ok(())
}

async fn interleaved(backend: Backend, task: u32) -> Done {
    for step in 0..ENVELOPES / TASKS / 10 {
        backend.batches.send(&ten(task, step)).await?;
        take(&backend).await?;
    }
    Ok(())
}

async fn ledger(backend: Backend, campaign: CampaignId, task: u32, now: common::time::UnixMs) -> Done {
    let shard = ShardNo(u16::try_from(task)?);
    for step in 0..ENVELOPES / TASKS / 10 {
        let ask = |n| ClaimRequest {
            key: BatchKey { shard, number: BatchNo(step * 10 + n) },
            epoch: Epoch(1),
            holder: WorkerId(1),
            lease: LEASE,
            blank: vec![Outcome::Unsent.to_byte(Platform::Apns); 100],
            only: Vec::new(),
            resend_ambiguous: false,
            now,
        };
        let asks: Vec<_> = (0..10).map(ask).collect();
        let answers = backend.ledger.claim_many(campaign, &asks).await?;
        let result = |index| DeviceResult { index, outcome: Outcome::Accepted, at: now, dead_since: None };
        let done = |(ask, answer): (&ClaimRequest, ClaimAnswer)| match answer {
            ClaimAnswer::Granted { fence, .. } => Some(CompleteRequest {
                key: ask.key,
                fence,
                results: (0..100).map(result).collect(),
                sent_at: Some(now),
                now,
            }),
            _ => None,
        };
        let done: Vec<_> = asks.iter().zip(answers).filter_map(done).collect();
        backend.ledger.complete_many(campaign, &done).await?;
    }
    Ok(())
}

async fn buckets(backend: Backend, campaign: CampaignId, task: u32) -> Done {
    for bucket in 0..ENVELOPES / TASKS / 100 {
        backend.ledger.bucket(campaign, ShardNo(u16::try_from(task)?), bucket).await?;
    }
    Ok(())
}

/// User and system time of this process so far, in seconds, as Linux counts them (in hundredths).
fn cpu() -> Result<f64, std::io::Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}
