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

/// A log is looked at so often at least: another process may have left something in it.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Deliveries of one webhook that a look reads, the newest.
const ROWS_MAX: usize = 2_000;

impl Notifier {
    /// There is something new in this webhook's log.
    pub(crate) fn look_now(&self, hook: HookId) {
        if let Some(at @ Some(_)) = self.lanes().get_mut(&hook) {
            *at = Some(Instant::now());
        }
    }

    /// Starts a look at this webhook's log, when it is time and none is under way.
    pub(crate) fn deliver_due(
        self: &Arc<Self>,
        hook: HookId,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        let mut lanes = self.lanes();
        let at = lanes.entry(hook).or_insert_with(|| Some(Instant::now()));
        if at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        *at = None;
        drop(lanes);
        let (this, shutdown) = (Arc::clone(self), shutdown.clone());
        tasks.spawn(async move {
            let next = this.deliver(hook, &shutdown).await.unwrap_or_else(|error| {
                tracing::warn!(%error, %hook, "the log of a webhook can't be read or written; it is tried again");
                None
            });
            let pause = next.map_or(LOOK_EVERY, |at| at.since(this.now()).min(LOOK_EVERY));
            this.lanes().insert(hook, Some(Instant::now() + pause));
        });
    }

    /// Sends what is due, the oldest first. Answers when something else will be.
    async fn deliver(&self, hook: HookId, shutdown: &CancellationToken) -> Result<Option<UnixMs>, PortError> {
        let from = self.now().minus(OPEN_FOR);
        let rows = self.backend().webhooks.deliveries(hook, from, ROWS_MAX).await?;
        let mut next = None;
        for row in rows.into_iter().rev() {
            let Some(mut due) = row.due_at() else { continue };
            if due <= self.now() && !shutdown.is_cancelled() {
                // Read anew: it may be gone by now, or another process may have been told that its receiver is.
                let found = self.backend().webhooks.get(hook).await?;
                let Some(hook) = found.filter(|hook| hook.disabled.is_none()) else { return Ok(None) };
                match self.try_one(&hook, &row, shutdown).await?.and_then(|row| row.due_at()) {
                    Some(at) => due = at,
                    None => continue,
                }
            }
            next = Some(next.map_or(due, |next: UnixMs| next.min(due)));
        }
        Ok(next)
    }

    /// Claims, sends, writes down what came. `None`: another process has it.
    async fn try_one(
        &self,
        hook: &Webhook,
        row: &Delivery,
        shutdown: &CancellationToken,
    ) -> Result<Option<Delivery>, PortError> {
        let webhooks = &self.backend().webhooks;
        let Some(claimed) = row.claim(self.now()) else { return Ok(None) };
        if webhooks.update_delivery(&claimed).await? == Written::Conflict {
            return Ok(None);
        }
        let came = self.attempt(hook, &claimed, shutdown).await;
        let settled = claimed.settle(&came, self.now());
        count(&settled);
        let (error, attempts) =
            (settled.last.as_ref().and_then(|last| last.error.as_deref()), settled.attempts);
        tracing::info!(hook = %hook.id, message = %settled.message, event = %settled.event, attempts, error, "webhook");
        if webhooks.update_delivery(&settled).await? == Written::Conflict {
            tracing::warn!(message = %settled.message, "this attempt took longer than its lease: it is sent again");
            return Ok(None);
        }
        if matches!(came, Came::Answer { status: GONE, .. }) {
            self.disable(hook).await?;
        }
        Ok(Some(settled))
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
