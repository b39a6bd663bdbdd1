//! What SQS costs this process: CPU time for each message sent, received and deleted, and how long the batches of a
//! shard (80 calls of ten envelopes of 11 KB, many at a time) take. Against the stand-in, so the time is the stand-in's.
//!
//! `cargo run --release -p aws --features standin --example queue_speed [IN_FLIGHT]`

use aws::sqs::{Kind, open_queue};
use aws::standin::{fresh_prefix, make_queues, shared};
use aws::{AwsConfig, Clients};
use common::envelope::NewEnvelope;
use common::ports::Queue;
use futures::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLS: usize = 80;
const ENVELOPE_BYTES: usize = 11_000;

/// User and system time of this process so far, all threads (Linux counts it in hundredths of a second).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn report(what: &str, messages: usize, (cpu_before, began): (Duration, Instant)) {
    let (cpu, took) = (cpu() - cpu_before, began.elapsed());
    let each = cpu.as_secs_f64() * 1e3 / messages.max(1) as f64;
    println!("{what}: {messages} messages in {took:.2?}, {each:.3} ms of CPU each");
}

async fn send(queue: &Arc<dyn Queue>, in_flight: usize) {
    let call: Vec<_> = (0..10_u8).map(|n| NewEnvelope::plain(vec![n; ENVELOPE_BYTES].into())).collect();
    let mut sends = futures::stream::iter(0..CALLS).map(|_| queue.send(&call)).buffer_unordered(in_flight);
    while let Some(answer) = sends.next().await {
        if let Err(error) = answer {
            println!("not sent: {error}");
        }
    }
}

async fn drain(queue: &Arc<dyn Queue>, receivers: usize) -> usize {
    let one = || async {
        let mut count = 0;
        while let Ok(got) = queue.receive(10, Duration::from_secs(1), Duration::from_secs(60)).await {
            if got.is_empty() {
                break;
            }
            count += got.len();
            let acks: Vec<_> = got.into_iter().map(|r| r.ack).collect();
            drop(queue.delete(&acks).await);
        }
        count
    };
    futures::future::join_all((0..receivers).map(|_| one())).await.into_iter().sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let in_flight = std::env::args().nth(1).map_or(Ok(8), |n| n.parse())?;
    let endpoint = shared()?.endpoint().to_owned();
    let config = AwsConfig { endpoint: Some(endpoint), prefix: fresh_prefix(), ..AwsConfig::default() };
    let clients = Clients::new(&config).await;
    make_queues(&clients.sqs, &config.prefix).await?;
    let queue = open_queue(&clients, &config, Kind::Standard).await?;
    for round in ["first", "warm", "warm"] {
        let began = (cpu(), Instant::now());
        send(&queue, in_flight).await;
        report(&format!("{round}: send, {in_flight} calls in flight"), CALLS * 10, began);
        let began = (cpu(), Instant::now());
        let got = drain(&queue, 4).await;
        report(&format!("{round}: receive and delete"), got, began);
    }
    Ok(())
}
