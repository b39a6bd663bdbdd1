//! The audit trail: entries are written in the background, never in the way of a press, and tried again when the table does
//! not take them. Bounded: when it does not answer for long, entries are lost, loudly.

use crate::{Control, Who};
use audience::OnSettled;
use common::audit::AuditEntry;
use common::ids::CampaignId;
use common::ports::{Audit, PortError};
use common::time::Clock;
use std::sync::Arc;
use std::time::Duration;
use telemetry::metrics::AUDIT_LOST;
use tokio::sync::Semaphore;

/// Entries on their way at once.
const ENTRIES_MAX: u32 = 1_024;
/// Before an entry is tried again.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];
/// An entry whose answer was lost is looked for among so many of the newest.
const LOOKED_AT: usize = 200;

/// The way into the audit trail.
pub(crate) struct Trail {
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
}

impl Trail {
    pub(crate) fn new(audit: Arc<dyn Audit>, clock: Arc<dyn Clock>) -> Self {
        Self { audit, clock, room: Arc::new(Semaphore::new(ENTRIES_MAX as usize)) }
    }

    fn add(&self, who: &Who, action: &str, campaign: Option<CampaignId>, result: String) {
        let (by, from) = (who.name.clone(), who.from.clone());
        let entry =
            AuditEntry { at: self.clock.now(), by, from, action: action.to_owned(), campaign, result };
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            AUDIT_LOST.one(());
            tracing::error!(
                action = entry.action,
                by = entry.by,
                "audit entry lost: the table does not answer"
            );
            return;
        };
        let audit = Arc::clone(&self.audit);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = append(&*audit, &entry).await {
                AUDIT_LOST.one(());
                tracing::error!(%error, action = entry.action, by = entry.by, "audit entry was not written");
            }
        });
    }
}

/// Appends an entry, and again where that failed, unless only the answer was lost.
async fn append(audit: &dyn Audit, entry: &AuditEntry) -> Result<(), PortError> {
    let mut last = audit.append(entry).await;
    for pause in AGAIN_AFTER {
        if last.is_ok() {
            break;
        }
        tokio::time::sleep(pause).await;
        // Where nobody can look, twice is better than not at all.
        if audit.list(LOOKED_AT).await.is_ok_and(|newest| newest.contains(entry)) {
            return Ok(());
        }
        last = audit.append(entry).await;
    }
    last
}

impl Control {
    /// Writes an audit entry in the background: never in the way of a press.
    pub fn audit(&self, who: &Who, action: &str, campaign: Option<CampaignId>, result: String) {
        self.trail.add(who, action, campaign, result);
    }

    /// What a snapshot builder tells of the ends of its builds, for the audit trail.
    #[must_use]
    pub fn notes_builds(self: &Arc<Self>) -> OnSettled {
        let this = Arc::clone(self);
        Arc::new(move |campaign, result| {
            this.audit(&Who::named("builder"), "campaign.build", Some(campaign), result);
        })
    }

    /// Waits until every audit entry so far is written or given up: before the process ends.
    pub async fn flush_audit(&self) {
        // Fails only when the semaphore is closed, which nobody does.
        let _ = self.trail.room.acquire_many(ENTRIES_MAX).await;
    }
}
