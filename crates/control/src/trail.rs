//! The audit trail: entries are written in the background, never in the way of a press, and tried again when the table does
//! not take them. Bounded: when it does not answer for long, entries are lost, loudly. And what it says of one campaign.

use crate::{Control, Who};
use audience::OnSettled;
use common::audit::AuditEntry;
use common::ids::CampaignId;
use common::ports::{Audit, PortError};
use common::time::Clock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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

/// Entries of one campaign are looked for among so many of the newest: first among few, since they are mostly there.
const SEARCHED: [usize; 2] = [1_000, 10_000];
/// Most entries in a report: a thousand presses at once are among them, and what came before.
const REPORTED_MAX: usize = 2_000;
/// A report does not wait longer for them.
const REPORT_WAITS: Duration = Duration::from_secs(10);

/// Who did what to one campaign, overrides included.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WhoDidWhat {
    /// Entries of the audit trail, newest first.
    pub entries: Vec<AuditEntry>,
    /// What is not among them, in words, where older ones were left out.
    pub cut: Option<String>,
    /// Why the trail could not be read, in words. Then there are no entries, and that says nothing.
    pub unreadable: Option<String>,
}

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

/// The entry with which every campaign's trail begins.
fn is_first(entry: &AuditEntry) -> bool {
    matches!(entry.action.as_str(), "campaign.create" | "campaign.clone")
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

    /// The newest entries of one campaign, newest first, so many at most; and whether there may be older ones.
    ///
    /// # Errors
    /// As the backend says.
    pub async fn trail_of(&self, id: CampaignId, limit: usize) -> Result<(Vec<AuditEntry>, bool), PortError> {
        let (mut entries, mut older) = (Vec::new(), true);
        for searched in SEARCHED {
            entries = self.backend.audit.list(searched).await?;
            let all = entries.len() < searched;
            entries.retain(|entry| entry.campaign == Some(id));
            older = !all && !entries.last().is_some_and(is_first);
            if !older || entries.len() >= limit {
                break;
            }
        }
        older |= entries.len() > limit;
        entries.truncate(limit);
        Ok((entries, older))
    }

    /// For a report, which is worth reading without it too.
    pub(crate) async fn who_did_what(&self, id: CampaignId) -> WhoDidWhat {
        let why = match tokio::time::timeout(REPORT_WAITS, self.trail_of(id, REPORTED_MAX)).await {
            Ok(Ok((entries, older))) => {
                let n = entries.len();
                let cut = older.then(|| {
                    format!(
                        "the newest {n} entries: older ones are left out, or lie too far back in the trail"
                    )
                });
                return WhoDidWhat { entries, cut, unreadable: None };
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", REPORT_WAITS.as_secs()),
        };
        tracing::warn!(campaign = %id, error = why, "a report without its audit trail");
        let why = format!("the audit trail could not be read ({why}): ask for the report again");
        WhoDidWhat { unreadable: Some(why), ..WhoDidWhat::default() }
    }

    /// Waits until every audit entry so far is written or given up: before the process ends.
    pub async fn flush_audit(&self) {
        // Fails only when the semaphore is closed, which nobody does.
        let _ = self.trail.room.acquire_many(ENTRIES_MAX).await;
    }
}
