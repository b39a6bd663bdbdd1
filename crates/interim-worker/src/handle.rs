//! One shard envelope, from the queue to its deletion.
//!
//! The order is what keeps it safe: batches on their queue, then the mark in the ledger, then the deletion. A crash in
//! between expands again, which the ledger's claims make harmless.

use crate::expand::numbers;
use crate::keep::Keep;
use crate::load::LoadError;
use crate::sender::{SendEnd, send_all};
use crate::worker::InterimWorker;
use common::envelope::ShardEnvelope;
use common::limits::LOOK_EVERY;
use common::plan::{self, Gate};
use common::ports::{AckId, PortError, Received};
use std::time::Duration;
use telemetry::metrics::Queue::Shards;
use telemetry::metrics::{ENVELOPES, Event, Expansion, QUEUE_FAILURES, SHARD_EXPAND_SECONDS, SHARDS};
use tracing::Instrument;

/// Longest time that a given-back envelope stays hidden.
const GIVE_BACK_MAX: Duration = Duration::from_secs(8);

/// What became of one shard envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Its batches are on the queue and the ledger says so.
    Expanded,
    /// Of an older run, past its deadline, or expanded before: deleted.
    Dropped,
    /// Not now: given back.
    GivenBack,
    /// Unreadable: left for the dead-letter queue.
    Poison,
}

/// What to do with the envelope in the end.
enum End {
    Delete(Handled),
    GiveBack,
}

fn label(handled: Handled) -> Expansion {
    match handled {
        Handled::Expanded => Expansion::Expanded,
        Handled::Dropped => Expansion::Dropped,
        Handled::GivenBack => Expansion::GivenBack,
        Handled::Poison => Expansion::Unreadable,
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl InterimWorker {
    /// Handles one envelope that was received.
    pub(crate) async fn handle(&self, received: Received) -> Handled {
        let handled = match ShardEnvelope::decode(&received.body) {
            Ok(envelope) => {
                let (campaign, epoch, shard) = (envelope.head.campaign, envelope.head.epoch, envelope.shard);
                let span = tracing::info_span!("shard", %campaign, %epoch, %shard);
                telemetry::trace::follow(&span, received.trace.as_ref());
                self.handle_readable(&received, &envelope).instrument(span).await
            }
            Err(error) => {
                let (receives, bytes) = (received.receive_count, received.body.len());
                tracing::error!(%error, receives, bytes, "unreadable shard envelope, left for the dead-letter queue");
                Handled::Poison
            }
        };
        SHARDS.one(label(handled));
        handled
    }

    async fn handle_readable(&self, received: &Received, envelope: &ShardEnvelope) -> Handled {
        let began = self.clock.mono();
        let keep = Keep::start(self.backend.shards.clone(), received.ack.clone());
        let end = self.expand(envelope, &keep).await;
        drop(keep);
        let (campaign, shard) = (envelope.head.campaign, envelope.shard);
        match end {
            Ok(End::Delete(handled)) => {
                if handled == Handled::Expanded {
                    SHARD_EXPAND_SECONDS.observe((), self.clock.mono().saturating_sub(began));
                }
                self.expanding.over();
                self.delete(&received.ack).await;
                handled
            }
            Ok(End::GiveBack) => self.give_back(received).await,
            Err(error) => {
                self.expanding.failed(self.clock.mono(), &error);
                tracing::warn!(%campaign, %shard, %error, "shard not expanded, given back");
                self.give_back(received).await
            }
        }
    }

    async fn expand(&self, envelope: &ShardEnvelope, keep: &Keep) -> Result<End, Trouble> {
        let (head, shard) = (&envelope.head, envelope.shard);
        match self.gate(envelope).await? {
            Gate::Go => {}
            Gate::Drop => return Ok(End::Delete(Handled::Dropped)),
            Gate::LookAgain => return Ok(End::GiveBack),
        }
        self.count(head.campaign, 1, 0);
        if self.is_expanded(envelope).await? {
            return Ok(End::Delete(Handled::Dropped));
        }
        let held = self.snapshot(head.campaign, head.snapshot).await?;
        let object = held.shard(shard).await?;
        let resend = self.watch.campaign().is_some_and(|c| c.options.resend_ambiguous);
        let numbers = numbers(&self.backend.ledger, envelope, object.batches(), resend).await?;
        let open = || self.watch.may_send(head) && !keep.is_lost() && !self.is_stopped();
        let told = |call: Result<usize, &dyn std::fmt::Display>| match call {
            Ok(entries) => self.count(head.campaign, 0, entries),
            Err(why) => self.expanding.failed(self.clock.mono(), format_args!("batch queue: {why}")),
        };
        let (flight, began) = (self.config.sends_in_flight, self.clock.mono());
        let end = send_all(&self.backend.batches, (head, &object, &numbers), flight, &open, &told).await;
        if end == SendEnd::Closed {
            let over = self.watch.gate(head) == Gate::Drop;
            return Ok(if over { End::Delete(Handled::Dropped) } else { End::GiveBack });
        }
        // Before the batches' outcomes can make the campaign done: its report counts the envelopes received.
        self.flush_counters().await;
        self.backend.ledger.mark_expanded(head.campaign, head.epoch, shard, self.clock.now()).await?;
        let took_ms = self.clock.mono().saturating_sub(began).as_millis();
        let (campaign, epoch) = (head.campaign, head.epoch);
        tracing::debug!(%campaign, %epoch, %shard, batches = numbers.len(), took_ms, "shard expanded");
        Ok(End::Delete(Handled::Expanded))
    }

    /// By the last look, by a new one, or, for a campaign that is not the slot's, by its own record.
    async fn gate(&self, envelope: &ShardEnvelope) -> Result<Gate, PortError> {
        let head = &envelope.head;
        if self.watch.gate(head) != Gate::LookAgain {
            return Ok(self.watch.gate(head));
        }
        let view = self.watch.look().await?;
        if view.campaign.is_some_and(|c| c.id == head.campaign) {
            return Ok(self.watch.gate(head));
        }
        let live = self.backend.campaigns.get(head.campaign).await?.and_then(|c| plan::head(&c));
        let over = live.is_none_or(|live| live.epoch > head.epoch);
        Ok(if over { Gate::Drop } else { Gate::LookAgain })
    }

    async fn is_expanded(&self, envelope: &ShardEnvelope) -> Result<bool, PortError> {
        let records = self.backend.ledger.shards(envelope.head.campaign).await?;
        let this = records.iter().find(|r| r.shard == envelope.shard && r.epoch == envelope.head.epoch);
        Ok(this.is_some_and(|r| r.expanded_at.is_some()))
    }

    async fn delete(&self, ack: &AckId) {
        match self.backend.shards.delete(std::slice::from_ref(ack)).await {
            Ok(_) => ENVELOPES.one((Shards, Event::Deleted)),
            Err(error) => {
                QUEUE_FAILURES.one(Shards);
                // It comes back, is found expanded, and is deleted then.
                tracing::warn!(%error, "shard envelope not deleted");
            }
        }
    }

    async fn give_back(&self, received: &Received) -> Handled {
        // At once when leaving; else later each time, so that an outage does not eat up the receives.
        let pause = LOOK_EVERY.saturating_mul(1 << received.receive_count.min(10)).min(GIVE_BACK_MAX);
        let pause = if self.is_stopped() { Duration::ZERO } else { pause };
        match self.backend.shards.hide(std::slice::from_ref(&received.ack), pause).await {
            Ok(_) => ENVELOPES.one((Shards, Event::GivenBack)),
            Err(error) => {
                QUEUE_FAILURES.one(Shards);
                tracing::warn!(%error, "shard envelope not given back");
            }
        }
        Handled::GivenBack
    }
}
