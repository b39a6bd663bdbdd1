//! What the gateways' own journal says: for each device of the snapshot, whether it was accepted once, twice, or never
//! got a final answer. The journal knows hashes of tokens; so does this.

use crate::client::Client;
use anyhow::{Context, ensure};
use common::campaign::{Campaign, SnapshotRef};
use common::envelope::BatchBody;
use common::ids::{BatchNo, ShardNo};
use common::limits::LEDGER_BUCKET;
use common::outcome::{Class, Outcome};
use common::ports::Backend;
use common::snapshot::{Manifest, Shard, keys};
use control::{BatchOutcomes, DeviceOutcome};
use loadtest::gateways::journal::Journal;
use serde::Serialize;
use std::io::BufRead;

/// The journal, held against the snapshot.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Verdict {
    /// Devices of the snapshot with a final answer in the journal.
    pub(crate) answered: u64,
    /// Of these, accepted at least once.
    pub(crate) accepted: u64,
    /// Of these, accepted more than once.
    pub(crate) duplicates: u64,
    /// Devices of the snapshot without a final answer.
    pub(crate) missing: u64,
    /// Devices in the journal that are not in the snapshot.
    pub(crate) strangers: u64,
}

/// Walks the snapshot, a shard at a time.
pub(crate) async fn verify(
    backend: &Backend,
    campaign: &Campaign,
    journal: &Journal,
) -> anyhow::Result<Verdict> {
    let snapshot = campaign.snapshot.as_ref().context("no snapshot")?;
    let manifest =
        backend.objects.get(&keys::manifest(campaign.id, snapshot.id), None).await?.context("no manifest")?;
    let manifest: Manifest = serde_json::from_slice(&manifest)?;
    let mut verdict = Verdict::default();
    for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
        let key = keys::shard(campaign.id, no, entry.blake3);
        let bytes = backend.objects.get(&key, None).await?.context("a shard is missing")?;
        verdict.shard(&Shard::open(no, &bytes, entry.blake3)?, journal);
    }
    verdict.count_strangers(journal);
    Ok(verdict)
}

impl Verdict {
    fn shard(&mut self, shard: &Shard, journal: &Journal) {
        for number in (0..shard.batches()).map(BatchNo) {
            let body = shard.batch(number).unwrap_or_default();
            BatchBody::new(&body).devices().for_each(|device| self.device(device.target.hash(), journal));
        }
    }

    fn device(&mut self, hash: u64, journal: &Journal) {
        match journal.lookup(hash).map(|e| (e.accepted, e.rejected)) {
            None | Some((0, 0)) => self.missing += 1,
            Some((accepted, _)) => {
                self.answered += 1;
                self.accepted += u64::from(accepted > 0);
                self.duplicates += u64::from(accepted > 1);
            }
        }
    }

    /// Whoever was heard of and is not in the snapshot.
    fn count_strangers(&mut self, journal: &Journal) {
        let heard = journal.entries().iter().filter(|e| e.accepted > 0 || e.rejected > 0).count() as u64;
        self.strangers = heard.saturating_sub(self.answered);
    }
}

/// Ledger against journal, device by device.
pub(crate) async fn held_against(
    backend: &Backend,
    campaign: &Campaign,
    journal: &Journal,
) -> anyhow::Result<Against> {
    let snapshot = campaign.snapshot.as_ref().context("no snapshot")?;
    let key = keys::manifest(campaign.id, snapshot.id);
    let manifest: Manifest =
        serde_json::from_slice(&backend.objects.get(&key, None).await?.context("no manifest")?)?;
    let mut found = Against::default();
    for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
        let key = keys::shard(campaign.id, no, entry.blake3);
        let bytes = backend.objects.get(&key, None).await?.context("a shard is missing")?;
        let shard = Shard::open(no, &bytes, entry.blake3)?;
        for bucket in 0..shard.batches().div_ceil(LEDGER_BUCKET) {
            let records = backend.ledger.bucket(campaign.id, no, bucket).await?;
            let numbers = bucket * LEDGER_BUCKET..((bucket + 1) * LEDGER_BUCKET).min(shard.batches());
            for number in numbers.map(BatchNo) {
                let record = records.iter().find(|(n, _)| *n == number).map(|(_, record)| record);
                let body = shard.batch(number).unwrap_or_default();
                let devices = BatchBody::new(&body).devices().enumerate().map(|(place, device)| {
                    let outcome = record.and_then(|r| r.outcome(place)).unwrap_or(Outcome::Unsent);
                    (device.target.hash(), outcome)
                });
                found.batch(devices, record.map_or(0, |r| u64::from(r.doubled_at_most)), journal);
            }
        }
    }
    Ok(found)
}

/// The same over the API, which shows hashes of tokens too: ledger and snapshot against journal, device by device.
pub(crate) fn held_against_served(
    client: &Client,
    campaign: &Campaign,
    journal: &Journal,
) -> anyhow::Result<(Against, Verdict)> {
    let (mut against, mut verdict) = (Against::default(), Verdict::default());
    for line in client.lines(&format!("/v1/campaigns/{}/outcomes", campaign.id))?.lines() {
        let line = line.context("the list of outcomes broke off")?;
        let batch: BatchOutcomes = serde_json::from_str(&line).context("the list of outcomes broke off")?;
        let read = |device: &DeviceOutcome| {
            let hash = u64::from_str_radix(&device.token_hash, 16).context("no hash of a token")?;
            let known = Outcome::ALL.iter().find(|known| known.label() == device.outcome);
            Ok((hash, *known.with_context(|| format!("`{}` is no outcome", device.outcome))?))
        };
        let devices = batch.devices.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        devices.iter().for_each(|(hash, _)| verdict.device(*hash, journal));
        against.batch(devices.into_iter(), batch.doubled_at_most, journal);
    }
    let (listed, all) =
        (verdict.answered + verdict.missing, campaign.snapshot.as_ref().map_or(0, SnapshotRef::device_count));
    ensure!(listed == all, "the list of outcomes has {listed} of {all} devices");
    verdict.count_strangers(journal);
    Ok((against, verdict))
}

/// The ledger's word on each device, held against the gateways'.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Against {
    /// Devices that the ledger calls accepted.
    pub(crate) accepted: u64,
    /// Devices of which nobody knows: written, never answered.
    pub(crate) ambiguous: u64,
    /// Devices about which they differ: called accepted or a dead token and never heard of, or accepted and called otherwise
    /// (of a batch, beyond those that its record calls possibly doubled).
    pub(crate) differ: u64,
    /// Devices accepted twice beyond those that their batch's record calls possibly doubled.
    pub(crate) unexplained: u64,
}

impl Against {
    /// Devices of a batch with their outcomes, of which the ledger calls so many possibly doubled.
    fn batch(&mut self, devices: impl Iterator<Item = (u64, Outcome)>, known: u64, journal: &Journal) {
        let (mut doubled, mut otherwise) = (0_u64, 0_u64);
        for (hash, outcome) in devices {
            let entry = journal.lookup(hash);
            let accepted = entry.is_some_and(|entry| entry.accepted > 0);
            let refused = entry.is_some_and(|entry| entry.rejected > 0);
            doubled += u64::from(entry.is_some_and(|entry| entry.accepted > 1));
            self.accepted += u64::from(outcome == Outcome::Accepted);
            self.ambiguous += u64::from(outcome == Outcome::Ambiguous);
            let differs = match outcome.class() {
                Class::Accepted => !accepted,
                Class::Ambiguous => false,
                _ if outcome.token_is_dead() => accepted || !refused,
                // What a holder that died had sent, or what was sent again, may have arrived the first time.
                _ => {
                    otherwise += u64::from(accepted);
                    false
                }
            };
            self.differ += u64::from(differs);
        }
        self.differ += otherwise.saturating_sub(known);
        self.unexplained += doubled.saturating_sub(known);
    }
}
