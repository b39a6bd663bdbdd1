//! The snapshot builder: from an uploaded list to a manifest and its shards.
//!
//! Four stages, each leaving checkpoints in scratch objects, so that another holder goes on where one stopped:
//! `partition` spreads the ids over the shards, `resolve` looks their devices up shard by shard, `contest` settles
//! devices that stand under two users, `write` makes the shards, and `finish` the manifest, last. Scratch objects are
//! only ever added, never replaced: two builders of one upload see the same ones, so a lease that was lost can't mix
//! two states of the device table. The whole audience is never in memory: one segment, or one shard for each lane.

mod builder;
mod contest;
mod dropped;
mod error;
mod finish;
mod keeper;
mod partition;
mod resolve;
mod scratch;
mod write;

pub use builder::{Builder, OnSettled, Stepped, run_builder};
pub use dropped::DroppedLine;
pub use error::BuildError;
pub use keeper::{LEASE, RENEW_EVERY, try_take};

use common::campaign::{Campaign, Options, SnapshotRef, Upload};
use common::ids::{CampaignId, WorkerId};
use common::ports::Backend;
use common::time::Clock;
use keeper::Keeper;
use scratch::Scratch;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How far a build is, for a person who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: &'static str,
    /// Users (devices, while settling those of two users) done in this stage.
    pub done: u64,
    /// All there are to do in this stage; 0 while unknown.
    pub total: u64,
}

/// Told of every piece of progress; must return quickly.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// One build.
pub struct BuildJob {
    /// Where everything lies.
    pub backend: Backend,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The campaign's record, in state building.
    pub campaign: Campaign,
    /// Who builds. Takes the lease, if nobody has it.
    pub holder: WorkerId,
    /// Shards worked on at a time.
    pub concurrency: usize,
    /// Told of progress.
    pub progress: OnProgress,
}

impl fmt::Debug for BuildJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildJob")
            .field("campaign", &self.campaign.id)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// What every stage needs.
struct Ctx {
    backend: Backend,
    clock: Arc<dyn Clock>,
    keeper: Keeper,
    scratch: Scratch,
    campaign: CampaignId,
    options: Options,
    upload: Upload,
    concurrency: usize,
}

/// Builds the snapshot, or goes on with a build that another holder began. Does not change the campaign's state: that
/// is for the caller, with what this answers.
///
/// # Errors
/// [`BuildError`] says what the caller does next.
pub async fn build(job: BuildJob) -> Result<SnapshotRef, BuildError> {
    let upload = job.campaign.upload.clone().ok_or(BuildError::Cancelled)?;
    let name = upload.object.rsplit('/').next().unwrap_or_default();
    let scratch = Scratch::new(job.backend.objects.clone(), job.campaign.id, name);
    let ctx = Arc::new(Ctx {
        campaign: job.campaign.id,
        options: job.campaign.options.clone(),
        keeper: Keeper::new(
            job.backend.campaigns.clone(),
            job.clock.clone(),
            job.holder,
            job.campaign,
            job.progress,
        ),
        backend: job.backend,
        clock: job.clock,
        scratch,
        upload,
        concurrency: job.concurrency.max(1),
    });
    let result = match ctx.keeper.take().await {
        Ok(()) => stages(&ctx).await,
        Err(e) => Err(e),
    };
    match result {
        // Scratch that is gone, or a part that broke, may only mean that somebody else finished or cancelled.
        Err(BuildError::ScratchGone(_)) => Err(ctx.keeper.why_gone().await),
        other => other,
    }
    .inspect_err(|e| tracing::debug!(campaign = %ctx.campaign, error = %e, "build ended early"))
    .cleaned(&ctx)
    .await
}

async fn stages(ctx: &Arc<Ctx>) -> Result<SnapshotRef, BuildError> {
    ctx.scratch.clear_others(ctx.campaign).await?;
    let partition = Arc::new(partition::partition(ctx).await?);
    let works = resolve::resolve(ctx, &partition).await?;
    let losers = contest::contest(ctx, &works).await?;
    let locales = write::locales(&works)?;
    let done = write::write(ctx, works, losers, &locales).await?;
    finish::finish(ctx, &partition, locales, &done).await
}

/// Removes scratch when the build is over, whichever way; keeps it when somebody will go on.
trait Cleaned {
    async fn cleaned(self, ctx: &Ctx) -> Self;
}

impl Cleaned for Result<SnapshotRef, BuildError> {
    async fn cleaned(self, ctx: &Ctx) -> Self {
        let over = self.as_ref().map_or_else(BuildError::is_final, |_| true);
        if over && let Err(e) = ctx.scratch.clear().await {
            // Only space is lost: the next build of this campaign removes it.
            tracing::warn!(campaign = %ctx.campaign, error = %e, "scratch of a build could not be removed");
        }
        self
    }
}

/// Does `work` for every shard, `concurrency` at a time; answers in the order of shards. After the first error no more
/// are begun, and those under way are waited for: what they store is there before scratch is removed, not after.
async fn each_shard<T, F, Fut>(ctx: &Arc<Ctx>, work: F) -> Result<Vec<T>, BuildError>
where
    T: Send + 'static,
    F: Fn(Arc<Ctx>, u16) -> Fut,
    Fut: Future<Output = Result<T, BuildError>> + Send + 'static,
{
    let mut todo = 0..ctx.options.shards;
    let mut out: Vec<Option<T>> = todo.clone().map(|_| None).collect();
    let (mut lanes, mut failed) = (JoinSet::new(), None);
    loop {
        while failed.is_none()
            && lanes.len() < ctx.concurrency
            && let Some(shard) = todo.next()
        {
            let one = work(ctx.clone(), shard);
            lanes.spawn(async move { (shard, one.await) });
        }
        match lanes.join_next().await {
            None => break,
            Some(Ok((shard, Ok(done)))) => out[usize::from(shard)] = Some(done),
            Some(Ok((_, Err(e)))) => failed = failed.or(Some(e)),
            Some(Err(e)) => failed = failed.or(Some(BuildError::broken(&e))),
        }
    }
    failed.map_or_else(|| Ok(out.into_iter().flatten().collect()), Err)
}

/// Runs what takes the processor for long beside the runtime, so that a press served by it does not wait.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| BuildError::broken(&e))?
}
