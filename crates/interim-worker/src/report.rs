//! The worker's heartbeat and counter rows.

use crate::worker::InterimWorker;
use common::fleet::{Role, WorkerRow};
use common::ids::{CampaignId, SnapshotId};
use common::limits::DEAF_AFTER;
use std::sync::PoisonError;

/// How far loading is: what the heartbeat says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The campaign that is loaded for.
    pub(crate) campaign: Option<CampaignId>,
    /// The snapshot that is whole in memory.
    pub(crate) snapshot: Option<SnapshotId>,
    /// How long loading took, in milliseconds.
    pub(crate) prepare_ms: u64,
    /// Why it is not ready.
    pub(crate) trouble: Option<String>,
}

impl InterimWorker {
    /// Writes the heartbeat row, and the counter rows that changed.
    pub async fn report(&self) {
        if let Err(error) = self.backend.fleet.beat(&self.row()).await {
            tracing::warn!(%error, "heartbeat not written");
        }
        self.flush_counters().await;
    }

    /// Writes the counter rows that changed.
    pub(crate) async fn flush_counters(&self) {
        // One at a time: a row that was taken earlier must not be written over one that was taken later.
        let _one_at_a_time = self.flushing.lock().await;
        let rows = self.counters().take(self.clock.now());
        for (campaign, row) in rows {
            if let Err(error) = self.backend.fleet.count(campaign, &row).await {
                tracing::warn!(%campaign, %error, "counter row not written, kept");
                self.counters().put_back(campaign, row);
            }
        }
    }

    /// The heartbeat row as it would be written now.
    #[must_use]
    pub fn row(&self) -> WorkerRow {
        let progress = self.progress.borrow().clone();
        let campaign = self.watch.campaign();
        let trouble = progress.trouble.or_else(|| self.trouble());
        WorkerRow {
            worker: self.id,
            role: Role::Interim,
            at: self.clock.now(),
            started_at: self.started_at,
            campaign: progress.campaign,
            epoch: self.watch.epoch(),
            snapshot: progress.snapshot,
            content: None,
            prepare_ms: progress.prepare_ms,
            ready: progress.snapshot.is_some()
                && trouble.is_none()
                && progress.campaign == campaign.map(|c| c.id),
            trouble,
            claims: u32::try_from(self.busy()).unwrap_or(u32::MAX),
            tripped: false,
            links: Vec::new(),
            payload_bytes_max: 0,
            rehearsal: false,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    /// What lasts too long, though nothing has ended with an error.
    fn trouble(&self) -> Option<String> {
        let now = self.clock.mono();
        let lasting = || self.receiving.sentence(now).or_else(|| self.expanding.sentence(now));
        lasting().or_else(|| self.watch.blind()).or_else(|| self.loading())
    }

    /// That loading takes long: the object store is slow, or the snapshot large.
    fn loading(&self) -> Option<String> {
        let since = (*self.loading_since.lock().unwrap_or_else(PoisonError::into_inner))?;
        let lasted = self.clock.mono().saturating_sub(since);
        let (loaded, all) = self.held().map_or((0, 0), |held| held.loaded());
        (lasted >= DEAF_AFTER).then(|| {
            format!("{loaded} of {all} shards of the snapshot are loaded after {} s", lasted.as_secs())
        })
    }
}
