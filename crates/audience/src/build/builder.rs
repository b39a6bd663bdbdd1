//! The role that builds: looks for campaigns that want a snapshot, and makes them ready or failed.

use super::{BuildError, BuildJob, OnProgress, build, try_take};
use common::campaign::{Build, Campaign, Decision, SnapshotRef, State};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Backend, PortError, Written};
use common::time::{Clock, UnixMs};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the campaigns are looked at while there is nothing to build.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Campaigns looked at: uploads are to new ones.
const LOOKED_AT: usize = 100;
/// Shards that one builder works on at a time.
const CONCURRENCY: usize = 2;
const CONFLICTS_MAX: usize = 16;

/// Told of the state that a build ended in, in words: once, by the builder whose write it was. Must return quickly.
pub type OnSettled = Arc<dyn Fn(CampaignId, String) + Send + Sync>;

/// One builder.
pub struct Builder {
    /// Where everything lies.
    pub backend: Backend,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Its name in leases.
    pub holder: WorkerId,
    /// Shards worked on at a time.
    pub concurrency: usize,
    /// Told how each build ended.
    pub on_settled: OnSettled,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Nothing wants to be built, or others are at it.
    Idle,
    /// A campaign is ready.
    Built(CampaignId),
    /// A campaign's build can't be finished; its record says why.
    Failed(CampaignId),
    /// It was cancelled, or another builder has it.
    GivenUp(CampaignId),
    /// Something is out of reach; the next step goes on from the checkpoints.
    Later(CampaignId),
}

/// Builds what there is to build, until `shutdown`. A build that is under way then is given back.
pub async fn run_builder(
    backend: Backend,
    clock: Arc<dyn Clock>,
    on_settled: OnSettled,
    shutdown: CancellationToken,
) {
    let holder = WorkerId::random();
    let builder = Builder { backend, clock, holder, concurrency: CONCURRENCY, on_settled };
    while !shutdown.is_cancelled() {
        let stepped = tokio::select! {
            stepped = builder.step() => stepped,
            () = shutdown.cancelled() => break,
        };
        match stepped {
            Ok(Stepped::Built(_) | Stepped::Failed(_) | Stepped::GivenUp(_)) => continue,
            Ok(Stepped::Idle | Stepped::Later(_)) => {}
            Err(e) => tracing::warn!(error = %e, "campaigns could not be looked at"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
    if let Err(e) = builder.give_back().await {
        tracing::warn!(error = %e, "a build could not be given back; its lease ends by itself");
    }
}

impl Builder {
    /// Takes one campaign that wants a snapshot and builds it, to its end.
    ///
    /// # Errors
    /// When the campaigns can't be read or written; the build itself answers with [`Stepped`].
    pub async fn step(&self) -> Result<Stepped, PortError> {
        for campaign in self.wanting().await? {
            if let Some(taken) = try_take(&self.backend, &*self.clock, self.holder, &campaign).await? {
                return self.build(taken).await;
            }
        }
        Ok(Stepped::Idle)
    }

    /// Campaigns to be built, the oldest first.
    async fn wanting(&self) -> Result<Vec<Campaign>, PortError> {
        let mut all = self.backend.campaigns.list(LOOKED_AT).await?;
        all.retain(|c| c.state == State::Building);
        all.reverse();
        Ok(all)
    }

    async fn build(&self, campaign: Campaign) -> Result<Stepped, PortError> {
        let id = campaign.id;
        let progress: OnProgress = Arc::new(|_| {});
        let job = BuildJob {
            backend: self.backend.clone(),
            clock: self.clock.clone(),
            holder: self.holder,
            concurrency: self.concurrency,
            campaign: campaign.clone(),
            progress,
        };
        match Box::pin(build(job)).await {
            Ok(snapshot) => self.ready(&campaign, snapshot).await,
            Err(BuildError::Cancelled | BuildError::LeaseLost) => Ok(Stepped::GivenUp(id)),
            Err(BuildError::Later(e)) => {
                tracing::warn!(campaign = %id, error = %e, "build put off");
                self.settle(&campaign, |c| c.build_progress(waiting(c, &format!("waiting: {e}")))).await?;
                Ok(Stepped::Later(id))
            }
            Err(e) => {
                tracing::warn!(campaign = %id, error = %e, "build failed");
                let why = e.to_string();
                let written = self.settle(&campaign, |c| c.build_failed(&why)).await?;
                if !written {
                    return Ok(Stepped::GivenUp(id));
                }
                (self.on_settled)(id, format!("{}; {why}", moved(State::Failed)));
                Ok(Stepped::Failed(id))
            }
        }
    }

    async fn ready(&self, campaign: &Campaign, snapshot: SnapshotRef) -> Result<Stepped, PortError> {
        let (id, users) = (campaign.id, snapshot.users);
        if !self.settle(campaign, |c| c.build_done(snapshot.clone())).await? {
            return Ok(Stepped::GivenUp(id));
        }
        tracing::info!(campaign = %id, users, snapshot = %snapshot.id, "snapshot built");
        let (users, snapshot) = (snapshot.users, snapshot.id.to_string());
        (self.on_settled)(id, format!("{}; snapshot {snapshot:.12} of {users} users", moved(State::Ready)));
        Ok(Stepped::Built(id))
    }

    /// Writes a decision, unless the build was cancelled or taken over meanwhile. Answers whether it is written.
    async fn settle(
        &self,
        campaign: &Campaign,
        decide: impl Fn(&Campaign) -> Decision,
    ) -> Result<bool, PortError> {
        let (mut tried, mut lost): (Option<Box<Campaign>>, Option<PortError>) = (None, None);
        for _ in 0..CONFLICTS_MAX {
            let Some(now) = self.backend.campaigns.get(campaign.id).await? else { return Ok(false) };
            if tried.is_some_and(|tried| *tried == now) {
                // Only the answer was lost. Nobody else writes this: it names its holder, or a snapshot of this moment.
                return Ok(true);
            }
            if let Some(error) = lost.take() {
                return Err(error);
            }
            let mine = now.build.as_ref().is_some_and(|b| b.holder == Some(self.holder));
            if !mine || now.upload != campaign.upload {
                return Ok(false);
            }
            let Decision::Change(next) = decide(&now) else { return Ok(false) };
            match self.backend.campaigns.update(&next).await {
                Ok(Written::Yes) => return Ok(true),
                Ok(Written::Conflict) => {}
                Err(error) => lost = Some(error),
            }
            tried = Some(next);
        }
        let why = "its record is being changed all the time".to_owned();
        Err(PortError::Unavailable { what: "the campaign", why })
    }

    /// Gives back what this builder holds, so that another goes on at once.
    async fn give_back(&self) -> Result<(), PortError> {
        for campaign in self.wanting().await? {
            self.settle(&campaign, |c| c.build_progress(waiting(c, "waiting for a builder"))).await?;
        }
        Ok(())
    }
}

/// Before and after, as the audit trail has it.
fn moved(to: State) -> String {
    format!("{} -> {}", State::Building.label(), to.label())
}

/// The build without a holder.
fn waiting(campaign: &Campaign, stage: &str) -> Build {
    let blank = || Build {
        holder: None,
        lease_until: UnixMs(0),
        stage: String::new(),
        done: 0,
        total: 0,
        started_at: UnixMs(0),
    };
    let build = campaign.build.clone().unwrap_or_else(blank);
    Build { holder: None, lease_until: UnixMs(0), stage: stage.to_owned(), ..build }
}
