//! The small tables in memory: campaign records and the slot, the fleet's rows, the audit trail, tokens.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use common::access::{TokenId, TokenRecord};
use common::audit::AuditEntry;
use common::campaign::Campaign;
use common::fleet::{CounterRow, Slot, WorkerRow};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Audit, Campaigns, Fleet, PortError, Tokens, Written};
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Campaign records in memory.
pub struct MemoryCampaigns {
    faults: Faults,
    campaigns: Mutex<BTreeMap<CampaignId, Campaign>>,
    slot: Mutex<Slot>,
}

impl MemoryCampaigns {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, campaigns: Mutex::default(), slot: Mutex::default() }
    }

    /// Reads one, without being counted as a call.
    #[must_use]
    pub fn peek(&self, id: CampaignId) -> Option<Campaign> {
        lock(&self.campaigns).get(&id).cloned()
    }

    /// Stores a record as it is, with no condition: to begin a test in the middle of a life.
    pub fn poke(&self, campaign: Campaign) {
        lock(&self.campaigns).insert(campaign.id, campaign);
    }

    /// Stores the slot as it is.
    pub fn poke_slot(&self, slot: Slot) {
        *lock(&self.slot) = slot;
    }
}

#[async_trait]
impl Campaigns for MemoryCampaigns {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::CampaignsCreate)?;
        let mut campaigns = lock(&self.campaigns);
        if campaigns.contains_key(&campaign.id) {
            return pass.answer(Written::Conflict);
        }
        campaigns.insert(campaign.id, campaign.clone());
        pass.answer(Written::Yes)
    }

    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::CampaignsUpdate)?;
        match lock(&self.campaigns).get_mut(&next.id) {
            Some(stored) if stored.version.checked_add(1) == Some(next.version) => {
                *stored = next.clone();
                pass.answer(Written::Yes)
            }
            _ => pass.answer(Written::Conflict),
        }
    }

    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        let pass = self.faults.enter(Call::CampaignsGet)?;
        pass.answer(self.peek(id))
    }

    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        let pass = self.faults.enter(Call::CampaignsList)?;
        let mut all: Vec<_> = lock(&self.campaigns).values().cloned().collect();
        all.sort_by_key(|c| std::cmp::Reverse((c.created.at, c.id)));
        all.truncate(limit);
        pass.answer(all)
    }

    async fn slot(&self) -> Result<Slot, PortError> {
        let pass = self.faults.enter(Call::CampaignsSlot)?;
        pass.answer(lock(&self.slot).clone())
    }

    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::CampaignsSetSlot)?;
        let mut slot = lock(&self.slot);
        if slot.version.checked_add(1) != Some(next.version) {
            return pass.answer(Written::Conflict);
        }
        *slot = next.clone();
        pass.answer(Written::Yes)
    }
}

/// The fleet's rows in memory.
pub struct MemoryFleet {
    faults: Faults,
    workers: Mutex<BTreeMap<WorkerId, WorkerRow>>,
    counters: Mutex<BTreeMap<(CampaignId, i64, WorkerId), CounterRow>>,
}

impl MemoryFleet {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, workers: Mutex::default(), counters: Mutex::default() }
    }
}

#[async_trait]
impl Fleet for MemoryFleet {
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::FleetBeat)?;
        lock(&self.workers).insert(row.worker, row.clone());
        pass.answer(())
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::FleetLeave)?;
        lock(&self.workers).remove(&worker);
        pass.answer(())
    }

    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError> {
        let pass = self.faults.enter(Call::FleetWorkers)?;
        pass.answer(lock(&self.workers).values().filter(|w| w.at >= after).cloned().collect())
    }

    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::FleetCount)?;
        lock(&self.counters).insert((campaign, row.second, row.worker), row.clone());
        pass.answer(())
    }

    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError> {
        let pass = self.faults.enter(Call::FleetCounters)?;
        let range = (campaign, from_second, WorkerId(0))..=(campaign, i64::MAX, WorkerId(u64::MAX));
        pass.answer(lock(&self.counters).range(range).map(|(_, row)| row.clone()).collect())
    }
}

/// The audit trail in memory.
pub struct MemoryAudit {
    faults: Faults,
    entries: Mutex<Vec<AuditEntry>>,
}

impl MemoryAudit {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, entries: Mutex::default() }
    }
}

#[async_trait]
impl Audit for MemoryAudit {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::AuditAppend)?;
        lock(&self.entries).push(entry.clone());
        pass.answer(())
    }

    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError> {
        let pass = self.faults.enter(Call::AuditList)?;
        pass.answer(lock(&self.entries).iter().rev().take(limit).cloned().collect())
    }
}

/// Access tokens in memory.
pub struct MemoryTokens {
    faults: Faults,
    tokens: Mutex<BTreeMap<TokenId, TokenRecord>>,
}

impl MemoryTokens {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, tokens: Mutex::default() }
    }

    /// Stores a record as it is, with no condition.
    pub fn poke(&self, token: TokenRecord) {
        lock(&self.tokens).insert(token.id, token);
    }
}

#[async_trait]
impl Tokens for MemoryTokens {
    async fn put_new(&self, token: &TokenRecord) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::TokensPutNew)?;
        let mut tokens = lock(&self.tokens);
        if tokens.contains_key(&token.id) {
            return pass.answer(Written::Conflict);
        }
        tokens.insert(token.id, token.clone());
        pass.answer(Written::Yes)
    }

    async fn update(&self, next: &TokenRecord) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::TokensUpdate)?;
        match lock(&self.tokens).get_mut(&next.id) {
            Some(stored) if stored.version.checked_add(1) == Some(next.version) => {
                *stored = next.clone();
                pass.answer(Written::Yes)
            }
            _ => pass.answer(Written::Conflict),
        }
    }

    async fn get(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError> {
        let pass = self.faults.enter(Call::TokensGet)?;
        pass.answer(lock(&self.tokens).get(&id).cloned())
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, PortError> {
        let pass = self.faults.enter(Call::TokensList)?;
        pass.answer(lock(&self.tokens).values().cloned().collect())
    }
}
