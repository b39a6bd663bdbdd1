//! What the ledger says of every device, batch by batch: for whoever holds it against a list of his own, such as the journal of
//! stand-in gateways. It is read while it goes out, a bucket of the ledger at a time.

use crate::{Control, ControlError};
use common::envelope::BatchBody;
use common::ids::{BatchNo, CampaignId, ShardNo};
use common::ledger::BatchRecord;
use common::limits::LEDGER_BUCKET;
use common::outcome::Outcome;
use common::snapshot::{Manifest, Shard};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// What became of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOutcomes {
    /// Its shard.
    pub shard: u16,
    /// Its number in it.
    pub batch: u32,
    /// So many of its devices may have been sent to twice, at most.
    pub doubled_at_most: u64,
    /// Its devices, in order.
    pub devices: Vec<DeviceOutcome>,
}

/// What became of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceOutcome {
    /// Hash of its token, in hexadecimal; the token itself is shown nowhere.
    pub token_hash: String,
    /// The outcome's name; `unsent` when there is none as yet.
    pub outcome: String,
}

/// Reads the outcomes of a campaign.
pub struct Outcomes {
    control: Arc<Control>,
    manifest: Manifest,
    shards: Range<u16>,
    /// The shard that is read, and its next bucket.
    open: Option<(Shard, u32)>,
}

impl Control {
    /// The outcomes of a campaign's devices, of all shards or of one.
    ///
    /// # Errors
    /// When there is no such campaign, snapshot or shard.
    pub async fn outcomes(
        self: &Arc<Self>,
        id: CampaignId,
        shard: Option<u16>,
    ) -> Result<Outcomes, ControlError> {
        let manifest = self.snapshot_manifest(id).await?;
        let all = u16::try_from(manifest.shards.len()).unwrap_or(u16::MAX);
        let shards = match shard {
            None => 0..all,
            Some(no) if no < all => no..no + 1,
            Some(no) => {
                let why = format!("there is no shard {no}: the snapshot has {all}");
                return Err(ControlError::NotFound(why));
            }
        };
        Ok(Outcomes { control: Arc::clone(self), manifest, shards, open: None })
    }
}

impl Outcomes {
    /// The next batches; `None` at the end.
    ///
    /// # Errors
    /// As the backend says, and when a shard is damaged.
    pub async fn next_batches(&mut self) -> Result<Option<Vec<BatchOutcomes>>, ControlError> {
        loop {
            if let Some((shard, bucket)) = &mut self.open
                && *bucket < shard.batches().div_ceil(LEDGER_BUCKET)
            {
                let ledger = &self.control.backend.ledger;
                let records = ledger.bucket(self.manifest.campaign, shard.shard, *bucket).await?;
                let batches = outcomes(shard, *bucket, &records);
                *bucket += 1;
                return Ok(Some(batches));
            }
            let Some(no) = self.shards.next() else { return Ok(None) };
            self.open = Some((self.control.shard(&self.manifest, ShardNo(no)).await?, 0));
        }
    }
}

fn outcomes(shard: &Shard, bucket: u32, records: &[(BatchNo, BatchRecord)]) -> Vec<BatchOutcomes> {
    let first = bucket * LEDGER_BUCKET;
    let numbers = (first..(first + LEDGER_BUCKET).min(shard.batches())).map(BatchNo);
    let of = |number: BatchNo| {
        let record = records.iter().find(|(n, _)| *n == number).map(|(_, record)| record);
        let body = shard.batch(number).unwrap_or_default();
        let devices = BatchBody::new(&body).devices().enumerate().map(|(place, device)| {
            let outcome = record.and_then(|r| r.outcome(place)).unwrap_or(Outcome::Unsent);
            DeviceOutcome {
                token_hash: format!("{:016x}", device.target.hash()),
                outcome: outcome.label().to_owned(),
            }
        });
        BatchOutcomes {
            shard: shard.shard.0,
            batch: number.0,
            doubled_at_most: record.map_or(0, |record| u64::from(record.doubled_at_most)),
            devices: devices.collect(),
        }
    };
    numbers.map(of).collect()
}
