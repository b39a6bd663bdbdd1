//! The ledger: one item per batch under the rules of [`common::ledger`], in partitions of a hundred batches.
//!
//! A first claim is one conditional put without a read, and completing it another: 2 writes a batch.

use super::change::{Known, Row, change};
use super::item::{BYTES, EXPIRES_AT, Item, binary, bytes, number, string};
use super::table::{Range, Table};
use super::{Tables, item};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo};
use common::ledger::{
    self, BatchRecord, ClaimAnswer, ClaimRequest, CloseRequest, CompleteAnswer, CompleteRequest,
    RenewRequest, ShardRecord,
};
use common::limits::LEDGER_BUCKET;
use common::ports::{Ledger, PortError};
use common::time::UnixMs;
use futures::future::join_all;
use std::collections::HashMap;
use std::time::Duration;

/// The ledger's items may go after this long: far behind every report that is made of them.
pub(super) const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// A claim that could not be written while others of its call were is to be left alone for this long.
const UNWRITTEN_FOR: Duration = Duration::from_secs(1);

/// A batch's record as an item.
#[derive(Clone, Debug)]
pub(super) struct BatchRow(pub(super) BatchRecord);

impl Row for BatchRow {
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let expires_at = self.0.created_at.plus(KEPT).0 / 1_000;
        vec![(BYTES, binary(self.0.encode())), (EXPIRES_AT, number(&expires_at))]
    }

    fn read(item: &Item) -> Result<Self, String> {
        BatchRecord::decode(bytes(item, BYTES)?).map(Self).map_err(|e| e.to_string())
    }
}

/// The partition of a bucket.
fn partition(campaign: CampaignId, shard: ShardNo, bucket: u32) -> String {
    format!("{campaign}#{shard}#{bucket}")
}

fn key_of(campaign: CampaignId, key: BatchKey) -> Item {
    let BatchNo(number) = key.number;
    Table::key(partition(campaign, key.shard, number / LEDGER_BUCKET), Some(format!("{number:010}")))
}

/// A request's batch, the decision about its record, and whether there probably is none.
struct Rules<R, A> {
    key: fn(&R) -> BatchKey,
    decide: fn(Option<&BatchRecord>, &R) -> (A, Option<BatchRecord>),
    fresh: fn(&R) -> bool,
}

impl Tables {
    /// Applies one decision to each entry's record, each record by itself, all at once. An answer for each entry, in order.
    async fn each<R: Sync, A: Send>(
        &self,
        campaign: CampaignId,
        asks: &[R],
        rules: Rules<R, A>,
    ) -> Vec<Result<A, PortError>> {
        // Entries about the same batch are decided together, in their order, and written once.
        let mut places: HashMap<BatchKey, Vec<usize>> = HashMap::new();
        for (place, ask) in asks.iter().enumerate() {
            places.entry((rules.key)(ask)).or_default().push(place);
        }
        let calls = places.iter().map(|(key, places)| self.one(campaign, *key, asks, places, &rules));
        let mut answers: Vec<Option<Result<A, PortError>>> = asks.iter().map(|_| None).collect();
        for (places, decided) in places.values().zip(join_all(calls).await) {
            match decided {
                Ok(decided) => {
                    for (place, answer) in places.iter().zip(decided) {
                        answers[*place] = Some(Ok(answer));
                    }
                }
                Err(error) => places.iter().for_each(|place| answers[*place] = Some(Err(error.clone()))),
            }
        }
        answers.into_iter().flatten().collect()
    }

    async fn one<R: Sync, A: Send>(
        &self,
        campaign: CampaignId,
        key: BatchKey,
        asks: &[R],
        places: &[usize],
        rules: &Rules<R, A>,
    ) -> Result<Vec<A>, PortError> {
        let decide = |stored: Option<&BatchRow>| {
            let (mut current, mut changed) = (stored.map(|row| row.0.clone()), false);
            let mut answers = Vec::with_capacity(places.len());
            for place in places {
                let (answer, next) = (rules.decide)(current.as_ref(), &asks[*place]);
                changed |= next.is_some();
                current = next.or(current);
                answers.push(answer);
            }
            (answers, current.filter(|_| changed).map(BatchRow))
        };
        let known = match self.held.get(campaign, key) {
            Some(stored) => Known::Guessed(Some(stored)),
            None if places.iter().all(|place| (rules.fresh)(&asks[*place])) => Known::Guessed(None),
            None => Known::Nothing,
        };
        let changed = change(&self.ledger, &key_of(campaign, key), known, decide).await;
        let (answers, now) = changed.inspect_err(|_| self.held.keep(campaign, key, None))?;
        self.held.keep(campaign, key, now);
        Ok(answers)
    }

    fn read_batch(&self, pk: &str, item: &Item) -> Result<(BatchNo, BatchRecord), PortError> {
        let sk = string(item, item::SK).map(str::to_owned);
        let key = Table::key(pk, sk.as_ref().ok().cloned());
        let number = sk.and_then(|sk| sk.parse().map_err(|_| "its sort key is no batch number".to_owned()));
        let number = number.map_err(|why| self.ledger.corrupt(&key, &why))?;
        let row = BatchRow::read(item).map_err(|why| self.ledger.corrupt(&key, &why))?;
        Ok((BatchNo(number), row.0))
    }
}

/// All of them, or the first error.
fn all<A>(answers: Vec<Result<A, PortError>>) -> Result<Vec<A>, PortError> {
    answers.into_iter().collect()
}

/// Claims, of which some could not be written: the others are granted and must not be lost with them. A claim that may
/// have been written or not is left alone for a while, as one that another holds.
fn claims(
    asks: &[ClaimRequest],
    answers: Vec<Result<ClaimAnswer, PortError>>,
) -> Result<Vec<ClaimAnswer>, PortError> {
    if !answers.iter().any(Result::is_ok) {
        return all(answers);
    }
    let failed = answers.iter().filter(|a| a.is_err()).count();
    if let Some(error) = answers.iter().find_map(|a| a.as_ref().err()) {
        tracing::warn!(failed, of = asks.len(), %error, "claims not written, left alone for a second");
    }
    let later = |(ask, answer): (&ClaimRequest, Result<_, _>)| {
        answer.unwrap_or_else(|_| ClaimAnswer::HeldUntil(ask.now.plus(UNWRITTEN_FOR)))
    };
    Ok(asks.iter().zip(answers).map(later).collect())
}

#[async_trait]
impl Ledger for Tables {
    async fn claim_many(
        &self,
        campaign: CampaignId,
        asks: &[ClaimRequest],
    ) -> Result<Vec<ClaimAnswer>, PortError> {
        // Only a retry's envelope says which places it brings, and a retry has a record.
        let rules =
            Rules { key: |a: &ClaimRequest| a.key, decide: ledger::claim, fresh: |a| a.only.is_empty() };
        claims(asks, self.each(campaign, asks, rules).await)
    }

    async fn complete_many(
        &self,
        campaign: CampaignId,
        done: &[CompleteRequest],
    ) -> Result<Vec<CompleteAnswer>, PortError> {
        let rules = Rules { key: |a: &CompleteRequest| a.key, decide: ledger::complete, fresh: |_| false };
        all(self.each(campaign, done, rules).await)
    }

    async fn renew_many(&self, campaign: CampaignId, asks: &[RenewRequest]) -> Result<Vec<bool>, PortError> {
        let rules = Rules { key: |a: &RenewRequest| a.key, decide: ledger::renew, fresh: |_| false };
        all(self.each(campaign, asks, rules).await)
    }

    async fn close_many(&self, campaign: CampaignId, asks: &[CloseRequest]) -> Result<Vec<bool>, PortError> {
        let rules = Rules { key: |a: &CloseRequest| a.key, decide: ledger::close, fresh: |_| true };
        all(self.each(campaign, asks, rules).await)
    }

    async fn bucket(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        bucket: u32,
    ) -> Result<Vec<(BatchNo, BatchRecord)>, PortError> {
        let pk = partition(campaign, shard, bucket);
        let items = self.ledger.query(&pk, Range::default()).await?;
        items.iter().map(|item| self.read_batch(&pk, item)).collect()
    }

    async fn shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        self.all_shards(campaign).await
    }

    async fn mark_dispatched(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shards: &[(ShardNo, u32)],
        at: UnixMs,
    ) -> Result<(), PortError> {
        let record = |(shard, attempt): &(ShardNo, u32)| ShardRecord::dispatched(*shard, epoch, *attempt, at);
        self.mark(campaign, shards.iter().map(record).collect()).await
    }

    async fn mark_expanded(
        &self,
        campaign: CampaignId,
        epoch: Epoch,
        shard: ShardNo,
        at: UnixMs,
    ) -> Result<(), PortError> {
        self.mark(campaign, vec![ShardRecord::expanded(shard, epoch, at)]).await
    }
}
