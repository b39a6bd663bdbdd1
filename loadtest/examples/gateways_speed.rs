//! How many requests a second the stand-in gateways answer, with `wire`'s own sender on one thread:
//! `owl gateways --mode sink --dir gw --apns-streams-until-proven 1000`, and then
//! `cargo run --release -p loadtest --example gateways_speed -- gw/gateways.json`. The sink looks at nothing, so these requests
//! need no credentials.

use std::cell::Cell;
use std::error::Error;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Parser;
use loadtest::gateways::{AdminClient, GatewayInfo};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::task::{JoinSet, LocalSet};
use wire::driver::{Ended, Pool, PoolSettings, Shape, Target, Terms, client_tls};
use wire::{Config, Outcome, Policy, Request, Template};

/// Requests of a group: a batch's devices.
const GROUP: u64 = 100;
const PAYLOAD: &[u8] = br#"{"aps":{"alert":{"title":"Superb owl","body":"Do your lesson"}}}"#;

#[derive(Parser)]
struct Flags {
    /// What the gateways wrote of themselves.
    gateways: PathBuf,
    /// Connections to the APNs stand-in.
    #[arg(long, default_value_t = 4)]
    connections: u16,
    /// Requests of each round.
    #[arg(long, default_value_t = 2_000_000)]
    requests: u64,
    /// Rounds, after a tenth of one to warm up.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    LocalSet::new().run_until(run(Flags::parse())).await
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let info: GatewayInfo = serde_json::from_slice(&std::fs::read(&flags.gateways)?)?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&info.ca_file)?)?;
    let port = info.apns.rsplit(':').next().ok_or("an address without a port")?.parse()?;
    let target =
        Target { host: info.server_name.clone(), port, tls: client_tls(roots)?, permits: |_| Ok(()) };
    let settings = PoolSettings { target, connections: flags.connections, connection: Config::default() };
    let pool = Rc::new(Pool::open(settings));
    pool.ready(Duration::from_secs(10)).await?;
    let template = Rc::new(
        Template::to_paths_below(&info.server_name, "/3/device/")
            .with("apns-topic", info.apns_topic.as_str(), Policy::Indexed)
            .with("apns-push-type", "alert", Policy::Indexed),
    );
    let groups = u64::from(flags.connections) * 2 * 1_000 / GROUP;
    let admin = AdminClient::new(&info.admin);
    all(&pool, &template, groups, flags.requests / 10).await;
    for round in 1..=flags.rounds {
        let (before, start) = (admin.summary().await?, Instant::now());
        let accepted = all(&pool, &template, groups, flags.requests).await;
        let (took, after) = (start.elapsed().as_secs_f64(), admin.summary().await?);
        let cpu = after.cpu_seconds.unwrap_or(0.0) - before.cpu_seconds.unwrap_or(0.0);
        let requests = flags.requests as f64;
        println!(
            "round {round}: {accepted} of {} accepted, {:.0} a second; gateways {:.2} us of CPU a request, so {:.0} a second and core",
            flags.requests,
            requests / took,
            cpu / requests * 1e6,
            requests / cpu
        );
    }
    Ok(())
}

/// Sends so many requests, some groups at a time. Answers how many were accepted.
async fn all(pool: &Rc<Pool>, template: &Rc<Template>, groups: u64, requests: u64) -> u64 {
    let (next, accepted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..groups {
        let (pool, template) = (Rc::clone(pool), Rc::clone(template));
        let (next, accepted) = (Rc::clone(&next), Rc::clone(&accepted));
        tasks.spawn_local(async move {
            loop {
                let from = next.replace(next.get() + GROUP);
                if from >= requests {
                    return;
                }
                let good = group(&pool, &template, from, GROUP.min(requests - from)).await;
                accepted.set(accepted.get() + good);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    accepted.get()
}

async fn group(pool: &Pool, template: &Template, from: u64, count: u64) -> u64 {
    let tokens: Vec<String> = (from..from + count).map(|number| format!("{number:064x}")).collect();
    let requests = tokens
        .iter()
        .zip(0..)
        .map(|(token, tag)| Request { tag, path: token.as_bytes(), own: &[], body: PAYLOAD })
        .collect();
    let shape = Shape { template, body_begins: b"", body_ends: b"" };
    let terms = Terms { may_write: &|| true, patience: Duration::from_secs(10) };
    let ended = pool.send(shape, requests, terms).await;
    let good = |ended: &&Ended| matches!(&ended.outcome, Outcome::Answered(answer) if answer.status == 200);
    ended.iter().filter(good).count() as u64
}
