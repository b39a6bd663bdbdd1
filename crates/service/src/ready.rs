//! Whether a service could do its part of a press now, and if not, why. For workers that is what their heartbeat row
//! says, held against the campaign in the fleet's slot: there is no second truth.

use common::fleet::{Role, WorkerRow};
use common::limits::LOOK_GOOD_FOR;
use common::watch::View;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Answers from memory, at once: why it is not ready; nothing when it is.
pub type WhyNot = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// A service's readiness, as its health listener asks for it.
#[derive(Clone)]
pub struct Readiness {
    why_not: Arc<Mutex<Option<WhyNot>>>,
    shutdown: CancellationToken,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.why_not()).finish()
    }
}

impl Readiness {
    /// Of a service that is starting, and that takes nothing more once `shutdown` is cancelled.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { why_not: Arc::default(), shutdown }
    }

    /// From now on this says it. Before, it is not ready, because it is starting.
    pub fn is(&self, why_not: WhyNot) {
        *self.why_not.lock().unwrap_or_else(PoisonError::into_inner) = Some(why_not);
    }

    /// Why it is not ready; nothing when it is.
    #[must_use]
    pub fn why_not(&self) -> Vec<String> {
        if self.shutdown.is_cancelled() {
            return vec!["draining".to_owned()];
        }
        let why_not = self.why_not.lock().unwrap_or_else(PoisonError::into_inner);
        why_not.as_ref().map_or_else(|| vec!["starting".to_owned()], |ask| ask())
    }
}

/// A worker's: by its row, its last good look at the campaign, and the time on its monotonic clock.
#[must_use]
pub fn worker(row: &WorkerRow, view: Option<&View>, now: Duration) -> Vec<String> {
    let mut reasons = Vec::new();
    match view {
        None => reasons.push("the campaign table was not read yet".to_owned()),
        Some(view) => {
            let age = now.saturating_sub(view.began);
            if age >= LOOK_GOOD_FOR {
                reasons.push(format!("the campaign table was last read {} ms ago", age.as_millis()));
            }
        }
    }
    reasons.extend(row.trouble.clone());
    if row.tripped && row.trouble.is_none() {
        reasons.push("its breaker tripped".to_owned());
    }
    reasons.extend(view.and_then(|v| unprepared(row, v)));
    reasons
}

/// What is missing for the campaign in the slot. Without one, or while it has no snapshot, there is nothing to prepare.
fn unprepared(row: &WorkerRow, view: &View) -> Option<String> {
    let campaign = view.campaign.as_ref()?;
    let wanted = campaign.snapshot.as_ref()?.id;
    match row.snapshot {
        _ if row.campaign != Some(campaign.id) => {
            Some(format!("not prepared for campaign {} yet", campaign.id))
        }
        _ if row.role == Role::Push && row.content != Some(campaign.content_id) => {
            Some("the campaign's content is not rendered yet".to_owned())
        }
        Some(has) if has != wanted => Some(format!("it holds snapshot {has}, the campaign's is {wanted}")),
        None => Some(format!("snapshot {wanted} is not loaded")),
        Some(_) if !row.ready && row.trouble.is_none() => Some("not everything is prepared yet".to_owned()),
        Some(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "helpers of tests may stop where something is not as they expect")]
mod tests {
    use super::*;
    use common::campaign::{Campaign, Options, SnapshotRef, Stamp};
    use common::content::Content;
    use common::ids::{Epoch, SnapshotId, WorkerId};
    use common::time::UnixMs;

    const NOW: Duration = Duration::from_secs(100);

    fn staged() -> Campaign {
        let stamp = Stamp { by: "ada".into(), at: UnixMs(0) };
        let snapshot = SnapshotRef {
            id: SnapshotId([7; 32]),
            uploaded: 1,
            users: 1,
            devices: [("apns".to_owned(), 1)].into(),
            batches: 1,
            dropped: [].into(),
            dropped_devices: [].into(),
            built_at: UnixMs(0),
            build_ms: 1,
        };
        let campaign = Campaign::new("c", Content::english("a", "b"), Options::default(), stamp);
        Campaign { snapshot: Some(snapshot), ..campaign }
    }

    fn view(campaign: Option<Campaign>, age_ms: u64) -> View {
        View { campaign: campaign.map(Arc::new), began: NOW - Duration::from_millis(age_ms) }
    }

    fn row(role: Role, campaign: Option<&Campaign>) -> WorkerRow {
        WorkerRow {
            worker: WorkerId(1),
            role,
            at: UnixMs(0),
            started_at: UnixMs(0),
            campaign: campaign.map(|c| c.id),
            epoch: Epoch(0),
            snapshot: campaign.and_then(|c| Some(c.snapshot.as_ref()?.id)),
            content: campaign.map(|c| c.content_id).filter(|_| role == Role::Push),
            prepare_ms: 0,
            trouble: None,
            ready: campaign.is_some(),
            claims: 0,
            tripped: false,
            links: Vec::new(),
            payload_bytes_max: 0,
            rehearsal: true,
            version: None,
        }
    }

    fn why(row: &WorkerRow, view: Option<&View>) -> String {
        worker(row, view, NOW).join("; ")
    }

    #[test]
    fn without_a_campaign_a_worker_that_sees_the_table_is_ready() {
        for role in [Role::Interim, Role::Push] {
            assert_eq!(why(&row(role, None), Some(&view(None, 999))), "");
            assert!(why(&row(role, None), Some(&view(None, 1_000))).contains("last read 1000 ms ago"));
            assert!(why(&row(role, None), None).contains("not read yet"));
        }
    }

    #[test]
    fn a_campaign_in_the_slot_asks_for_its_own_snapshot_and_content() {
        let campaign = staged();
        let now = view(Some(campaign.clone()), 0);
        for role in [Role::Interim, Role::Push] {
            assert_eq!(why(&row(role, Some(&campaign)), Some(&now)), "");
            assert!(why(&row(role, None), Some(&now)).contains("not prepared for campaign"));
            assert!(why(&row(role, Some(&staged())), Some(&now)).contains("not prepared for campaign"));
            let other = WorkerRow { snapshot: Some(SnapshotId([8; 32])), ..row(role, Some(&campaign)) };
            assert!(why(&other, Some(&now)).contains("it holds snapshot"));
            let none = WorkerRow { snapshot: None, ..row(role, Some(&campaign)) };
            assert!(why(&none, Some(&now)).contains("is not loaded"));
            let half = WorkerRow { ready: false, ..row(role, Some(&campaign)) };
            assert!(why(&half, Some(&now)).contains("not everything"));
        }
        let edited = WorkerRow { content: None, ..row(Role::Push, Some(&campaign)) };
        assert!(why(&edited, Some(&now)).contains("content is not rendered"));
    }

    #[test]
    fn trouble_and_a_tripped_breaker_are_reasons_with_and_without_a_campaign() {
        let tripped = WorkerRow { tripped: true, ..row(Role::Push, None) };
        assert!(why(&tripped, Some(&view(None, 0))).contains("tripped"));
        let trouble =
            WorkerRow { trouble: Some("no key".into()), ready: false, ..row(Role::Push, Some(&staged())) };
        let campaign = Campaign { id: trouble.campaign.unwrap(), ..staged() };
        assert_eq!(why(&trouble, Some(&view(Some(campaign), 0))), "no key");
    }

    #[test]
    fn it_starts_unready_and_drains_unready() {
        let shutdown = CancellationToken::new();
        let readiness = Readiness::new(shutdown.clone());
        assert_eq!(readiness.why_not(), ["starting"]);
        readiness.is(Box::new(Vec::new));
        assert_eq!(readiness.why_not(), Vec::<String>::new());
        shutdown.cancel();
        assert_eq!(readiness.why_not(), ["draining"]);
    }
}
