//! The ledger: one record per batch under the rules of [`common::ledger`], one record per shard.

use super::{Tables, get, item, key};
use crate::sync::{be_fair, blocking, lock};
use async_trait::async_trait;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo};
use common::ledger::{
    self, BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest,
    RenewRequest, ShardRecord,
};
use common::limits::LEDGER_BUCKET;
use common::ports::{Ledger, PortError};
use common::time::UnixMs;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

const WHAT: &str = "the ledger";
/// Calls of more entries than this leave the caller's thread.
const INLINE_MAX: usize = 100;

/// The ledger's tables.
pub(crate) struct LedgerTable(Arc<Inner>);

struct Inner {
    tables: Arc<Tables>,
    /// Held over reading and committing batch records.
    batches: Mutex<()>,
    /// The same for shard records.
    shards: Mutex<()>,
}

impl LedgerTable {
    /// On these tables.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self(Arc::new(Inner { tables, batches: Mutex::default(), shards: Mutex::default() }))
    }

    /// Applies one decision to each entry's record, all in one commit.
    async fn each<R, A>(
        &self,
        campaign: CampaignId,
        asks: &[R],
        rules: Rules<R, A>,
    ) -> Result<Vec<A>, PortError>
    where
        R: Clone + Send + Sync + 'static,
        A: Send + 'static,
    {
        be_fair().await;
        let answers = if asks.len() <= INLINE_MAX {
            self.0.decide(campaign, asks, &rules)?
        } else {
            let (inner, asks) = (self.0.clone(), asks.to_vec());
            blocking(WHAT, move || inner.decide(campaign, &asks, &rules)).await?
        };
        self.0.tables.settle(WHAT).await?;
        Ok(answers)
    }
}

/// A request's key, and the decision about its record.
struct Rules<R, A> {
    key: fn(&R) -> BatchKey,
    decide: fn(Option<&BatchRecord>, &R) -> (A, Option<BatchRecord>),
}

impl Inner {
    fn decide<R, A>(
        &self,
        campaign: CampaignId,
        asks: &[R],
        rules: &Rules<R, A>,
    ) -> Result<Vec<A>, PortError> {
        let _held = lock(&self.batches);
        let mut batch = self.tables.batch();
        // What this call has decided already: a later entry about the same batch sees it.
        let mut fresh: HashMap<BatchKey, BatchRecord> = HashMap::new();
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let place = (rules.key)(ask);
            let (answer, next) = match fresh.get(&place) {
                Some(record) => (rules.decide)(Some(record), ask),
                None => (rules.decide)(self.read(campaign, place)?.as_ref(), ask),
            };
            if let Some(record) = next {
                fresh.insert(place, record);
            }
            answers.push(answer);
        }
        for (place, record) in &fresh {
            batch.insert(&self.tables.ledger, key::batch(campaign, *place), record.encode());
        }
        if !fresh.is_empty() {
            self.tables.commit(WHAT, batch)?;
        }
        Ok(answers)
    }

    fn read(&self, campaign: CampaignId, place: BatchKey) -> Result<Option<BatchRecord>, PortError> {
        let bytes = get(WHAT, &self.tables.ledger, &key::batch(campaign, place))?;
        bytes.map(|bytes| decode(place, &bytes)).transpose()
    }

    fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let Some(first) = bucket.checked_mul(LEDGER_BUCKET) else { return Ok(Vec::new()) };
        let at = |number| key::batch(campaign, BatchKey { shard, number: BatchNo(number) });
        let range = at(first)..=at(first.saturating_add(LEDGER_BUCKET - 1));
        let one = |guard| {
            let (key, value) = item(WHAT, guard)?;
            let number = key.last_chunk().map_or(0, |n| u32::from_be_bytes(*n));
            let place = BatchKey { shard, number: BatchNo(number) };
            Ok((place.number, decode(place, &value)?))
        };
        self.tables.ledger.range(range).map(one).collect()
    }

    fn all_shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        let prefix = key::of(key::SHARD, &[campaign.0.as_bytes()]);
        let one = |guard| decode_shard(&item(WHAT, guard)?.1);
        self.tables.records.prefix(prefix).map(one).collect()
    }

    /// Stores what is reported of each shard, in one commit.
    fn mark(&self, campaign: CampaignId, new: impl Iterator<Item = ShardRecord>) -> Result<(), PortError> {
        let _held = lock(&self.shards);
        // What this call has decided already: a later entry about the same shard sees it.
        let mut fresh: HashMap<ShardNo, ShardRecord> = HashMap::new();
        for new in new {
            let stored = match fresh.get(&new.shard) {
                Some(record) => Some(*record),
                None => self.read_shard(campaign, new.shard)?,
            };
            fresh.extend(new.onto(stored).map(|next| (next.shard, next)));
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let mut batch = self.tables.batch();
        for record in fresh.values() {
            batch.insert(&self.tables.records, key::shard(campaign, record.shard), encode_shard(record));
        }
        self.tables.commit(WHAT, batch)
    }

    fn read_shard(&self, campaign: CampaignId, shard: ShardNo) -> Result<Option<ShardRecord>, PortError> {
        let bytes = get(WHAT, &self.tables.records, &key::shard(campaign, shard))?;
        bytes.map(|b| decode_shard(&b)).transpose()
    }
}

fn decode(place: BatchKey, bytes: &[u8]) -> Result<BatchRecord, PortError> {
    BatchRecord::decode(bytes)
        .map_err(|e| PortError::Corrupt { what: WHAT, why: format!("record of batch {place}: {e}") })
}

/// Version, shard, epoch, attempt, dispatched at, expanded at (the least number when not).
fn encode_shard(r: &ShardRecord) -> Vec<u8> {
    let mut out = vec![1];
    out.extend_from_slice(&r.shard.0.to_le_bytes());
    out.extend_from_slice(&r.epoch.0.to_le_bytes());
    out.extend_from_slice(&r.attempt.to_le_bytes());
    out.extend_from_slice(&r.dispatched_at.0.to_le_bytes());
    out.extend_from_slice(&r.expanded_at.map_or(i64::MIN, |at| at.0).to_le_bytes());
    out
}

fn decode_shard(bytes: &[u8]) -> Result<ShardRecord, PortError> {
    let unreadable =
        || PortError::Corrupt { what: WHAT, why: "a shard's record is no shard record".to_owned() };
    let bytes: &[u8; 27] = bytes.try_into().map_err(|_| unreadable())?;
    let [1, s0, s1, e0, e1, e2, e3, a0, a1, a2, a3, times @ ..] = *bytes else { return Err(unreadable()) };
    let time = |at: usize| {
        let bytes = times[at..].first_chunk().copied().unwrap_or_default();
        UnixMs(i64::from_le_bytes(bytes))
    };
    Ok(ShardRecord {
        shard: ShardNo(u16::from_le_bytes([s0, s1])),
        epoch: Epoch(u32::from_le_bytes([e0, e1, e2, e3])),
        attempt: u32::from_le_bytes([a0, a1, a2, a3]),
        dispatched_at: time(0),
        expanded_at: Some(time(8)).filter(|at| at.0 != i64::MIN),
    })
}

#[async_trait]
impl Ledger for LedgerTable {
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError> {
        self.each(campaign, asks, Rules { key: |a| a.key, decide: ledger::claim }).await
    }

    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        self.each(campaign, done, Rules { key: |a| a.key, decide: ledger::complete }).await
    }

    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        self.each(campaign, asks, Rules { key: |a| a.key, decide: ledger::renew }).await
    }

    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        self.each(campaign, asks, Rules { key: |a| a.key, decide: ledger::close }).await
    }

    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let inner = self.0.clone();
        blocking(WHAT, move || inner.bucket(campaign, shard, bucket)).await
    }

    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        self.0.all_shards(campaign)
    }

    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        let new = shards.iter().map(|(shard, attempt)| ShardRecord::dispatched(*shard, epoch, *attempt, at));
        self.0.mark(campaign, new)?;
        self.0.tables.settle(WHAT).await
    }

    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        self.0.mark(campaign, std::iter::once(ShardRecord::expanded(shard, epoch, at)))?;
        self.0.tables.settle(WHAT).await
    }
}
