//! Ledgers that break the contract.

use crate::memory::MemoryLedger;
use async_trait::async_trait;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, Fence, ShardNo};
use common::ledger::{
    self, BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest,
    RenewRequest, ShardRecord,
};
use common::ports::{Ledger, PortError};
use common::time::UnixMs;
use std::sync::Arc;

/// What is wrong with a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerFault {
    /// What is held is granted to another as well.
    GrantsTwo,
    /// It reads, decides and writes with room for others in between.
    WritesUnconditionally,
    /// A completion that comes late is thrown away.
    DropsLateCompletion,
    /// A bucket is in order from its end.
    BucketOutOfOrder,
    /// A bucket has its neighbour's first record too.
    BucketLeaks,
    /// Answers are in order of the keys, not of the entries.
    AnswersByKey,
    /// A renewal is always granted.
    RenewsAnything,
    /// A dispatch takes back the expansion of its epoch.
    TakesBackExpansion,
    /// An older epoch replaces a newer one.
    OlderEpochReplaces,
    /// Envelopes of an older epoch are granted.
    IgnoresEpoch,
    /// A lease never ends.
    NeverLapses,
    /// Since when a token is dead is not kept.
    LosesDeath,
    /// All campaigns share their records.
    OneCampaign,
    /// A dispatch keeps the first attempt.
    KeepsAttempt,
    /// Only the first 100 shards are answered.
    HundredShards,
    /// Only the first 100 entries of a call are done and answered.
    StopsAtHundred,
}

use LedgerFault as F;

pub(super) const FAULTS: &[(LedgerFault, &[&str])] = &[
    (F::GrantsTwo, &["ledger.claim", "ledger.claim_race", "ledger.model"]),
    (F::WritesUnconditionally, &["ledger.claim_race", "ledger.lapse_race", "ledger.complete_race"]),
    (F::DropsLateCompletion, &["ledger.late_complete", "ledger.complete_race", "ledger.model"]),
    (F::BucketOutOfOrder, &["ledger.bucket"]),
    (F::BucketLeaks, &["ledger.bucket"]),
    (F::AnswersByKey, &["ledger.in_order"]),
    (F::RenewsAnything, &["ledger.renew", "ledger.model"]),
    (F::TakesBackExpansion, &["ledger.expanded", "ledger.mark_race"]),
    (F::OlderEpochReplaces, &["ledger.newer_epoch"]),
    (F::IgnoresEpoch, &["ledger.claim_stale"]),
    (F::NeverLapses, &["ledger.lapse", "ledger.lapse_race"]),
    (F::LosesDeath, &["ledger.complete"]),
    (F::OneCampaign, &["ledger.campaigns"]),
    (F::KeepsAttempt, &["ledger.dispatched"]),
    (F::HundredShards, &["ledger.all_shards"]),
    (F::StopsAtHundred, &["ledger.many"]),
];

/// The campaign that [`LedgerFault::OneCampaign`] keeps everything under.
const ONE: CampaignId = CampaignId(uuid::Uuid::nil());

pub(super) struct BrokenLedger(pub(super) LedgerFault, pub(super) Arc<MemoryLedger>);

impl BrokenLedger {
    fn record(&self, campaign: CampaignId, key: BatchKey) -> Option<BatchRecord> {
        self.1.records(campaign).remove(&key)
    }

    /// Reads, lets others run, writes.
    async fn slowly<A>(
        &self,
        campaign: CampaignId,
        key: BatchKey,
        decide: impl FnOnce(Option<&BatchRecord>) -> (A, Option<BatchRecord>),
    ) -> A {
        let stored = self.record(campaign, key);
        tokio::task::yield_now().await;
        let (answer, next) = decide(stored.as_ref());
        if let Some(next) = next {
            self.1.poke(campaign, key, next);
        }
        answer
    }

    fn is_late(&self, campaign: CampaignId, done: &CompleteRequest) -> bool {
        self.record(campaign, done.key).is_some_and(|r| r.fence != done.fence)
    }
}

#[async_trait]
impl Ledger for BrokenLedger {
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError> {
        match self.0 {
            F::GrantsTwo => {
                let grant = |a, ask: &ClaimRequest| match a {
                    ClaimAnswer::HeldUntil(lease_until) => ClaimAnswer::Granted {
                        fence: Fence(1),
                        unsent: vec![true; ask.blank.len()],
                        lease_until,
                    },
                    a => a,
                };
                let answers = self.1.claim_many(campaign, asks).await?;
                Ok(answers.into_iter().zip(asks).map(|(a, ask)| grant(a, ask)).collect())
            }
            F::WritesUnconditionally => {
                let mut answers = Vec::new();
                for ask in asks {
                    answers.push(self.slowly(campaign, ask.key, |r| ledger::claim(r, ask)).await);
                }
                Ok(answers)
            }
            F::AnswersByKey => {
                let mut sorted = asks.to_vec();
                sorted.sort_by_key(|a| a.key);
                self.1.claim_many(campaign, &sorted).await
            }
            F::IgnoresEpoch => {
                let newest = |a: &ClaimRequest| ClaimRequest { epoch: Epoch(u32::MAX), ..a.clone() };
                self.1.claim_many(campaign, &asks.iter().map(newest).collect::<Vec<_>>()).await
            }
            F::NeverLapses => {
                // As late as the rules believe a lease at all.
                let lease = common::limits::CLAIM_LEASE + common::limits::CLOCK_AHEAD_MAX;
                let longer = |a: &ClaimRequest| ClaimRequest { lease, ..a.clone() };
                self.1.claim_many(campaign, &asks.iter().map(longer).collect::<Vec<_>>()).await
            }
            F::OneCampaign => self.1.claim_many(ONE, asks).await,
            F::StopsAtHundred => self.1.claim_many(campaign, &asks[..asks.len().min(100)]).await,
            _ => self.1.claim_many(campaign, asks).await,
        }
    }

    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        let mut answers = Vec::new();
        for one in done {
            answers.extend(match self.0 {
                F::DropsLateCompletion if self.is_late(campaign, one) => vec![CompleteAnswer::Merged],
                F::WritesUnconditionally => {
                    vec![self.slowly(campaign, one.key, |r| ledger::complete(r, one)).await]
                }
                F::LosesDeath => {
                    let mut one = one.clone();
                    one.results.iter_mut().for_each(|r| r.dead_since = None);
                    self.1.complete_many(campaign, &[one]).await?
                }
                _ => self.1.complete_many(campaign, std::slice::from_ref(one)).await?,
            });
        }
        Ok(answers)
    }

    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        let answers = self.1.renew_many(campaign, asks).await?;
        Ok(if self.0 == F::RenewsAnything { vec![true; answers.len()] } else { answers })
    }

    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        self.1.close_many(campaign, asks).await
    }

    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let campaign = if self.0 == F::OneCampaign { ONE } else { campaign };
        let mut records = self.1.bucket(campaign, shard, bucket).await?;
        match self.0 {
            F::BucketOutOfOrder => records.reverse(),
            F::BucketLeaks => {
                let next = self.1.bucket(campaign, shard, bucket + 1).await?;
                records.extend(next.into_iter().next());
            }
            _ => {}
        }
        Ok(records)
    }

    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        let mut shards = self.1.shards(campaign).await?;
        if self.0 == F::HundredShards {
            shards.truncate(100);
        }
        Ok(shards)
    }

    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        for (shard, attempt) in shards.iter().copied() {
            let attempt = if self.0 == F::KeepsAttempt { 0 } else { attempt };
            let new = ShardRecord { shard, epoch, attempt, dispatched_at: at, expanded_at: None };
            let stored = self.1.shards(campaign).await?.into_iter().find(|r| r.shard == shard);
            let replaces = match self.0 {
                F::TakesBackExpansion => stored.is_none_or(|r| r.epoch <= epoch),
                F::OlderEpochReplaces => stored.is_none_or(|r| r.epoch != epoch),
                _ => false,
            };
            if replaces {
                self.1.poke_shard(campaign, new);
            } else {
                self.1.mark_dispatched(campaign, epoch, &[(shard, attempt)], at).await?;
            }
        }
        Ok(())
    }

    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        self.1.mark_expanded(campaign, epoch, shard, at).await
    }
}
