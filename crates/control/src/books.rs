//! Reading the ledger bucket by bucket into books. Once per campaign, at its end or its stop; never on the hot path.

use crate::{Control, ControlError};
use audience::listing;
use common::campaign::Campaign;
use common::ids::{BatchKey, BatchNo, ShardNo};
use common::ledger::{BatchRecord, CloseRequest};
use common::limits::LEDGER_BUCKET;
use common::outcome::{Class, Outcome};
use common::report::{Books, BooksBuilder, buckets};
use common::snapshot::{Manifest, Shard};
use common::time::UnixMs;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Buckets that are read at the same time.
const READ_AHEAD: usize = 8;

/// When more than half of a campaign's devices, and at least so many, are called dead, the gateway or our configuration is
/// more likely wrong than the table.
const SUSPICIOUS_MIN: u64 = 1_000;

/// What a whole reading of the ledger showed.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) books: Books,
    /// Claims whose lease still runs.
    pub(crate) held: u64,
    /// Batches with a device that has no outcome.
    pub(crate) open: u64,
}

impl Control {
    /// The manifest of a campaign's snapshot, checked against its id.
    pub(crate) async fn manifest(&self, campaign: &Campaign) -> Result<Manifest, ControlError> {
        let none = || ControlError::NotFound(format!("`{}` has no snapshot", campaign.name));
        let snapshot = campaign.snapshot.as_ref().ok_or_else(none)?;
        Ok(listing::manifest(&*self.backend.objects, campaign.id, snapshot.id).await?)
    }

    /// One shard, with its checksum checked.
    pub(crate) async fn shard(&self, manifest: &Manifest, no: ShardNo) -> Result<Shard, ControlError> {
        Ok(listing::shard(&*self.backend.objects, manifest, no).await?)
    }

    /// Reads every record of a campaign. `stopped` names what nobody claimed "aborted" instead of "pending".
    pub(crate) async fn read_books(
        &self,
        campaign: &Campaign,
        stopped: bool,
    ) -> Result<Reading, ControlError> {
        let manifest = self.manifest(campaign).await?;
        let now = self.clock.now();
        let from = campaign.pressed_at().or(campaign.runs.first().map(|r| r.stamp.at)).unwrap_or(now);
        let mut reading = Reader { builder: BooksBuilder::new(from, stopped), held: 0, open: 0, now };
        self.backend.ledger.shards(campaign.id).await?.iter().for_each(|shard| reading.builder.shard(shard));
        for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
            let mut shard = None;
            let reads = stream::iter(buckets(no, entry.batches))
                .map(|(shard, bucket)| async move {
                    let records = self.backend.ledger.bucket(campaign.id, shard, bucket).await?;
                    Ok::<_, ControlError>((bucket, records))
                })
                .buffered(READ_AHEAD);
            let mut reads = std::pin::pin!(reads);
            while let Some((bucket, records)) = reads.try_next().await? {
                let first = bucket * LEDGER_BUCKET;
                let last = (first + LEDGER_BUCKET).min(entry.batches);
                let mut records: BTreeMap<BatchNo, BatchRecord> = records.into_iter().collect();
                for number in (first..last).map(BatchNo) {
                    let record = records.remove(&number);
                    if record.is_none() && shard.is_none() {
                        shard = Some(self.shard(&manifest, no).await?);
                    }
                    let blank = || shard.as_ref().map(|s: &Shard| s.blank(number)).unwrap_or_default();
                    reading.batch(BatchKey { shard: no, number }, record.as_ref(), blank);
                }
            }
        }
        Ok(Reading { books: reading.builder.finish(), held: reading.held, open: reading.open })
    }

    /// Whether a whole reading is worth it: no batch is held, nor, unless `held_only`, without its outcomes. Ends at the first
    /// that is; needs no part of the snapshot but its manifest.
    pub(crate) async fn nothing_open(
        &self,
        campaign: &Campaign,
        held_only: bool,
    ) -> Result<bool, ControlError> {
        let manifest = self.manifest(campaign).await?;
        for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
            for (_, bucket) in buckets(no, entry.batches) {
                let records = self.backend.ledger.bucket(campaign.id, no, bucket).await?;
                let (first, now) = (bucket * LEDGER_BUCKET, self.clock.now());
                let all = (first + LEDGER_BUCKET).min(entry.batches) - first;
                let open = |r: &BatchRecord| r.is_held(now) || (!held_only && r.has(Class::Pending));
                let missing = !held_only && records.len() < all as usize;
                if missing || records.iter().any(|(_, r)| open(r)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// After the deadline: settles everything that is still open. Answers whether nothing is left; claims whose lease
    /// runs are left alone, and want another call later.
    pub(crate) async fn close_all(&self, campaign: &Campaign) -> Result<bool, ControlError> {
        let manifest = self.manifest(campaign).await?;
        let mut settled = true;
        for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
            let mut shard = None;
            // Closing is for good: nobody may have stopped or resumed it meanwhile.
            let now = self.get(campaign.id).await?;
            if (now.state, now.epoch) != (campaign.state, campaign.epoch) {
                return Ok(false);
            }
            for (_, bucket) in buckets(no, entry.batches) {
                let records: BTreeMap<_, _> =
                    self.backend.ledger.bucket(campaign.id, no, bucket).await?.into_iter().collect();
                let first = bucket * LEDGER_BUCKET;
                let open = (first..(first + LEDGER_BUCKET).min(entry.batches))
                    .map(BatchNo)
                    .filter(|n| records.get(n).is_none_or(|r| r.has(Class::Pending) || r.holder.is_some()));
                let open: Vec<_> = open.collect();
                if open.is_empty() {
                    continue;
                }
                if shard.is_none() {
                    shard = Some(self.shard(&manifest, no).await?);
                }
                settled &= self.close_bucket(campaign, no, &open, shard.as_ref()).await?;
            }
        }
        Ok(settled)
    }

    async fn close_bucket(
        &self,
        campaign: &Campaign,
        no: ShardNo,
        open: &[BatchNo],
        shard: Option<&Shard>,
    ) -> Result<bool, ControlError> {
        let now = self.clock.now();
        let ask = |number: &BatchNo| CloseRequest {
            key: BatchKey { shard: no, number: *number },
            blank: shard.map(|s| s.blank(*number)).unwrap_or_default(),
            now,
        };
        let asks: Vec<_> = open.iter().map(ask).collect();
        Ok(self.backend.ledger.close_many(campaign.id, &asks).await?.into_iter().all(|closed| closed))
    }

    /// Takes the tokens that the gateways called dead out of the device table, unless they registered again since.
    pub(crate) async fn remove_dead_tokens(&self, campaign: &Campaign) -> Result<u64, ControlError> {
        let (dead, devices) = campaign.books.as_ref().map_or((0, 0), |b| (b.dead_tokens(), b.devices));
        if dead >= SUSPICIOUS_MIN && dead * 2 > devices {
            tracing::error!(campaign = %campaign.id, dead, devices, "more than half of the tokens are called dead: none is taken out");
            return Ok(0);
        }
        let manifest = self.manifest(campaign).await?;
        let mut removed = 0;
        for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
            let mut shard = None;
            for (_, bucket) in buckets(no, entry.batches) {
                let records = self.backend.ledger.bucket(campaign.id, no, bucket).await?;
                let with_dead =
                    |(_, r): &(BatchNo, BatchRecord)| r.outcomes().any(|(o, _)| o.token_is_dead());
                for (number, record) in records.into_iter().filter(with_dead) {
                    if shard.is_none() {
                        shard = Some(self.shard(&manifest, no).await?);
                    }
                    let Some(shard) = &shard else { continue };
                    let dead = dead_in(shard, number, &record);
                    removed += self.backend.devices.remove_dead(&dead).await?;
                }
            }
        }
        Ok(removed)
    }
}

/// The dead tokens of one batch: user, target, and since when.
fn dead_in(
    shard: &Shard,
    number: BatchNo,
    record: &BatchRecord,
) -> Vec<(String, common::device::Target, UnixMs)> {
    let body = shard.batch(number).unwrap_or_default();
    let (mut dead, mut place) = (Vec::new(), 0_u16);
    for user in common::envelope::BatchBody::new(&body).users() {
        for device in user.devices {
            if record.outcome(place.into()).is_some_and(Outcome::token_is_dead) {
                let said = record.dead_since.iter().find(|(p, _)| *p == place).map(|(_, since)| *since);
                let since = said.or(record.answered_at(place.into())).unwrap_or(record.completed_at);
                dead.push((user.id.to_owned(), device.target.to_owned(), since));
            }
            place += 1;
        }
    }
    dead
}

struct Reader {
    builder: BooksBuilder,
    held: u64,
    open: u64,
    now: UnixMs,
}

impl Reader {
    fn batch(&mut self, key: BatchKey, record: Option<&BatchRecord>, blank: impl FnOnce() -> Vec<u8>) {
        self.held += u64::from(record.is_some_and(|r| r.is_held(self.now)));
        self.open += u64::from(record.is_none_or(|r| r.has(Class::Pending)));
        self.builder.batch(key, record, blank, self.now);
    }
}
