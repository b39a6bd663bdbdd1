//! One sender each, all against the same interface: warm up, then do what the job says, measured.

mod a2;
mod fcm;
mod gate;
mod gateway;
mod h2;
mod h2load;
mod hyper;
mod one_by_one;
mod ours;
mod tls;
mod wire;
mod world;

use crate::job::{Figures, Job, Sender};
use crate::meter;
use anyhow::{Context, Result};
pub use h2load::version as h2load_version;
use loadtest::gateways::GatewayInfo;
use tokio::task::LocalSet;

/// Runs a job in this process.
pub fn run(job: &Job) -> Result<Figures> {
    meter::pin(job.core)?;
    let text = std::fs::read(&job.info).with_context(|| format!("cannot read {}", job.info.display()))?;
    let info: GatewayInfo = serde_json::from_slice(&text)?;
    match job.sender {
        Sender::Ours => ours::run(job, &info),
        Sender::H2load => h2load::run(job, &info),
        Sender::OurGateway => on_one_thread(gateway::run(job, &info)),
        Sender::Wire => on_one_thread(wire::run(job, &info)),
        Sender::H2 => on_one_thread(h2::run(job, &info)),
        Sender::Hyper => on_one_thread(hyper::run(job, &info)),
        Sender::A2 => on_one_thread(a2::run(job, &info)),
        Sender::FcmV1 => on_one_thread(fcm::run(job, &info)),
    }
}

fn on_one_thread<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}
