//! Holds a build's lease in the campaign's record, and shows the progress there.

use super::{BuildError, OnProgress, Progress};
use common::campaign::{Build, Campaign, Decision, State};
use common::ids::WorkerId;
use common::ports::{Backend, Campaigns, PortError, Written};
use common::time::{Clock, UnixMs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Life of a builder's lease. Long, because losing it costs little: the next holder goes on from the checkpoints.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often the lease is renewed and the progress written, at most.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Conflicts in a row after which somebody else must be writing without end.
const CONFLICTS_MAX: usize = 16;

/// Takes a campaign that wants to be built, unless another builder's lease is live. Answers the record as written.
///
/// # Errors
/// As the port says.
pub async fn try_take(
    backend: &Backend,
    clock: &dyn Clock,
    holder: WorkerId,
    campaign: &Campaign,
) -> Result<Option<Campaign>, PortError> {
    let now = clock.now();
    if !is_free(campaign, holder, now) {
        return Ok(None);
    }
    let Decision::Change(next) = campaign.build_progress(held(campaign, holder, now)) else {
        return Ok(None);
    };
    Ok((backend.campaigns.update(&next).await? == Written::Yes).then_some(*next))
}

fn is_free(campaign: &Campaign, holder: WorkerId, now: UnixMs) -> bool {
    let taken = |b: &Build| b.holder.is_some_and(|h| h != holder) && b.lease_until > now;
    campaign.state == State::Building
        && campaign.upload.is_some()
        && !campaign.build.as_ref().is_some_and(taken)
}

fn held(campaign: &Campaign, holder: WorkerId, now: UnixMs) -> Build {
    let blank = || Build {
        holder: None,
        lease_until: now,
        stage: "beginning".into(),
        done: 0,
        total: 0,
        started_at: now,
    };
    let build = campaign.build.clone().unwrap_or_else(blank);
    Build { holder: Some(holder), lease_until: now.plus(LEASE), ..build }
}

/// The lease of one build.
pub(super) struct Keeper {
    campaigns: Arc<dyn Campaigns>,
    clock: Arc<dyn Clock>,
    holder: WorkerId,
    on_progress: OnProgress,
    state: Mutex<Held>,
}

struct Held {
    campaign: Campaign,
    renewed: Duration,
}

impl Keeper {
    pub(super) fn new(
        campaigns: Arc<dyn Campaigns>,
        clock: Arc<dyn Clock>,
        holder: WorkerId,
        campaign: Campaign,
        on_progress: OnProgress,
    ) -> Self {
        let renewed = clock.mono();
        Self { campaigns, clock, holder, on_progress, state: Mutex::new(Held { campaign, renewed }) }
    }

    /// Takes the lease, or makes sure of it.
    pub(super) async fn take(&self) -> Result<(), BuildError> {
        self.renew(&mut *self.state.lock().await, None).await
    }

    /// Shows progress; renews the lease if that is due.
    pub(super) async fn tick(&self, stage: &'static str, done: u64, total: u64) -> Result<(), BuildError> {
        let progress = Progress { stage, done, total };
        (self.on_progress)(progress);
        match self.state.try_lock() {
            Ok(mut held) if self.clock.mono().saturating_sub(held.renewed) >= RENEW_EVERY => {
                self.renew(&mut held, Some(progress)).await
            }
            // Not due, or another lane is at it.
            _ => Ok(()),
        }
    }

    /// When the first holder began.
    pub(super) async fn started_at(&self) -> UnixMs {
        self.state.lock().await.campaign.build.as_ref().map_or_else(|| self.clock.now(), |b| b.started_at)
    }

    /// What to answer when scratch is not there: mostly, somebody else finished or cancelled.
    pub(super) async fn why_gone(&self) -> BuildError {
        match self.take().await {
            Ok(()) => BuildError::ScratchGone("of this upload".to_owned()),
            Err(e) => e,
        }
    }

    async fn renew(&self, held: &mut Held, progress: Option<Progress>) -> Result<(), BuildError> {
        let upload = held.campaign.upload.clone();
        for _ in 0..CONFLICTS_MAX {
            let (now, mono) = (self.clock.now(), self.clock.mono());
            if held.campaign.state != State::Building || held.campaign.upload != upload {
                return Err(BuildError::Cancelled);
            }
            if !is_free(&held.campaign, self.holder, now) {
                return Err(BuildError::LeaseLost);
            }
            let mut build = self::held(&held.campaign, self.holder, now);
            if let Some(p) = progress {
                (build.stage, build.done, build.total) = (p.stage.to_owned(), p.done, p.total);
            }
            let Decision::Change(next) = held.campaign.build_progress(build) else {
                return Err(BuildError::Cancelled);
            };
            if self.campaigns.update(&next).await? == Written::Yes {
                *held = Held { campaign: *next, renewed: mono };
                return Ok(());
            }
            let id = held.campaign.id;
            held.campaign = self.campaigns.get(id).await?.ok_or(BuildError::Cancelled)?;
        }
        let why = "its record is being changed all the time".to_owned();
        Err(BuildError::Later(PortError::Unavailable { what: "the campaign", why }))
    }
}
