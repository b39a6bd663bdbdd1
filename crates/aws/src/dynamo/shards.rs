//! Shard records: one small item each, all of a campaign in one partition (50 of them, written about three times each).

use super::Tables;
use super::change::{Known, Row, change};
use super::item::{EXPIRES_AT, Item, SK, number, parsed, string};
use super::ledger::KEPT;
use super::table::{Range, Table};
use aws_sdk_dynamodb::types::AttributeValue;
use common::ids::{CampaignId, Epoch, ShardNo};
use common::ledger::ShardRecord;
use common::ports::PortError;
use common::time::UnixMs;
use futures::future::join_all;
use std::collections::BTreeMap;

const SHARD: &str = "shard";
const EPOCH: &str = "epoch";
const ATTEMPT: &str = "attempt";
const DISPATCHED_AT: &str = "dispatched_at";
const EXPANDED_AT: &str = "expanded_at";

struct ShardRow(ShardRecord);

impl Row for ShardRow {
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let r = &self.0;
        let mut attributes = vec![
            (SHARD, number(&r.shard)),
            (EPOCH, number(&r.epoch)),
            (ATTEMPT, number(&r.attempt)),
            (DISPATCHED_AT, number(&r.dispatched_at.0)),
            (EXPIRES_AT, number(&(r.dispatched_at.plus(KEPT).0 / 1_000))),
        ];
        attributes.extend(r.expanded_at.map(|at| (EXPANDED_AT, number(&at.0))));
        attributes
    }

    fn read(item: &Item) -> Result<Self, String> {
        let expanded_at = item.contains_key(EXPANDED_AT).then(|| parsed(item, EXPANDED_AT));
        Ok(Self(ShardRecord {
            shard: ShardNo(parsed(item, SHARD)?),
            epoch: Epoch(parsed(item, EPOCH)?),
            attempt: parsed(item, ATTEMPT)?,
            dispatched_at: UnixMs(parsed(item, DISPATCHED_AT)?),
            expanded_at: expanded_at.transpose()?.map(UnixMs),
        }))
    }
}

fn partition(campaign: CampaignId) -> String {
    format!("{campaign}#shards")
}

fn key_of(campaign: CampaignId, shard: ShardNo) -> Item {
    Table::key(partition(campaign), Some(format!("{:05}", shard.0)))
}

impl Tables {
    pub(super) async fn all_shards(&self, campaign: CampaignId) -> Result<Vec<ShardRecord>, PortError> {
        let pk = partition(campaign);
        let items = self.ledger.query(&pk, Range::default()).await?;
        let read = |item: &Item| {
            let key = || Table::key(&pk, string(item, SK).map(str::to_owned).ok());
            ShardRow::read(item).map(|row| row.0).map_err(|why| self.ledger.corrupt(&key(), &why))
        };
        items.iter().map(read).collect()
    }

    /// Stores what is reported of shards; of the same shard, in order.
    pub(super) async fn mark(&self, campaign: CampaignId, new: Vec<ShardRecord>) -> Result<(), PortError> {
        let mut by_shard: BTreeMap<ShardNo, Vec<ShardRecord>> = BTreeMap::new();
        for record in new {
            by_shard.entry(record.shard).or_default().push(record);
        }
        let calls = by_shard.iter().map(|(shard, new)| self.mark_one(campaign, *shard, new));
        join_all(calls).await.into_iter().collect()
    }

    async fn mark_one(
        &self,
        campaign: CampaignId,
        shard: ShardNo,
        new: &[ShardRecord],
    ) -> Result<(), PortError> {
        let decide = |stored: Option<&ShardRow>| {
            let stored = stored.map(|row| row.0);
            let now = new.iter().fold(stored, |stored, new| new.onto(stored).or(stored));
            ((), now.filter(|_| now != stored).map(ShardRow))
        };
        // The first dispatch of a campaign finds nothing, and an expansion finds a dispatch.
        let first = new.iter().all(|r| r.attempt == 0 && r.expanded_at.is_none());
        let known = if first { Known::Guessed(None) } else { Known::Nothing };
        change(&self.ledger, &key_of(campaign, shard), known, decide).await.map(drop)
    }
}
