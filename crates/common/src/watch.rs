//! What a worker knows of the campaign that its fleet is for: looked up every 250 ms, and never trusted for longer than
//! a second.

use crate::campaign::Campaign;
use crate::envelope::Head;
use crate::ids::{CampaignId, Epoch};
use crate::limits::{DEAF_AFTER, LOOK_GOOD_FOR};
use crate::plan::{Gate, gate};
use crate::ports::{Campaigns, PortError};
use crate::time::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the last good look showed.
#[derive(Clone, Debug)]
pub struct View {
    /// The campaign in the fleet's slot.
    pub campaign: Option<Arc<Campaign>>,
    /// When that look began, on the monotonic clock.
    pub began: Duration,
}

/// Looks at the slot's campaign. Shared by the tasks of one worker.
pub struct Watch {
    campaigns: Arc<dyn Campaigns>,
    clock: Arc<dyn Clock>,
    view: Mutex<Option<View>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("view", &self.view()).finish_non_exhaustive()
    }
}

impl Watch {
    /// A watch that has not looked yet.
    #[must_use]
    pub fn new(campaigns: Arc<dyn Campaigns>, clock: Arc<dyn Clock>) -> Self {
        Self { campaigns, clock, view: Mutex::new(None) }
    }

    /// The last good look, however old; `None` before the first.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The slot's campaign as of the last good look.
    #[must_use]
    pub fn campaign(&self) -> Option<Arc<Campaign>> {
        self.view()?.campaign
    }

    /// Looks now.
    ///
    /// # Errors
    /// As the port says; the last good look stays, and ages.
    pub async fn look(&self) -> Result<View, PortError> {
        let began = self.clock.mono();
        let campaign = match self.campaigns.slot().await?.campaign {
            Some(id) => self.newest(id).await?,
            None => None,
        };
        let mut slot = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        // Two looks may overlap: the one that began later knows better, and an unchanged record is kept as it is.
        let keep = slot.as_ref().and_then(|old| old.campaign.clone());
        let campaign = match (keep, campaign) {
            (Some(old), Some(new)) if old.id == new.id && old.version >= new.version => Some(old),
            (_, new) => new,
        };
        let view = View { campaign, began };
        if slot.as_ref().is_none_or(|old| old.began <= began) {
            *slot = Some(view.clone());
        }
        Ok(view)
    }

    /// The record as of now: the one from the last look while its version stands, so that looking stays cheap.
    async fn newest(&self, id: CampaignId) -> Result<Option<Arc<Campaign>>, PortError> {
        let version = self.campaigns.version(id).await?;
        let known = self.campaign().filter(|old| old.id == id && Some(old.version) == version);
        match (known, version) {
            (Some(known), _) => Ok(Some(known)),
            (None, Some(_)) => Ok(self.campaigns.get(id).await?.map(Arc::new)),
            (None, None) => Ok(None),
        }
    }

    /// Whether an envelope may be acted upon now, by the last good look. A look that is too old, or that saw another
    /// campaign in the slot, asks for a new one.
    #[must_use]
    pub fn gate(&self, head: &Head) -> Gate {
        let Some(view) = self.view() else { return Gate::LookAgain };
        if self.clock.mono().saturating_sub(view.began) >= LOOK_GOOD_FOR {
            return Gate::LookAgain;
        }
        match view.campaign {
            Some(c) if c.id == head.campaign => gate(head, c.epoch, c.live_run().is_some(), self.clock.now()),
            // Another campaign has the fleet: this envelope's run is over, if the slot is not just being changed.
            Some(_) | None if head.deadline_at <= self.clock.now() => Gate::Drop,
            Some(_) | None => Gate::LookAgain,
        }
    }

    /// That the campaign could not be looked at for a while, in a sentence: nothing is sent meanwhile.
    #[must_use]
    pub fn blind(&self) -> Option<String> {
        let age = self.clock.mono().saturating_sub(self.view()?.began);
        (age >= DEAF_AFTER).then(|| {
            format!("the campaign could not be looked at for {} s: nothing is sent meanwhile", age.as_secs())
        })
    }

    /// Whether bytes of this epoch of this campaign may leave at this instant.
    #[must_use]
    pub fn may_send(&self, head: &Head) -> bool {
        self.gate(head) == Gate::Go
    }

    /// The epoch last seen of the slot's campaign.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.campaign().map_or(Epoch(0), |c| c.epoch)
    }
}
