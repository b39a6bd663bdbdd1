//! What the gateways' own journal says: for each device of the snapshot, whether it was accepted once, twice, or never
//! got a final answer. The journal knows hashes of tokens; so does this.

use anyhow::Context;
use common::campaign::Campaign;
use common::envelope::BatchBody;
use common::ids::{BatchNo, ShardNo};
use common::ports::Backend;
use common::snapshot::{Manifest, Shard, keys};
use loadtest::gateways::AdminClient;
use loadtest::gateways::journal::Journal;
use serde::Serialize;

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

/// Reads the journal and walks the snapshot, a shard at a time.
pub(crate) async fn verify(backend: &Backend, campaign: &Campaign, admin: &str) -> anyhow::Result<Verdict> {
    let journal = AdminClient::new(admin).journal().await.context("cannot read the gateways' journal")?;
    let snapshot = campaign.snapshot.as_ref().context("no snapshot")?;
    let manifest =
        backend.objects.get(&keys::manifest(campaign.id, snapshot.id), None).await?.context("no manifest")?;
    let manifest: Manifest = serde_json::from_slice(&manifest)?;
    let mut verdict = Verdict::default();
    for (no, entry) in (0_u16..).map(ShardNo).zip(&manifest.shards) {
        let key = keys::shard(campaign.id, no, entry.blake3);
        let bytes = backend.objects.get(&key, None).await?.context("a shard is missing")?;
        verdict.shard(&Shard::open(no, &bytes, entry.blake3)?, &journal);
    }
    let heard = journal.entries().iter().filter(|e| e.accepted > 0 || e.rejected > 0).count() as u64;
    verdict.strangers = heard.saturating_sub(verdict.answered);
    Ok(verdict)
}

impl Verdict {
    fn shard(&mut self, shard: &Shard, journal: &Journal) {
        for number in (0..shard.batches()).map(BatchNo) {
            let body = shard.batch(number).unwrap_or_default();
            for device in BatchBody::new(&body).devices() {
                match journal.lookup(device.target.hash()).map(|e| (e.accepted, e.rejected)) {
                    None | Some((0, 0)) => self.missing += 1,
                    Some((accepted, _)) => {
                        self.answered += 1;
                        self.accepted += u64::from(accepted > 0);
                        self.duplicates += u64::from(accepted > 1);
                    }
                }
            }
        }
    }
}
