//! Press, canary, abort, resume: the four actions that raise the epoch.

use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, Decision, Refusal, RefusalCode, Stamp, State};
use common::fleet::Role;
use common::ids::CampaignId;
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use telemetry::metrics::{PRESS_RECEIPT_SECONDS, PRESSES, Pressed};

/// A receipt comes within a second; what is not dispatched by then is the reconciler's.
const RECEIPT: Duration = Duration::from_millis(700);

/// What a press came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PressResult {
    /// This press started it.
    Pressed,
    /// Somebody pressed before; nothing was sent twice.
    AlreadyPressed,
}

/// What a press was meant for. A request may be long on its way, after whoever made it has given up: it must not press what
/// was armed anew meanwhile, and not long after the hand. What is left out is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Meant {
    /// When the arming was that the button belonged to: `armed.stamp.at` of the campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub armed_at: Option<UnixMs>,
    /// It presses at this time at the latest, by the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixMs>,
}

impl Meant {
    /// Why an armed campaign is not pressed. One that was pressed answers as ever.
    fn refuses(&self, campaign: &Campaign, now: UnixMs) -> Option<Refusal> {
        let armed = campaign.armed.as_ref().filter(|_| campaign.state == State::Armed)?;
        if self.armed_at.is_some_and(|at| at != armed.stamp.at) {
            let detail =
                format!("it was armed anew by {} since: look at it, and press again", armed.stamp.by);
            return Some(Refusal { code: RefusalCode::ArmedAnew, detail });
        }
        let late = self.not_after.filter(|limit| now > *limit)?;
        let detail = format!("this press was meant for {} at the latest, and came later", late.rfc3339());
        Some(Refusal { code: RefusalCode::TooLate, detail })
    }
}

/// The receipt of a press.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Whether it was this press.
    pub result: PressResult,
    /// Who pressed first.
    pub by: String,
    /// When the first press was written down.
    pub at: UnixMs,
    /// Where the campaign stands now.
    pub state: State,
    /// Envelopes on their way.
    pub dispatched: u16,
    /// Envelopes in all.
    pub shards: u16,
    /// One plain sentence.
    pub sentence: String,
}

/// A campaign that is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Its record.
    #[serde(flatten)]
    pub campaign: Campaign,
    /// That nothing is sent as things are, and what to do, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Control {
    /// The press. The conditional write is the gate; the envelopes follow. Pressing again answers who was first, and
    /// completes what that press left undone.
    ///
    /// # Errors
    /// Why the state does not allow it. Once the gate is written, this answers a receipt even when envelopes are still
    /// missing: the reconciler sends them.
    pub async fn press(self: &Arc<Self>, who: &Who, id: CampaignId) -> Result<Receipt, ControlError> {
        self.press_meant(who, id, Meant::default()).await
    }

    /// The press, unless it was meant for something else.
    ///
    /// # Errors
    /// As of [`Control::press`]; `armed_anew` and `too_late` besides.
    pub async fn press_meant(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        meant: Meant,
    ) -> Result<Receipt, ControlError> {
        let began = self.clock.mono();
        let pressed = self.press_now(who, id, meant).await;
        PRESS_RECEIPT_SECONDS.observe((), self.clock.mono().saturating_sub(began));
        PRESSES.one(match &pressed {
            Ok(Receipt { result: PressResult::Pressed, .. }) => Pressed::First,
            Ok(Receipt { result: PressResult::AlreadyPressed, .. }) => Pressed::Again,
            Err(ControlError::Refused(_) | ControlError::NotFound(_)) => Pressed::Refused,
            Err(_) => Pressed::Failed,
        });
        pressed
    }

    #[tracing::instrument(name = "press", skip_all, fields(campaign = %id))]
    async fn press_now(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        meant: Meant,
    ) -> Result<Receipt, ControlError> {
        let decide = |c: &Campaign| match meant.refuses(c, self.clock.now()) {
            Some(no) => Decision::Refuse(no),
            None => c.press(Stamp::new(&who.name, self.clock.now())),
        };
        let changed = self.change(who, "campaign.press", id, decide).await?;
        let shards = changed.campaign.frozen().map_or(0, |f| f.shards);
        let dispatched = match changed.campaign.state {
            State::Sending => self.dispatch_or_log(&changed.campaign).await,
            _ => shards,
        };
        Ok(receipt(&changed.campaign, changed.by_us, dispatched, shards))
    }

    /// Dispatches within the time that a person waits for a receipt. Stopping half-way is safe.
    async fn dispatch_or_log(&self, campaign: &Campaign) -> u16 {
        match tokio::time::timeout(RECEIPT, self.dispatch(campaign)).await {
            Ok(Ok(dispatched)) => dispatched,
            Ok(Err(error)) => {
                tracing::warn!(campaign = %campaign.id, %error, "dispatch failed; the reconciler goes on");
                0
            }
            Err(_) => {
                tracing::warn!(campaign = %campaign.id, "dispatch is slow; the reconciler goes on");
                0
            }
        }
    }

    /// Sends 1 % of the batches of an armed campaign.
    ///
    /// # Errors
    /// Why the state does not allow it.
    #[tracing::instrument(name = "canary", skip_all, fields(campaign = %id))]
    pub async fn canary(self: &Arc<Self>, who: &Who, id: CampaignId) -> Result<Campaign, ControlError> {
        let stamp = || Stamp::new(&who.name, self.clock.now());
        let changed = self.change(who, "campaign.canary", id, |c| c.canary(stamp())).await?;
        self.dispatch_or_log(&changed.campaign).await;
        Ok(changed.campaign)
    }

    /// Stops a build, an armed state, or the sending. Answers at once; `stopped` follows when every claim is settled.
    ///
    /// # Errors
    /// Why the state does not allow it.
    pub async fn abort(self: &Arc<Self>, who: &Who, id: CampaignId) -> Result<Campaign, ControlError> {
        let stamp = || Stamp::new(&who.name, self.clock.now());
        Ok(self.change(who, "campaign.abort", id, |c| c.abort(stamp())).await?.campaign)
    }

    /// Sends what the ledger says is unsent, after a stop. Warns when no worker is there to do it, and never refuses for that:
    /// the envelopes wait.
    ///
    /// # Errors
    /// Why the state does not allow it, or that another campaign has the fleet by now.
    #[tracing::instrument(name = "resume", skip_all, fields(campaign = %id))]
    pub async fn resume(self: &Arc<Self>, who: &Who, id: CampaignId) -> Result<Resumed, ControlError> {
        let stamp = || Stamp::new(&who.name, self.clock.now());
        if let Decision::Refuse(no) = self.get(id).await?.resume(stamp()) {
            return Err(no.into());
        }
        if let Some(other) = self.stage(id).await? {
            let detail = format!("the fleet is taken: `{}` is {}", other.name, other.state.label());
            return Err(Refusal { code: RefusalCode::FleetTaken, detail }.into());
        }
        let changed = self.change(who, "campaign.resume", id, |c| c.resume(stamp())).await?;
        if changed.by_us && !self.keep_fleet(id).await? {
            self.change(&who.taking_back(), "campaign.abort", id, |c| c.abort(stamp())).await?;
            return Err(crate::arm::lost_fleet().into());
        }
        let (_, warning) = futures::join!(self.dispatch_or_log(&changed.campaign), self.nobody_works());
        Ok(Resumed { campaign: changed.campaign, warning })
    }

    /// That a role has no live worker. What can't be read in time is no warning.
    async fn nobody_works(&self) -> Option<String> {
        let workers = tokio::time::timeout(RECEIPT, self.workers()).await.ok()?.ok()?;
        let has = |role| workers.iter().any(|worker| worker.role == role);
        let missing = match (has(Role::Interim), has(Role::Push)) {
            (true, true) => return None,
            (false, true) => "no interim worker is there",
            (true, false) => "no push worker is there",
            (false, false) => "no worker is there",
        };
        Some(format!(
            "it is resumed, but {missing}: nothing is sent until one comes (`owl fleet status` shows them, `owl fleet scale` \
             starts some), and its deadline runs"
        ))
    }
}

fn receipt(campaign: &Campaign, by_us: bool, dispatched: u16, shards: u16) -> Receipt {
    let first = campaign.pressed.clone().unwrap_or_else(|| campaign.created.clone());
    let at = first.at.rfc3339();
    let time = at.get(11..23).unwrap_or_default();
    let sentence = match (by_us, campaign.state) {
        (true, _) => {
            format!("pressed by {} at {time} UTC, {dispatched} of {shards} envelopes on their way", first.by)
        }
        (false, State::Stopping) => {
            format!("already pressed by {} at {time} UTC; it is being stopped", first.by)
        }
        (false, State::Done) => format!("already pressed by {} at {time} UTC; it is finished", first.by),
        (false, _) => format!("already pressed by {} at {time} UTC; nothing was sent twice", first.by),
    };
    let result = if by_us { PressResult::Pressed } else { PressResult::AlreadyPressed };
    Receipt { result, by: first.by, at: first.at, state: campaign.state, dispatched, shards, sentence }
}
