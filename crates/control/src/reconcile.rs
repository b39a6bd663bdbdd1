//! The reconciler: finishes what a press, or a process that died, left undone. A step that is safe to run anywhere, any
//! number of times, with nobody pressing; and a small loop.

use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, RunKind, State};
use common::fleet::CounterRow;
use common::ids::CampaignId;
use common::limits::LOOK_GOOD_FOR;
use common::outcome::{Class, Outcome};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the loop steps.
const EVERY: Duration = Duration::from_millis(200);
/// After an abort, a worker may go by its last look for a second; the reading waits that long and a little more.
const STOP_SETTLES: Duration = Duration::from_millis(LOOK_GOOD_FOR.as_millis() as u64 + 250);
/// How often, at most, the whole ledger of a campaign is read while something is pending.
const READ_EVERY: Duration = Duration::from_secs(2);
/// The same campaign is looked at among this many of the newest.
const LOOK_BACK: usize = 200;

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
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    read_at: Option<Duration>,
    settled: u64,
    stopping_since: Option<Duration>,
}

impl Control {
    /// Steps until shutdown.
    pub async fn run_reconciler(self: Arc<Self>, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.reconcile().await {
                tracing::warn!(%error, "reconciler step failed; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// One step over all campaigns that may want it.
    ///
    /// # Errors
    /// As the backend says; the next step tries again.
    pub async fn reconcile(self: &Arc<Self>) -> Result<Vec<(CampaignId, Step)>, ControlError> {
        let mut steps = Vec::new();
        for campaign in self.backend.campaigns.list(LOOK_BACK).await? {
            let step = self.reconcile_one(&campaign).await?;
            if step != Step::Idle {
                steps.push((campaign.id, step));
            }
        }
        Ok(steps)
    }

    async fn reconcile_one(self: &Arc<Self>, campaign: &Campaign) -> Result<Step, ControlError> {
        match campaign.state {
            State::Ready if !campaign.was_sent() => self.stage_if_free(campaign).await,
            State::Armed if campaign.live_run().is_some() => {
                self.dispatch(campaign).await?;
                Ok(Step::Idle)
            }
            State::Sending => self.sending(campaign).await,
            State::Stopping => self.stopping(campaign).await,
            State::Done if campaign.tokens_removed.is_none() => self.write_back(campaign).await,
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
        self.dispatch(campaign).await?;
        let Some(run) = campaign.runs.last() else { return Ok(Step::Idle) };
        if self.clock.now() >= run.deadline_at {
            if !self.close_all(campaign).await? {
                return Ok(Step::Idle);
            }
        } else if !self.worth_reading(campaign).await? {
            return Ok(Step::Idle);
        }
        let reading = self.read_books(campaign, false).await?;
        if reading.open > 0 || reading.held > 0 {
            return Ok(Step::Idle);
        }
        self.settle(campaign, |c| c.done(self.clock.now(), reading.books.clone())).await
    }

    async fn stopping(self: &Arc<Self>, campaign: &Campaign) -> Result<Step, ControlError> {
        if self.reconciling.stopping_for(campaign.id, self.clock.mono()) < STOP_SETTLES {
            return Ok(Step::Idle);
        }
        let reading = self.read_books(campaign, true).await?;
        if reading.held > 0 {
            return Ok(Step::Idle);
        }
        self.settle(campaign, |c| c.stopped(self.clock.now(), reading.books.clone())).await
    }

    async fn write_back(self: &Arc<Self>, campaign: &Campaign) -> Result<Step, ControlError> {
        let removed = self.remove_dead_tokens(campaign).await?;
        self.settle(campaign, |c| c.written_back(removed)).await
    }

    async fn settle(
        self: &Arc<Self>,
        campaign: &Campaign,
        decide: impl Fn(&Campaign) -> common::campaign::Decision + Send,
    ) -> Result<Step, ControlError> {
        let changed = self.change(&Who::named("reconciler"), "campaign.settle", campaign.id, decide).await?;
        self.reconciling.forget(campaign.id);
        Ok(if changed.by_us { Step::Moved(changed.campaign.state) } else { Step::Idle })
    }

    /// The ledger is read when the workers' counters say that everything has its outcome, or, since a worker that dies
    /// takes its last second's count with it, when they stand still.
    async fn worth_reading(&self, campaign: &Campaign) -> Result<bool, ControlError> {
        let from = campaign.runs.first().map_or(0, |r| r.stamp.at.0.div_euclid(1000));
        let rows = self.backend.fleet.counters(campaign.id, from).await?;
        let settled = rows.iter().map(settled).sum();
        let devices = campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count);
        let resumed = campaign.runs.last().is_some_and(|r| r.kind == RunKind::Resume);
        Ok(self.reconciling.worth(campaign.id, settled, settled >= devices && !resumed, self.clock.mono()))
    }
}

/// Devices that got their outcome in this row.
fn settled(row: &CounterRow) -> u64 {
    let is_final = |byte: u8| Outcome::from_byte(byte).0.class() != Class::Pending;
    row.outcomes.iter().filter(|(byte, _)| is_final(*byte)).map(|(_, n)| u64::from(*n)).sum()
}

impl Memory {
    /// Whether to read now: at once when the counters are full and moved since the last reading; else when they stood
    /// still since the last step, and not too often.
    fn worth(&self, id: CampaignId, settled: u64, full: bool, now: Duration) -> bool {
        let mut map = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = map.entry(id).or_default();
        let moved = seen.settled != settled;
        let due = seen.read_at.is_none_or(|at| now.saturating_sub(at) >= READ_EVERY);
        let first_look = seen.read_at.is_none() && moved && !full;
        seen.settled = settled;
        let read = (full && (moved || due)) || (!moved && due && !first_look);
        if read {
            seen.read_at = Some(now);
        }
        read
    }

    /// How long this process has seen the campaign stopping, on the monotonic clock: a corrected wall clock must not cut
    /// short the second in which workers may still go by their last look.
    fn stopping_for(&self, id: CampaignId, now: Duration) -> Duration {
        let mut map = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_sub(*map.entry(id).or_default().stopping_since.get_or_insert(now))
    }

    fn forget(&self, id: CampaignId) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
