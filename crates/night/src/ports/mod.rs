//! The backend as one process sees it: every call takes its time, may fail, may be carried out and not answered, and goes on
//! without whoever made it. Below them are the ports of the model backend, which the contract's suite holds to their contract.

mod campaigns;
mod ledger;
mod objects;
mod queue;
mod rest;

pub(crate) use ledger::place;

use crate::process::Process;
use crate::world::{Way, World};
use common::ports::{Backend, PortError};
use contract::memory::Call;
use std::sync::Arc;
use tokio::sync::oneshot;

/// One process's way to the backend.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) world: Arc<World>,
    pub(crate) process: Arc<Process>,
}

fn unavailable(call: Call) -> PortError {
    PortError::Unavailable { what: call.label(), why: "it is that kind of night".to_owned() }
}

/// What workers ask all the time: not worth a line in the trace.
fn is_dull(call: Call) -> bool {
    matches!(
        call,
        Call::CampaignsGet
            | Call::CampaignsSlot
            | Call::CampaignsList
            | Call::FleetBeat
            | Call::FleetWorkers
            | Call::FleetCount
            | Call::FleetCounters
            | Call::LedgerBucket
            | Call::LedgerShards
            | Call::ShardsDepth
            | Call::BatchesDepth
            | Call::AuditAppend
            | Call::ShardsReceive
            | Call::BatchesReceive
    )
}

impl Line {
    /// One call: there, the effect, and back. What has left is carried out even when whoever made it is gone or has given up.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: Call,
        n: usize,
        effect: impl Future<Output = Result<T, PortError>> + Send + 'static,
    ) -> Result<T, PortError> {
        self.process.alive().await;
        let way = self.world.way(call);
        let (answer, answered) = oneshot::channel();
        let line = self.clone();
        tokio::spawn(async move {
            let result = line.carry(call, n, way, effect).await;
            // Whoever made the call may be gone.
            let _ = answer.send(result);
        });
        let result = answered.await.unwrap_or_else(|_| Err(unavailable(call)));
        self.process.alive().await;
        result
    }

    async fn carry<T>(
        &self,
        call: Call,
        n: usize,
        way: Way,
        effect: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        tokio::time::sleep(way.there).await;
        self.world.hit(&self.process, call, false);
        if way.fails {
            self.world.note(&self.process, call.label(), "fails", [n as u64, 0], is_dull(call));
            tokio::time::sleep(way.back).await;
            return Err(unavailable(call));
        }
        let result = effect.await;
        let how = if way.loses { "done, answer lost" } else { "" };
        self.world.note(&self.process, call.label(), how, [n as u64, 0], is_dull(call) && !way.loses);
        self.world.hit(&self.process, call, true);
        tokio::time::sleep(way.back).await;
        if way.loses { Err(unavailable(call)) } else { result }
    }

    /// All ports.
    pub(crate) fn backend(&self) -> Backend {
        let parts = &self.world.parts;
        Backend {
            shards: Arc::new(queue::SimQueue::shards(self.clone())),
            batches: Arc::new(queue::SimQueue::batches(self.clone())),
            objects: Arc::new(objects::SimObjects(self.clone())),
            campaigns: Arc::new(campaigns::SimCampaigns(self.clone())),
            ledger: Arc::new(ledger::SimLedger(self.clone())),
            devices: Arc::new(rest::SimDevices(self.clone())),
            fleet: Arc::new(rest::SimFleet(self.clone())),
            audit: Arc::new(rest::SimAudit(self.clone())),
            // Nobody in these nights uses these.
            tokens: parts.tokens.clone(),
            webhooks: parts.webhooks.clone(),
            disk: None,
        }
    }
}
