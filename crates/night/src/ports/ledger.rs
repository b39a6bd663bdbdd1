//! The ledger; every claim, completion, renewal and closing is held against what stood there before.

use super::Line;
use crate::world::World;
use async_trait::async_trait;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo};
use common::ledger::{
    BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest, RenewRequest,
    ShardRecord,
};
use common::limits::CLAIM_LEASE;
use common::outcome::Outcome;
use common::ports::{Ledger, PortError};
use common::time::UnixMs;
use contract::memory::Call;
use std::sync::Arc;

pub(super) struct SimLedger(pub(super) Line);

impl Line {
    fn record(&self, key: BatchKey) -> Option<BatchRecord> {
        self.world.parts.ledger.peek(self.world.campaign, key)
    }

    /// Does it, and looks at each record before and after.
    async fn watched<R, A>(
        &self,
        asks: &[R],
        key: impl Fn(&R) -> BatchKey + Send,
        act: impl Future<Output = Result<Vec<A>, PortError>> + Send,
        rule: impl Fn(&R, &A, Option<&BatchRecord>, Option<&BatchRecord>) -> Result<(), String> + Send,
    ) -> Result<Vec<A>, PortError> {
        let before: Vec<_> = asks.iter().map(|a| self.record(key(a))).collect();
        let answers = act.await?;
        for ((ask, before), answer) in asks.iter().zip(before).zip(&answers) {
            let after = self.record(key(ask));
            let kept = nothing_is_forgotten(before.as_ref(), after.as_ref());
            let learned = learned(before.as_ref(), after.as_ref());
            let now = self.world.ms();
            self.world.with(|s| s.monitor.learned(learned, now));
            if let Err(why) = kept.and_then(|()| rule(ask, answer, before.as_ref(), after.as_ref())) {
                let (who, key) = (&self.process.name, key(ask));
                self.world.violate(format!("ledger, batch {key}, asked by {who}: {why}"));
            }
        }
        Ok(answers)
    }
}

/// How many outcomes are another than before.
fn learned(before: Option<&BatchRecord>, after: Option<&BatchRecord>) -> u64 {
    let (Some(before), Some(after)) = (before, after) else { return u64::from(after.is_some()) };
    before.outcomes().zip(after.outcomes()).filter(|(old, new)| old != new).count() as u64
}

/// What is known of a device only ever gets better known.
fn nothing_is_forgotten(before: Option<&BatchRecord>, after: Option<&BatchRecord>) -> Result<(), String> {
    let (Some(before), Some(after)) = (before, after) else {
        return if before.is_some() { Err("its record is gone".to_owned()) } else { Ok(()) };
    };
    for (place, ((old, _), (new, _))) in before.outcomes().zip(after.outcomes()).enumerate() {
        if new.weight() < old.weight() {
            return Err(format!("place {place} was {}, and now is {}", old.label(), new.label()));
        }
    }
    if after.doubled_at_most < before.doubled_at_most || after.fence < before.fence {
        return Err("its count of doubles or its fence went back".to_owned());
    }
    Ok(())
}

fn granted_rightly(
    ask: &ClaimRequest,
    answer: &ClaimAnswer,
    before: Option<&BatchRecord>,
    after: Option<&BatchRecord>,
) -> Result<(), String> {
    let ClaimAnswer::Granted { unsent, .. } = answer else { return Ok(()) };
    let holder = after.and_then(|r| r.holder);
    if holder != Some(ask.holder) {
        return Err(format!("granted, and held by {holder:?}"));
    }
    let Some(before) = before else { return Ok(()) };
    let lease = before.lease_until > ask.now && before.lease_until <= ask.now.plus(CLAIM_LEASE * 2);
    if before.holder.is_some() && lease {
        return Err(format!("granted while {:?} holds it until {}", before.holder, before.lease_until.0));
    }
    if before.epoch > ask.epoch {
        return Err(format!("granted to epoch {} after epoch {}", ask.epoch, before.epoch));
    }
    for (place, (old, _)) in before.outcomes().enumerate() {
        let may = old == Outcome::Unsent || (ask.resend_ambiguous && old == Outcome::Ambiguous);
        if unsent.get(place) == Some(&true) && !may {
            return Err(format!("place {place} is {}, and granted again", old.label()));
        }
    }
    Ok(())
}

fn completed_rightly(
    done: &CompleteRequest,
    _: &CompleteAnswer,
    before: Option<&BatchRecord>,
    after: Option<&BatchRecord>,
) -> Result<(), String> {
    let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
    let same = (before.holder, before.lease_until) == (after.holder, after.lease_until);
    if before.fence != done.fence && !same {
        return Err(format!("a report with fence {} ended the claim {}", done.fence, before.fence));
    }
    Ok(())
}

fn closed_rightly(
    ask: &CloseRequest,
    _: &bool,
    before: Option<&BatchRecord>,
    after: Option<&BatchRecord>,
) -> Result<(), String> {
    let held = before.filter(|r| r.holder.is_some() && r.is_held(ask.now));
    match held {
        Some(held) if after != Some(held) => Err("closed while it is held".to_owned()),
        _ => Ok(()),
    }
}

#[async_trait]
impl Ledger for SimLedger {
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError> {
        let (line, asks) = (self.0.clone(), asks.to_vec());
        let n = asks.len();
        let effect = async move {
            let act = line.world.parts.ledger.claim_many(campaign, &asks);
            let answers = line.watched(&asks, |a| a.key, act, granted_rightly).await?;
            let granted = answers.iter().filter(|a| matches!(a, ClaimAnswer::Granted { .. })).count();
            let first = asks.first().map_or(0, |a| place(a.key));
            line.world.note(&line.process, "is granted (first asked)", "", [granted as u64, first], false);
            Ok(answers)
        };
        self.0.call(Call::LedgerClaim, n, effect).await
    }

    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        let (line, done) = (self.0.clone(), done.to_vec());
        let n = done.len();
        let effect = async move {
            let act = line.world.parts.ledger.complete_many(campaign, &done);
            line.watched(&done, |a| a.key, act, completed_rightly).await
        };
        self.0.call(Call::LedgerComplete, n, effect).await
    }

    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        let (line, asks) = (self.0.clone(), asks.to_vec());
        let n = asks.len();
        let effect = async move {
            let act = line.world.parts.ledger.renew_many(campaign, &asks);
            line.watched(&asks, |a| a.key, act, |_, _, _, _| Ok(())).await
        };
        self.0.call(Call::LedgerRenew, n, effect).await
    }

    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        let (line, asks) = (self.0.clone(), asks.to_vec());
        let n = asks.len();
        let effect = async move {
            let act = line.world.parts.ledger.close_many(campaign, &asks);
            line.watched(&asks, |a| a.key, act, closed_rightly).await
        };
        self.0.call(Call::LedgerClose, n, effect).await
    }

    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let line = self.0.clone();
        let effect = async move {
            if (shard.0, bucket) == (0, 0) {
                let now = line.world.ms();
                line.world.with(|s| s.monitor.reads(line.process.id, now));
            }
            line.world.parts.ledger.bucket(campaign, shard, bucket).await
        };
        self.0.call(Call::LedgerBucket, shard.0.into(), effect).await
    }

    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        let world = Arc::clone(&self.0.world);
        self.0.call(Call::LedgerShards, 1, async move { world.parts.ledger.shards(campaign).await }).await
    }

    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        let (world, shards): (Arc<World>, _) = (Arc::clone(&self.0.world), shards.to_vec());
        let n = shards.len();
        let effect = async move { world.parts.ledger.mark_dispatched(campaign, epoch, &shards, at).await };
        self.0.call(Call::LedgerMarkDispatched, n, effect).await
    }

    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        let line = self.0.clone();
        let effect = async move {
            line.world.marks_expanded(&line.process, epoch, shard);
            line.world.parts.ledger.mark_expanded(campaign, epoch, shard, at).await
        };
        self.0.call(Call::LedgerMarkExpanded, shard.0.into(), effect).await
    }
}

/// A batch as one number, for the trace: shard times 1,000 plus number.
pub(crate) fn place(key: BatchKey) -> u64 {
    u64::from(key.shard.0) * 1_000 + u64::from(key.number.0)
}
