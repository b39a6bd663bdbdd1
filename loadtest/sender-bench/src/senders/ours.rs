//! The whole push worker on the embedded backend, one lane: receive, decode, claim, render, send, parse, classify, write down
//! in the ledger, delete; with its looks, heartbeats and counters, as `owl up` runs it. The snapshot and the envelopes are
//! made before; what is measured begins when the queue hands out the first envelope that counts and ends when the last one
//! is deleted.

use super::gate::Gate;
use super::world::World;
use crate::job::{Figures, Gateway as Which, Job, Measure};
use crate::meter::{MemoryMeter, Meter};
use anyhow::{Context, Result, bail, ensure};
use common::time::{Clock, SystemClock};
use embedded::EmbeddedConfig;
use loadtest::gateways::GatewayInfo;
use push_worker::apns::{ApnsConfig, ApnsGateway, ApnsKind};
use push_worker::fcm::{FcmConfig, FcmGateway, FcmKind};
use push_worker::gateway::Gateway;
use push_worker::{MakeGateways, PushConfig, PushWorker};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Users, and so devices, of a batch.
const BATCH: u64 = common::limits::BATCH_USERS_DEFAULT as u64;
/// How long the worker may take to be ready: a connection is dialled every 10 ms.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Runs the job.
pub fn run(job: &Job, info: &GatewayInfo) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dir = tempfile::Builder::new().prefix("sender-bench-").tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let embedded = embedded::open(EmbeddedConfig::new(dir.path()), Arc::clone(&clock))?;
    let figures = runtime.block_on(drain(job, info, &embedded.backend, clock));
    drop(runtime);
    embedded.close();
    figures
}

async fn drain(
    job: &Job,
    info: &GatewayInfo,
    backend: &common::ports::Backend,
    clock: Arc<dyn Clock>,
) -> Result<Figures> {
    let warm_up = if job.measure == Measure::Memory { BATCH } else { job.warm_up() };
    let users = warm_up + job.requests;
    let world = World::pressed(backend, &clock, job.gateway, users).await?;
    let envelopes = world.send_batches().await?;
    let gate = Gate::before(Arc::clone(&backend.batches));
    let mut gated = backend.clone();
    gated.batches = Arc::clone(&gate) as Arc<_>;
    let memory = MemoryMeter::start()?;
    let make = gateways(job, info, &clock)?;
    let worker = Arc::new(PushWorker::new(gated, clock, config(job), make));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&worker).run(shutdown.clone()));
    ready(job, &worker).await?;
    // Shards are cut by hash, so batches are not all full; the share that counts is what is left.
    let first = envelopes * warm_up as usize / users as usize;
    gate.let_through(first, first).await;
    let before = world.accepted().await?;
    let meter = Meter::start()?;
    gate.let_through(envelopes - first, envelopes).await;
    let figures = meter.stop(users - before, 0)?;
    let grown_bytes = if job.measure == Measure::Memory { Some(memory.grown()?) } else { None };
    let accepted = world.accepted().await? - before;
    shutdown.cancel();
    running.await?;
    Ok(Figures { accepted, grown_bytes, ..figures })
}

/// The defaults, but one lane, and room for as many devices as the row has in flight, twice.
fn config(job: &Job) -> PushConfig {
    let defaults = PushConfig::default();
    let devices_in_flight = defaults.devices_in_flight.max(2 * job.in_flight() as usize);
    PushConfig { lanes: 1, devices_in_flight, ..defaults }
}

async fn ready(job: &Job, worker: &PushWorker) -> Result<()> {
    let began = Instant::now();
    loop {
        let row = worker.row();
        let connected = row.links.iter().any(|link| link.connections >= u32::from(job.connections));
        if row.ready && connected {
            return Ok(());
        }
        if began.elapsed() > READY_WITHIN {
            bail!("the worker is not ready: {:?}", row.trouble);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn gateways(job: &Job, info: &GatewayInfo, clock: &Arc<dyn Clock>) -> Result<MakeGateways> {
    let clock = Arc::clone(clock);
    ensure!(job.measure != Measure::Latency, "a batch is not a request: its gateway is measured instead");
    Ok(match job.gateway {
        Which::Apns => {
            let setup = Arc::new(apns(info, job.connections).check().context("[apns]")?);
            Arc::new(move || {
                vec![Box::new(ApnsGateway::new(Arc::clone(&setup), Arc::clone(&clock))) as Box<dyn Gateway>]
            })
        }
        Which::Fcm => {
            let setup = Arc::new(fcm(info, job.connections).check().context("[fcm]")?);
            Arc::new(move || {
                vec![Box::new(FcmGateway::new(Arc::clone(&setup), Arc::clone(&clock))) as Box<dyn Gateway>]
            })
        }
    })
}

/// For a stand-in.
pub fn apns(info: &GatewayInfo, connections: u16) -> ApnsConfig {
    ApnsConfig {
        kind: ApnsKind::Rehearsal,
        endpoint: info.endpoint(&info.apns),
        ca_file: Some(info.ca_file.clone()),
        key_file: Some(info.apns_key_file.clone()),
        key: None,
        key_id: info.apns_key_id.clone(),
        team_id: info.apns_team_id.clone(),
        topic: info.apns_topic.clone(),
        connections,
    }
}

/// For a stand-in.
pub fn fcm(info: &GatewayInfo, connections: u16) -> FcmConfig {
    FcmConfig {
        kind: FcmKind::Rehearsal,
        endpoint: info.endpoint(&info.fcm),
        ca_file: Some(info.ca_file.clone()),
        service_account_file: Some(info.fcm_service_account_file.clone()),
        service_account: None,
        project: None,
        connections,
        quota_per_minute: None,
    }
}
