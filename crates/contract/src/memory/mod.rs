//! A model backend in memory: every port, as plain as its contract allows. Tests of other crates run on it, make it
//! fail at will through [`Faults`], and look inside through [`MemoryParts`].
//!
//! It is durable only in the sense that the parts outlive the [`Backend`] made from them.

mod clock;
mod devices;
mod factory;
mod faults;
mod ledger;
mod objects;
mod queue;
mod tables;
mod webhooks;

pub use clock::TokioClock;
pub use devices::MemoryDevices;
pub use factory::{MemoryFactory, MemorySubject};
pub use faults::{Call, Faults};
pub use ledger::MemoryLedger;
pub use objects::MemoryObjects;
pub use queue::{BATCH_CALLS, Calls, MemoryQueue, SHARD_CALLS};
pub use tables::{MemoryAudit, MemoryCampaigns, MemoryFleet, MemoryTokens};
pub use webhooks::MemoryWebhooks;

use common::ports::Backend;
use common::queue::Rules;
use common::time::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A complete backend in memory.
#[must_use]
pub fn backend(clock: Arc<dyn Clock>) -> Backend {
    MemoryParts::new(clock).backend()
}

/// The parts of a memory backend, for looking inside and for wrapping single ports:
/// `Backend { ledger: Arc::new(MyWrapper(parts.ledger.clone())), ..parts.backend() }`.
#[derive(Clone)]
pub struct MemoryParts {
    /// The FIFO queue.
    pub shards: Arc<MemoryQueue>,
    /// The standard queue.
    pub batches: Arc<MemoryQueue>,
    /// The object store.
    pub objects: Arc<MemoryObjects>,
    /// Campaign records and the slot.
    pub campaigns: Arc<MemoryCampaigns>,
    /// The ledger.
    pub ledger: Arc<MemoryLedger>,
    /// The device table.
    pub devices: Arc<MemoryDevices>,
    /// Heartbeats and counters.
    pub fleet: Arc<MemoryFleet>,
    /// The audit trail.
    pub audit: Arc<MemoryAudit>,
    /// Access tokens.
    pub tokens: Arc<MemoryTokens>,
    /// Webhooks, and their log.
    pub webhooks: Arc<MemoryWebhooks>,
    /// Makes calls fail, and counts them.
    pub faults: Faults,
}

impl MemoryParts {
    /// Empty parts on this clock.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "every call site makes the Arc for this")]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let faults = Faults::default();
        let queue = |rules, calls| Arc::new(MemoryQueue::new(rules, clock.clone(), faults.clone(), calls));
        Self {
            shards: queue(Rules::fifo(), &SHARD_CALLS),
            batches: queue(Rules::standard(), &BATCH_CALLS),
            objects: Arc::new(MemoryObjects::new(faults.clone())),
            campaigns: Arc::new(MemoryCampaigns::new(faults.clone())),
            ledger: Arc::new(MemoryLedger::new(faults.clone())),
            devices: Arc::new(MemoryDevices::new(faults.clone())),
            fleet: Arc::new(MemoryFleet::new(faults.clone())),
            audit: Arc::new(MemoryAudit::new(faults.clone())),
            tokens: Arc::new(MemoryTokens::new(faults.clone())),
            webhooks: Arc::new(MemoryWebhooks::new(faults.clone())),
            faults,
        }
    }

    /// The ports onto these parts. Called again, it is the same backend reopened: everything is still there.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend {
            shards: self.shards.clone(),
            batches: self.batches.clone(),
            objects: self.objects.clone(),
            campaigns: self.campaigns.clone(),
            ledger: self.ledger.clone(),
            devices: self.devices.clone(),
            fleet: self.fleet.clone(),
            audit: self.audit.clone(),
            tokens: self.tokens.clone(),
            webhooks: self.webhooks.clone(),
            disk: None,
        }
    }

    /// Makes waiting receivers look at the clock again: after moving a manual one. (They do so by themselves too, 20
    /// times a second.)
    pub fn wake(&self) {
        self.shards.wake();
        self.batches.wake();
    }
}

impl std::fmt::Debug for MemoryParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryParts")
    }
}

/// Locks; a panic in another test thread doesn't make what it left unreadable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
