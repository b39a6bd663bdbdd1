//! Staging a campaign on the fleet, gathering preflight's facts, arming and disarming.

use crate::preflight::{Facts, Preflight, check};
use crate::{Control, ControlError, Who};
use common::campaign::arming::second_person_needed;
use common::campaign::{Campaign, Decision, Refusal, RefusalCode, Stamp, State};
use common::fleet::{Expect, Expected, ScaleWish, Slot};
use common::ids::CampaignId;
use common::limits::{HEARTBEAT_GOOD_FOR, SILENT_KEPT_FOR};
use common::ports::Written;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an arming waits between two looks at the fleet.
const LOOK: Duration = Duration::from_millis(100);

/// What arming is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArmRequest {
    /// The fleet that is expected: as it was last scaled, where nothing is said.
    pub expect: Expected,
    /// Checks to override, with the reason.
    pub overrides: BTreeMap<String, String>,
    /// How long to wait for the fleet to load the snapshot, in milliseconds.
    pub wait_ms: u64,
    /// It takes two people. Not for whoever asks to say.
    #[serde(skip)]
    pub second_person: bool,
}

impl Default for ArmRequest {
    fn default() -> Self {
        Self {
            expect: Expected::default(),
            overrides: BTreeMap::new(),
            wait_ms: 20_000,
            second_person: false,
        }
    }
}

/// Whether a campaign in this state keeps the fleet for itself.
pub(crate) fn holds_fleet(campaign: &Campaign) -> bool {
    matches!(campaign.state, State::Armed | State::Sending | State::Stopping)
}

impl Control {
    /// Gives the fleet to this campaign, so that workers load its snapshot. Answers the campaign that has it instead.
    ///
    /// # Errors
    /// As the backend says, or [`ControlError::Busy`].
    pub async fn stage(&self, id: CampaignId) -> Result<Option<Campaign>, ControlError> {
        for _ in 0..20 {
            let slot = self.backend.campaigns.slot().await?;
            if slot.campaign == Some(id) {
                return Ok(None);
            }
            if let Some(other) = self.slot_holder(&slot).await?.filter(holds_fleet) {
                return Ok(Some(other));
            }
            let next = Slot { version: slot.version + 1, campaign: Some(id), ..slot };
            if self.backend.campaigns.set_slot(&next).await? == Written::Yes {
                return Ok(None);
            }
        }
        Err(ControlError::Busy)
    }

    /// After a campaign was armed or resumed: makes sure that it still has the fleet, by a write that any other staging
    /// conflicts with (and then sees this campaign's new state). False when another campaign was staged meanwhile.
    pub(crate) async fn keep_fleet(&self, id: CampaignId) -> Result<bool, ControlError> {
        for _ in 0..20 {
            let slot = self.backend.campaigns.slot().await?;
            if slot.campaign != Some(id) {
                return Ok(false);
            }
            let next = Slot { version: slot.version + 1, campaign: Some(id), ..slot };
            if self.backend.campaigns.set_slot(&next).await? == Written::Yes {
                return Ok(true);
            }
        }
        Err(ControlError::Busy)
    }

    /// Whether somebody asked for another size. Looked at after `keep_fleet`: a scaling that comes later sees the campaign armed.
    async fn was_scaled_since(&self, before: Option<&ScaleWish>) -> Result<bool, ControlError> {
        let now = self.backend.campaigns.slot().await?.scale;
        let when = |wish: Option<&ScaleWish>| wish.map(|w| (w.at, w.interim, w.push));
        Ok(when(before) != when(now.as_ref()))
    }

    pub(crate) async fn slot_holder(&self, slot: &Slot) -> Result<Option<Campaign>, ControlError> {
        match slot.campaign {
            Some(id) => Ok(self.backend.campaigns.get(id).await?),
            None => Ok(None),
        }
    }

    /// Makes all checks for a campaign, as for an arming that expects this fleet (or the one it was armed with).
    ///
    /// # Errors
    /// When there is no such campaign.
    pub async fn preflight(&self, id: CampaignId, expect: &Expected) -> Result<Preflight, ControlError> {
        let campaign = self.get(id).await?;
        let overrides = campaign.armed.as_ref().map(|armed| armed.overrides.clone()).unwrap_or_default();
        self.checks(&campaign, expect, &overrides).await
    }

    pub(crate) async fn checks(
        &self,
        campaign: &Campaign,
        expect: &Expected,
        overrides: &BTreeMap<String, String>,
    ) -> Result<Preflight, ControlError> {
        let now = self.clock.now();
        let slot = self.backend.campaigns.slot().await?;
        let holder = self.slot_holder(&slot).await?.filter(|c| c.id != campaign.id && holds_fleet(c));
        let beaten = self.backend.fleet.workers(now.minus(SILENT_KEPT_FOR)).await?;
        let (workers, silent): (Vec<_>, Vec<_>) =
            beaten.into_iter().partition(|w| w.at >= now.minus(HEARTBEAT_GOOD_FOR));
        let armed = campaign.armed.as_ref().filter(|_| expect.is_empty()).map(|a| a.expect.clone());
        let facts = Facts {
            campaign,
            expect: &armed.unwrap_or_else(|| expect.or(slot.scale.as_ref())),
            workers: &workers,
            silent: &silent,
            shards: self.backend.shards.depth().await?,
            batches: self.backend.batches.depth().await?,
            free_bytes: self.backend.disk.as_ref().and_then(|disk| disk.free_bytes()),
            occupied: holder.map(|c| (c.name, c.state)),
            staged: slot.campaign == Some(campaign.id),
            overrides,
            now,
        };
        Ok(check(&facts))
    }

    /// Arms a campaign: gives it the fleet, waits until the checks are green or overridden, freezes it.
    ///
    /// # Errors
    /// [`ControlError::NotReady`] with all checks when the wait is over; why the state does not allow it.
    pub async fn arm(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        request: &ArmRequest,
    ) -> Result<Campaign, ControlError> {
        check_overrides(&request.overrides)?;
        let scaled = self.backend.campaigns.slot().await?.scale;
        let expect = request.expect.or(scaled.as_ref());
        let stamp = || Stamp::new(&who.name, self.clock.now());
        let decide = |c: &Campaign| match c.arm(stamp(), expect.clone(), request.overrides.clone()) {
            Decision::Change(_)
                if request.second_person && !c.is_second(&stamp(), &expect, &request.overrides) =>
            {
                Decision::Refuse(second_person_needed(&c.name))
            }
            decision => decision,
        };
        // Refuse what the state forbids before anything is staged.
        match decide(&self.get(id).await?) {
            Decision::Refuse(no) => {
                if no.code == second_person_needed("").code {
                    let note = |c: &Campaign| c.first_of_two(stamp(), &expect, &request.overrides);
                    self.change(who, "campaign.arm_first", id, note).await?;
                }
                return Err(no.into());
            }
            Decision::Same => return self.get(id).await,
            Decision::Change(_) => {}
        }
        self.stage(id).await?;
        let checked = self.until_ready(who, id, &expect, request).await?;
        let what = |c: &Campaign| (c.content_id, c.snapshot.as_ref().map(|s| s.id), c.options.clone());
        let checked = what(&checked);
        let decide = |c: &Campaign| if what(c) == checked { decide(c) } else { changed_meanwhile() };
        let armed = self.change(who, "campaign.arm", id, decide).await?;
        if armed.by_us {
            // A disarm takes them out of the record: the trail keeps them.
            for (check, reason) in &request.overrides {
                self.audit(who, "campaign.override", Some(id), format!("{check}: {reason}"));
            }
            self.keep_armed(who, id, scaled.as_ref()).await?;
        }
        Ok(armed.campaign)
    }

    /// Waits until the checks are green or overridden. Answers the campaign that was checked.
    async fn until_ready(
        &self,
        who: &Who,
        id: CampaignId,
        expect: &Expect,
        request: &ArmRequest,
    ) -> Result<Campaign, ControlError> {
        let give_up = self.clock.mono() + Duration::from_millis(request.wait_ms);
        loop {
            let campaign = self.get(id).await?;
            who.leave.check(&campaign)?;
            let preflight = self.checks(&campaign, &expect.clone().into(), &request.overrides).await?;
            if preflight.go {
                return Ok(campaign);
            }
            if self.clock.mono() >= give_up || preflight.waits_in_vain() {
                return Err(ControlError::NotReady(Box::new(preflight)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes an arming back that lost the fleet, or whose fleet was scaled meanwhile.
    async fn keep_armed(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        scaled: Option<&ScaleWish>,
    ) -> Result<(), ControlError> {
        let refusal = if !self.keep_fleet(id).await? {
            lost_fleet()
        } else if self.was_scaled_since(scaled).await? {
            scaled_meanwhile()
        } else {
            return Ok(());
        };
        self.disarm(&who.taking_back(), id).await?;
        Err(refusal.into())
    }

    /// Takes an armed campaign back to ready.
    ///
    /// # Errors
    /// Why the state does not allow it.
    pub async fn disarm(self: &Arc<Self>, who: &Who, id: CampaignId) -> Result<Campaign, ControlError> {
        Ok(self.change(who, "campaign.disarm", id, Campaign::disarm).await?.campaign)
    }
}

fn changed_meanwhile() -> Decision {
    let detail =
        "its content, options or audience were changed while it was being armed: look at it, and arm again"
            .to_owned();
    Decision::Refuse(Refusal { code: RefusalCode::Changed, detail })
}

/// Two campaigns were armed or resumed at the same moment, and the other one has the fleet.
pub(crate) fn lost_fleet() -> Refusal {
    let detail = "another campaign was given the fleet at the same moment: look at `owl campaign list`, then try again";
    Refusal { code: RefusalCode::FleetTaken, detail: detail.to_owned() }
}

fn scaled_meanwhile() -> Refusal {
    let detail = "the fleet was scaled while it was being armed: look at `owl fleet status`, then arm again";
    Refusal { code: RefusalCode::Changed, detail: detail.to_owned() }
}

fn check_overrides(overrides: &BTreeMap<String, String>) -> Result<(), ControlError> {
    for (name, reason) in overrides {
        let field = "overrides";
        let why = match name.as_str() {
            "snapshot_hash" | "payload_size" | "fleet_free" | "silent_size" => {
                format!("`{name}` can't be overridden")
            }
            name if !crate::preflight::OVERRIDABLE.contains(&name) => {
                format!(
                    "there is no check `{name}`; these can be overridden: {}",
                    crate::preflight::OVERRIDABLE.join(", ")
                )
            }
            _ if reason.trim().is_empty() => format!("`{name}` wants a reason"),
            _ => continue,
        };
        return Err(common::device::BadField { field, why }.into());
    }
    Ok(())
}
