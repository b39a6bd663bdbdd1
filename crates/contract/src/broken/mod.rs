//! Adapters that break the contract, each in one way: wrappers around the memory backend. The suite has to find every
//! one of them, or it would not find the same fault in a real adapter.

mod ledger;
mod objects;
mod queue;
mod tables;
mod tokens;
mod webhooks;

pub use ledger::LedgerFault;
pub use objects::ObjectFault;
pub use queue::QueueFault;
pub use tables::{AuditFault, CampaignFault, DeviceFault, FleetFault};
pub use tokens::TokenFault;
pub use webhooks::WebhookFault;

use crate::memory::{MemoryParts, MemorySubject};
use crate::suite::{Factory, Subject, Which};
use async_trait::async_trait;
use common::ports::{Backend, PortError};
use common::time::UnixMs;
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// In both of its queues.
    Queue(QueueFault),
    /// In its object store.
    Objects(ObjectFault),
    /// In its campaign records.
    Campaigns(CampaignFault),
    /// In its ledger.
    Ledger(LedgerFault),
    /// In its device table.
    Devices(DeviceFault),
    /// In its fleet's rows.
    Fleet(FleetFault),
    /// In its audit trail.
    Audit(AuditFault),
    /// In its access tokens.
    Tokens(TokenFault),
    /// In its webhooks, or their log.
    Webhooks(WebhookFault),
    /// It forgets everything at a restart.
    ForgetsAll,
}

/// A broken adapter, and the rules that must find it.
#[derive(Clone, Copy, Debug)]
pub struct Broken {
    /// What is wrong with it.
    pub fault: Fault,
    /// Rules that this fault breaks, at least.
    pub breaks: &'static [&'static str],
}

/// Every broken adapter.
#[must_use]
pub fn all() -> Vec<Broken> {
    let queues = queue::FAULTS.iter().map(|(f, breaks)| Broken { fault: Fault::Queue(*f), breaks });
    let ledgers = ledger::FAULTS.iter().map(|(f, breaks)| Broken { fault: Fault::Ledger(*f), breaks });
    let objects = objects::FAULTS.iter().map(|(f, breaks)| Broken { fault: Fault::Objects(*f), breaks });
    let forgets = Broken { fault: Fault::ForgetsAll, breaks: FORGOTTEN };
    let records = tables::all().into_iter().chain(tokens::all()).chain(webhooks::all());
    queues.chain(ledgers).chain(objects).chain(records).chain([forgets]).collect()
}

const FORGOTTEN: &[&str] = &[
    "shards.restart",
    "batches.restart",
    "shards.restart_dead",
    "shards.restart_dedup",
    "shards.restart_order",
    "batches.restart_delay",
    "objects.restart",
    "campaigns.restart",
    "ledger.restart",
    "devices.restart",
    "fleet.restart",
    "audit.restart",
    "tokens.restart",
    "webhooks.restart",
];

struct BrokenSubject {
    fault: Fault,
    memory: MemorySubject,
    backend: Backend,
}

impl BrokenSubject {
    fn new(fault: Fault) -> Self {
        let memory = MemorySubject::default();
        let backend = wrap(fault, &memory.parts);
        Self { fault, memory, backend }
    }
}

/// The ports onto these parts, with one of them broken.
#[must_use]
pub fn wrap(fault: Fault, parts: &MemoryParts) -> Backend {
    let whole = parts.backend();
    match fault {
        Fault::Queue(f) => Backend {
            shards: Arc::new(queue::BrokenQueue::new(f, parts.shards.clone())),
            batches: Arc::new(queue::BrokenQueue::new(f, parts.batches.clone())),
            ..whole
        },
        Fault::Objects(f) => {
            Backend { objects: Arc::new(objects::BrokenObjects(f, parts.objects.clone())), ..whole }
        }
        Fault::Campaigns(f) => {
            Backend { campaigns: Arc::new(tables::BrokenCampaigns(f, parts.campaigns.clone())), ..whole }
        }
        Fault::Ledger(f) => {
            Backend { ledger: Arc::new(ledger::BrokenLedger(f, parts.ledger.clone())), ..whole }
        }
        Fault::Devices(f) => {
            Backend { devices: Arc::new(tables::BrokenDevices(f, parts.devices.clone())), ..whole }
        }
        Fault::Fleet(f) => Backend { fleet: Arc::new(tables::BrokenFleet(f, parts.fleet.clone())), ..whole },
        Fault::Audit(f) => Backend { audit: Arc::new(tables::BrokenAudit(f, parts.audit.clone())), ..whole },
        Fault::Tokens(f) => {
            Backend { tokens: Arc::new(tokens::BrokenTokens(f, parts.tokens.clone())), ..whole }
        }
        Fault::Webhooks(f) => {
            Backend { webhooks: Arc::new(webhooks::BrokenWebhooks(f, parts.webhooks.clone())), ..whole }
        }
        Fault::ForgetsAll => whole,
    }
}

#[async_trait]
impl Subject for BrokenSubject {
    fn backend(&self) -> Backend {
        self.backend.clone()
    }

    fn now(&self) -> UnixMs {
        self.memory.now()
    }

    async fn advance(&mut self, by: Duration) {
        self.memory.advance(by).await;
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        if self.fault == Fault::ForgetsAll {
            self.memory.parts = self.memory.emptied();
        }
        self.backend = wrap(self.fault, &self.memory.parts);
        Ok(())
    }

    async fn fail_send_entries(&mut self, queue: Which, places: &[usize]) -> bool {
        self.memory.fail_send_entries(queue, places).await
    }
}

#[async_trait]
impl Factory for Broken {
    fn name(&self) -> String {
        format!("{:?}", self.fault)
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        Ok(Box::new(BrokenSubject::new(self.fault)))
    }
}
