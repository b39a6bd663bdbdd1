//! Sending what is due: each webhook has a lane of its own, in which one message goes after the other, so that a receiver
//! that hangs holds up nobody else.

use crate::notifier::{Notifier, count};
use common::ports::{PortError, Written};
use common::time::UnixMs;
use common::webhook::delivery::{GONE, OPEN_FOR};
use common::webhook::{Came, Delivery, HookId, Webhook};
use control::Who;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A log in which something waits is looked at so often at least: another process may have left it there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// And one in which nothing waits: every look reads all of it, and what is new is told by [`Notifier::look_now`].
const IDLE_EVERY: Duration = Duration::from_secs(60);
/// Deliveries of one webhook that a look reads, the newest.
const ROWS_MAX: usize = 2_000;

/// Who works on a webhook's log, and when it is looked at next.
#[derive(Debug)]
pub(crate) struct Lane {
    next: Instant,
    busy: bool,
}

/// A look at a webhook's log. However it ends, others may look after it.
struct Turn {
    notifier: Arc<Notifier>,
    hook: HookId,
    pause: Duration,
}

impl Turn {
    async fn take(mut self, shutdown: CancellationToken) {
        let (this, hook) = (&self.notifier, self.hook);
        match this.deliver(hook, &shutdown).await {
            Ok(next) => {
                self.pause = next.map_or(IDLE_EVERY, |at| at.since(this.now()).min(LOOK_EVERY));
            }
            Err(error) => {
                tracing::warn!(%error, %hook, "the log of a webhook can't be read or written; it is tried again");
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lane) = self.notifier.lanes().get_mut(&self.hook) {
            lane.busy = false;
            lane.next = lane.next.min(Instant::now() + self.pause);
        }
    }
}

impl Notifier {
    /// There is something new in this webhook's log; whoever works on it just now looks again afterwards.
    pub(crate) fn look_now(&self, hook: HookId) {
        if let Some(lane) = self.lanes().get_mut(&hook) {
            lane.next = Instant::now();
        }
    }

    /// Starts a look at this webhook's log, when it is time and none is under way.
    pub(crate) fn deliver_due(
        self: &Arc<Self>,
        hook: HookId,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        let now = Instant::now();
        let mut lanes = self.lanes();
        let lane = lanes.entry(hook).or_insert(Lane { next: now, busy: false });
        if lane.busy || lane.next > now {
            return;
        }
        *lane = Lane { next: now + IDLE_EVERY, busy: true };
        drop(lanes);
        let turn = Turn { notifier: Arc::clone(self), hook, pause: LOOK_EVERY };
        tasks.spawn(turn.take(shutdown.clone()));
    }

    /// Sends what is due: first what was never tried, then the oldest. The log is read again for each, since a receiver may
    /// be slow, and something newer may have come meanwhile. Answers when something else will be due.
    async fn deliver(&self, id: HookId, shutdown: &CancellationToken) -> Result<Option<UnixMs>, PortError> {
        let webhooks = &self.backend().webhooks;
        loop {
            let now = self.now();
            let rows = webhooks.deliveries(id, now.minus(OPEN_FOR), ROWS_MAX).await?;
            let is_due = |row: &&Delivery| row.due_at().is_some_and(|at| at <= now);
            let due = rows.iter().rev().filter(is_due).min_by_key(|row| (row.attempts > 0, row.at));
            let Some(row) = due.filter(|_| !shutdown.is_cancelled()) else {
                return Ok(rows.iter().filter_map(Delivery::due_at).min());
            };
            // Read anew: it may be gone by now, or another process may have been told that its receiver is.
            let found = webhooks.get(id).await?;
            let Some(hook) = found.filter(|hook| hook.disabled.is_none()) else { return Ok(None) };
            if !self.try_one(&hook, row, shutdown).await? {
                return Ok(Some(now));
            }
        }
    }

    /// Claims, sends, writes down what came. False: another process has it.
    async fn try_one(
        &self,
        hook: &Webhook,
        row: &Delivery,
        shutdown: &CancellationToken,
    ) -> Result<bool, PortError> {
        let webhooks = &self.backend().webhooks;
        let Some(claimed) = row.claim(self.now()) else { return Ok(false) };
        if webhooks.update_delivery(&claimed).await? == Written::Conflict {
            return Ok(false);
        }
        let Some(came) = self.attempt(hook, &claimed, shutdown).await else {
            webhooks.update_delivery(&claimed.give_back()).await?;
            return Ok(false);
        };
        // Before the log says that it is.
        self.disable_if_gone(hook, &came).await?;
        let settled = claimed.settle(&came, self.now());
        count(&settled);
        let (error, attempts) =
            (settled.last.as_ref().and_then(|last| last.error.as_deref()), settled.attempts);
        tracing::info!(hook = %hook.id, message = %settled.message, event = %settled.event, attempts, error, "webhook");
        if webhooks.update_delivery(&settled).await? == Written::Conflict {
            tracing::warn!(message = %settled.message, "this attempt took longer than its lease: it is sent again");
            return Ok(false);
        }
        Ok(true)
    }

    pub(crate) async fn disable_if_gone(&self, hook: &Webhook, came: &Came) -> Result<(), PortError> {
        match came {
            Came::Answer { status: GONE, .. } => self.disable(hook).await,
            _ => Ok(()),
        }
    }

    async fn disable(&self, hook: &Webhook) -> Result<(), PortError> {
        let Some(next) = hook.disable(self.now(), "its receiver answered 410: it wants no more messages")
        else {
            return Ok(());
        };
        if self.backend().webhooks.update(&next).await? == Written::Yes {
            tracing::warn!(hook = %hook.id, name = hook.name, "a webhook is disabled: its receiver answered 410");
            let result = format!("`{}` ({}) -> disabled: 410", hook.name, hook.id);
            self.control.audit(&Who::named("webhooks"), "webhook.disable", None, result);
        }
        Ok(())
    }
}
