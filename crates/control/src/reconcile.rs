//! The reconciler: finishes what a press, or a process that died, left undone. A step that is safe to run anywhere, any
//! number of times, with nobody pressing; and a small loop.

use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, State};
use common::ids::{CampaignId, Epoch};
use common::limits::{HEARTBEAT_EVERY, LOOK_GOOD_FOR};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use telemetry::metrics::RECONCILER_FAILURES;
use tokio_util::sync::CancellationToken;

/// How often the loop steps.
const EVERY: Duration = Duration::from_millis(200);
/// How often the list of campaigns is read for others than the slot's, at most: each campaign in it makes that a little
/// rarer, because listing is paid for by what is listed.
const LIST_EVERY: Duration = Duration::from_secs(1);
const LIST_RARER_BY: Duration = Duration::from_millis(50);
/// That many of the newest campaigns are looked at.
const LOOK_BACK: usize = 200;
/// After an abort, a worker may go by its last look for a second; the reading waits that long and a little more.
const STOP_SETTLES: Duration = Duration::from_millis(LOOK_GOOD_FOR.as_millis() as u64 + 250);
/// The workers' counters stand still when nothing came for three heartbeats.
const STILL: Duration = Duration::from_millis(HEARTBEAT_EVERY.as_millis() as u64 * 3);
/// How often, at most, a campaign's ledger is read while something is pending.
const READ_EVERY: Duration = Duration::from_secs(2);

/// What one step did for one campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do now.
    Idle,
    /// Its state changed.
    Moved(State),
}

/// What the reconciler remembers between steps; losing it costs a reading, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    seen: Mutex<HashMap<CampaignId, Seen>>,
    listed: Mutex<Option<Listed>>,
    /// One write-back of dead tokens at a time, beside everything else.
    writing_back: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Listed {
    /// To be listed again then.
    until: Duration,
    ids: Vec<CampaignId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Outcomes counted, and since when there are that many.
    settled: Option<(u64, Duration)>,
    read_at: Option<Duration>,
    /// The stop that was seen, by its epoch, and since when.
    stopping: Option<(Epoch, Duration)>,
}

impl Control {
    /// Steps until shutdown, and measures the queues beside it: a slow queue must not hold up the steps.
    pub async fn run_reconciler(self: Arc<Self>, shutdown: CancellationToken) {
        tokio::join!(self.step_until(&shutdown), self.measure_until(&shutdown));
    }

    async fn step_until(self: &Arc<Self>, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.reconcile().await {
                RECONCILER_FAILURES.one(());
                tracing::warn!(%error, "reconciler step failed; it is tried again");
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// One step: the slot's campaign, and as last listed the others that may want it. What fails for one campaign is
    /// logged and hinders no other.
    ///
    /// # Errors
    /// When the campaigns can't be listed; the next step tries again.
    pub async fn reconcile(self: &Arc<Self>) -> Result<Vec<(CampaignId, Step)>, ControlError> {
        let mut steps = Vec::new();
        if let Err(error) = self.keep_scale().await {
            tracing::warn!(%error, "the fleet's size was not passed on; it is tried again");
        }
        for id in self.wanting().await? {
            match self.reconcile_one(id).await {
                Ok(Step::Idle) => {}
                Ok(step) => steps.push((id, step)),
                Err(error) => {
                    RECONCILER_FAILURES.one(());
                    tracing::warn!(campaign = %id, %error, "not reconciled; it is tried again");
                }
            }
        }
        Ok(steps)
    }

    /// The slot's campaign first, then the others as last listed.
    async fn wanting(&self) -> Result<Vec<CampaignId>, ControlError> {
        let now = self.clock.mono();
        let known = self.reconciling.listed(now);
        let mut ids = match known {
            Some(ids) => ids,
            None => {
                let all = self.backend.campaigns.list(LOOK_BACK).await?;
                let ids: Vec<_> = all.iter().filter(|c| wants(c)).map(|c| c.id).collect();
                let rarer = LIST_RARER_BY.saturating_mul(u32::try_from(all.len()).unwrap_or(u32::MAX));
                self.reconciling.list_is(now + LIST_EVERY.max(rarer), &ids);
                ids
            }
        };
        if let Some(first) = self.backend.campaigns.slot().await?.campaign {
            ids.retain(|id| *id != first);
            ids.insert(0, first);
        }
        Ok(ids)
    }

    async fn reconcile_one(self: &Arc<Self>, id: CampaignId) -> Result<Step, ControlError> {
        let Some(campaign) = self.backend.campaigns.get(id).await? else { return Ok(Step::Idle) };
        match campaign.state {
            State::Ready if !campaign.was_sent() => self.stage_if_free(&campaign).await,
            State::Armed if campaign.live_run().is_some() => {
                self.dispatch(&campaign).await?;
                Ok(Step::Idle)
            }
            State::Sending => self.sending(&campaign).await,
            State::Stopping => self.stopping(&campaign).await,
            State::Done if campaign.tokens_removed.is_none() => {
                self.write_back(campaign);
                Ok(Step::Idle)
            }
            _ => Ok(Step::Idle),
        }
    }

    /// A campaign that has just become ready gets the fleet when nobody has it, so that workers load early.
    async fn stage_if_free(&self, campaign: &Campaign) -> Result<Step, ControlError> {
        let slot = self.backend.campaigns.slot().await?;
        let free = match slot.campaign {
            None => true,
            Some(id) if id == campaign.id => return Ok(Step::Idle),
            Some(id) => self.backend.campaigns.get(id).await?.is_none_or(|c| c.state == State::Done),
        };
        if free {
            self.stage(campaign.id).await?;
        }
        Ok(Step::Idle)
    }

    async fn sending(self: &Arc<Self>, campaign: &Campaign) -> Result<Step, ControlError> {
        let Some(run) = campaign.runs.last() else { return Ok(Step::Idle) };
        if self.clock.now() >= run.deadline_at {
            if !self.reconciling.may_read(campaign.id, self.clock.mono()) || !self.close_all(campaign).await?
            {
                return Ok(Step::Idle);
            }
        } else {
            self.dispatch(campaign).await?;
            if !self.worth_reading(campaign).await? || !self.is_settled(campaign).await? {
                return Ok(Step::Idle);
            }
        }
        let reading = self.read_books(campaign, false).await?;
        if reading.open > 0 || reading.held > 0 {
            return Ok(Step::Idle);
        }
        self.settle(campaign.id, |c| c.done(self.clock.now(), reading.books.clone())).await
    }

    /// Before the deadline: whether every shard was expanded, every batch has its outcomes, and nothing is on its way to be
    /// sent again.
    async fn is_settled(&self, campaign: &Campaign) -> Result<bool, ControlError> {
        let again = campaign.options.resend_ambiguous && !self.backend.batches.depth().await?.is_empty();
        Ok(!again && self.all_expanded(campaign).await? && self.nothing_open(campaign, false).await?)
    }

    /// A shard without users has nothing to wait for but its envelope: it is received before the campaign is done.
    async fn all_expanded(&self, campaign: &Campaign) -> Result<bool, ControlError> {
        let (Some(run), Some(frozen)) = (campaign.runs.last(), campaign.frozen()) else { return Ok(false) };
        let known = self.backend.ledger.shards(campaign.id).await?;
        let expanded = known.iter().filter(|s| s.epoch == run.epoch && s.expanded_at.is_some()).count();
        Ok(expanded >= usize::from(frozen.shards))
    }

    async fn stopping(self: &Arc<Self>, campaign: &Campaign) -> Result<Step, ControlError> {
        let now = self.clock.mono();
        if self.reconciling.stopping_for(campaign, now) < STOP_SETTLES
            || !self.reconciling.may_read(campaign.id, now)
            || !self.nothing_open(campaign, true).await?
        {
            return Ok(Step::Idle);
        }
        let reading = self.read_books(campaign, true).await?;
        if reading.held > 0 {
            return Ok(Step::Idle);
        }
        self.settle(campaign.id, |c| c.stopped(self.clock.now(), reading.books.clone())).await
    }

    /// Takes dead tokens out of the device table, in a task of its own: it may take minutes, and hinders nothing.
    fn write_back(self: &Arc<Self>, campaign: Campaign) {
        let Ok(only_one) = Arc::clone(&self.reconciling.writing_back).try_lock_owned() else { return };
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let _only_one = only_one;
            if let Err(error) = this.take_out(&campaign).await {
                tracing::warn!(campaign = %campaign.id, %error, "dead tokens not taken out; it is tried again");
            }
        });
    }

    /// Unless another process is at it. No change of state: one entry says what came of it.
    async fn take_out(self: &Arc<Self>, campaign: &Campaign) -> Result<(), ControlError> {
        let (who, id, now) = (Who::named("reconciler"), campaign.id, self.clock.now());
        if !self.change_quietly(&who, id, |c| c.write_back_begins(now)).await?.by_us {
            return Ok(());
        }
        match self.remove_dead_tokens(campaign).await {
            Ok(removed) => {
                if self.change_quietly(&who, id, |c| c.written_back(removed)).await?.by_us {
                    self.audit(
                        &who,
                        "campaign.write_back",
                        Some(id),
                        format!("dead tokens taken out of the device table: {removed}"),
                    );
                }
                self.reconciling.forget(id);
                Ok(())
            }
            Err(error) => {
                self.change_quietly(&who, id, Campaign::write_back_failed).await?;
                Err(error)
            }
        }
    }

    async fn settle(
        self: &Arc<Self>,
        id: CampaignId,
        decide: impl Fn(&Campaign) -> common::campaign::Decision + Send,
    ) -> Result<Step, ControlError> {
        let changed = self.change_if_due(&Who::named("reconciler"), "campaign.settle", id, decide).await?;
        self.reconciling.forget(id);
        Ok(if changed.by_us { Step::Moved(changed.campaign.state) } else { Step::Idle })
    }

    /// The ledger is read when the workers' counters say that everything has its outcome, or, since a worker that dies
    /// takes its last count with it, when they stand still.
    async fn worth_reading(&self, campaign: &Campaign) -> Result<bool, ControlError> {
        let settled = self.counted(campaign).await?.settled();
        let devices = campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count);
        Ok(self.reconciling.worth(campaign.id, settled, settled >= devices, self.clock.mono()))
    }
}

/// Whether the reconciler may have something to do for it.
fn wants(campaign: &Campaign) -> bool {
    match campaign.state {
        State::Ready | State::Armed | State::Sending | State::Stopping => true,
        State::Done => campaign.tokens_removed.is_none(),
        State::Draft | State::Building | State::Failed | State::Stopped => false,
    }
}

impl Memory {
    fn with<T>(&self, id: CampaignId, f: impl FnOnce(&mut Seen) -> T) -> T {
        let mut map = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        f(map.entry(id).or_default())
    }

    /// Whether to read now: at once when the counters have become full, else when they stand still, and not too often.
    fn worth(&self, id: CampaignId, settled: u64, full: bool, now: Duration) -> bool {
        self.with(id, |seen| {
            let (moved, since) = match seen.settled {
                Some((n, since)) if n == settled => (false, since),
                _ => (true, now),
            };
            seen.settled = Some((settled, since));
            let due = seen.read_at.is_none_or(|at| now.saturating_sub(at) >= READ_EVERY);
            let read = (full && (moved || due)) || (due && now.saturating_sub(since) >= STILL);
            if read {
                seen.read_at = Some(now);
            }
            read
        })
    }

    /// Whether the ledger was not read for a while.
    fn may_read(&self, id: CampaignId, now: Duration) -> bool {
        self.with(id, |seen| {
            let due = seen.read_at.is_none_or(|at| now.saturating_sub(at) >= READ_EVERY / 2);
            if due {
                seen.read_at = Some(now);
            }
            due
        })
    }

    /// How long this process has seen this stop, on the monotonic clock: a corrected wall clock must not cut short the
    /// second in which workers may still go by their last look. An abort after a resume is another stop.
    fn stopping_for(&self, campaign: &Campaign, now: Duration) -> Duration {
        self.with(campaign.id, |seen| {
            let since = match seen.stopping {
                Some((epoch, since)) if epoch == campaign.epoch => since,
                _ => now,
            };
            seen.stopping = Some((campaign.epoch, since));
            now.saturating_sub(since)
        })
    }

    fn forget(&self, id: CampaignId) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn listed(&self, now: Duration) -> Option<Vec<CampaignId>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.as_ref().filter(|listed| now < listed.until).map(|listed| listed.ids.clone())
    }

    fn list_is(&self, until: Duration, ids: &[CampaignId]) {
        let listed = Listed { until, ids: ids.to_vec() };
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
    }
}
