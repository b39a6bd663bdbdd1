//! The ledger in memory: the pure decisions of [`common::ledger`], each applied under one lock.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo};
use common::ledger::{
    self, BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest,
    RenewRequest, ShardRecord,
};
use common::limits::LEDGER_BUCKET;
use common::ports::{Ledger, PortError};
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A ledger in memory.
pub struct MemoryLedger {
    faults: Faults,
    records: Mutex<BTreeMap<(CampaignId, BatchKey), BatchRecord>>,
    shards: Mutex<BTreeMap<(CampaignId, ShardNo), ShardRecord>>,
}

impl MemoryLedger {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, records: Mutex::default(), shards: Mutex::default() }
    }

    /// Every record of a campaign.
    #[must_use]
    pub fn records(&self, campaign: CampaignId) -> BTreeMap<BatchKey, BatchRecord> {
        let all = lock(&self.records);
        all.iter().filter(|((c, _), _)| *c == campaign).map(|((_, key), r)| (*key, r.clone())).collect()
    }

    /// Reads one record, without being counted as a call.
    #[must_use]
    pub fn peek(&self, campaign: CampaignId, key: BatchKey) -> Option<BatchRecord> {
        lock(&self.records).get(&(campaign, key)).cloned()
    }

    /// Stores a record as it is: to begin a test in the middle of a life.
    pub fn poke(&self, campaign: CampaignId, key: BatchKey, record: BatchRecord) {
        lock(&self.records).insert((campaign, key), record);
    }

    /// Stores a shard's record as it is.
    pub fn poke_shard(&self, campaign: CampaignId, record: ShardRecord) {
        lock(&self.shards).insert((campaign, record.shard), record);
    }

    /// Applies one decision to each entry's record.
    fn each<R, A>(
        &self,
        call: Call,
        campaign: CampaignId,
        asks: &[R],
        key: impl Fn(&R) -> BatchKey,
        decide: impl Fn(Option<&BatchRecord>, &R) -> (A, Option<BatchRecord>),
    ) -> Result<Vec<A>, PortError> {
        let pass = self.faults.enter(call)?;
        let mut records = lock(&self.records);
        let one = |ask| {
            let place = (campaign, key(ask));
            let (answer, next) = decide(records.get(&place), ask);
            if let Some(record) = next {
                records.insert(place, record);
            }
            answer
        };
        let answers = asks.iter().map(one).collect();
        pass.answer(answers)
    }

    /// Changes a shard's record, or makes a new one, unless it is of a newer epoch.
    fn mark(&self, campaign: CampaignId, new: ShardRecord) {
        let mut shards = lock(&self.shards);
        if let Some(next) = new.onto(shards.get(&(campaign, new.shard)).copied()) {
            shards.insert((campaign, new.shard), next);
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError> {
        self.each(Call::LedgerClaim, campaign, asks, |a| a.key, ledger::claim)
    }

    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        self.each(Call::LedgerComplete, campaign, done, |a| a.key, ledger::complete)
    }

    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        self.each(Call::LedgerRenew, campaign, asks, |a| a.key, ledger::renew)
    }

    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        self.each(Call::LedgerClose, campaign, asks, |a| a.key, ledger::close)
    }

    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let pass = self.faults.enter(Call::LedgerBucket)?;
        let first = u64::from(bucket) * u64::from(LEDGER_BUCKET);
        let records = lock(&self.records);
        let numbers = (first..first + u64::from(LEDGER_BUCKET)).map_while(|n| u32::try_from(n).ok());
        let found = |n| {
            let key = BatchKey { shard, number: BatchNo(n) };
            records.get(&(campaign, key)).map(|r| (BatchNo(n), r.clone()))
        };
        pass.answer(numbers.filter_map(found).collect())
    }

    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        let pass = self.faults.enter(Call::LedgerShards)?;
        let range = (campaign, ShardNo(0))..=(campaign, ShardNo(u16::MAX));
        pass.answer(lock(&self.shards).range(range).map(|(_, r)| *r).collect())
    }

    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::LedgerMarkDispatched)?;
        for (shard, attempt) in shards.iter().copied() {
            self.mark(campaign, ShardRecord::dispatched(shard, epoch, attempt, at));
        }
        pass.answer(())
    }

    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::LedgerMarkExpanded)?;
        self.mark(campaign, ShardRecord::expanded(shard, epoch, at));
        pass.answer(())
    }
}
