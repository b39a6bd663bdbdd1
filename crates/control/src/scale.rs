//! How large the fleet is wanted: asked by a person, noted in the fleet's record, passed on to whoever runs the tasks, and
//! taken back when its time is over. Never smaller while a campaign needs it.

use crate::arm::holds_fleet;
use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, Refusal, RefusalCode};
use common::device::BadField;
use common::fleet::{FleetSize, Role, ScaleWish, Slot};
use common::limits::FLEET_TASKS_MAX;
use common::ports::{Scaling, Written};
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How often the reconciler looks whether the fleet is as large as was asked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How large the fleet shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleRequest {
    /// Interim workers.
    #[schemars(range(max = FLEET_TASKS_MAX))]
    pub interim: u32,
    /// Push workers.
    #[schemars(range(max = FLEET_TASKS_MAX))]
    pub push: u32,
    /// Then both go to zero, unless a campaign holds the fleet.
    #[serde(default)]
    pub until: Option<UnixMs>,
}

/// The fleet's size as asked and as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scaled {
    /// What was last asked.
    pub wish: Option<ScaleWish>,
    /// Both roles, by whoever runs the tasks. Empty where nobody does.
    pub sizes: Vec<FleetSize>,
}

impl Control {
    /// Both roles' sizes; empty where nobody starts or stops workers.
    ///
    /// # Errors
    /// When whoever runs the tasks does not answer.
    pub async fn sizes(&self) -> Result<Vec<FleetSize>, ControlError> {
        match &self.scaling {
            Some(scaling) => Ok(scaling.sizes().await?),
            None => Ok(Vec::new()),
        }
    }

    /// Wants the fleet this large. What can't be passed on at once, the reconciler passes on.
    ///
    /// # Errors
    /// A field that can't be; fewer workers while a campaign holds the fleet; a backend on which nothing can be scaled.
    pub async fn scale(self: &Arc<Self>, who: &Who, ask: &ScaleRequest) -> Result<Scaled, ControlError> {
        let scaling = self.scaling.clone().ok_or_else(nobody_scales)?;
        self.check(ask)?;
        for _ in 0..20 {
            let slot = self.backend.campaigns.slot().await?;
            let sizes = scaling.sizes().await?;
            if let Some(holder) = self.slot_holder(&slot).await?.filter(holds_fleet) {
                check_keeps(&holder, ask, &sizes)?;
            }
            let (by, at) = (who.name.clone(), self.clock.now());
            let ScaleRequest { interim, push, until } = *ask;
            let wish = ScaleWish { interim, push, until, by, at, noted: false };
            let next = Slot { version: slot.version + 1, scale: Some(wish.clone()), ..slot };
            if self.backend.campaigns.set_slot(&next).await? == Written::Yes {
                self.audit(who, "fleet.scale", None, format!("{interim} interim, {push} push"));
                self.pass_on(scaling.as_ref(), &next, &wish).await?;
                return Ok(Scaled { wish: Some(wish), sizes: scaling.sizes().await? });
            }
        }
        Err(ControlError::Busy)
    }

    fn check(&self, ask: &ScaleRequest) -> Result<(), ControlError> {
        for (field, n) in [("interim", ask.interim), ("push", ask.push)] {
            if n > FLEET_TASKS_MAX {
                let why = format!("is {n}, at most {FLEET_TASKS_MAX} are allowed");
                return Err(BadField { field, why }.into());
            }
        }
        match ask.until {
            Some(until) if until <= self.clock.now() => {
                let why = format!("is {}, which is over", until.rfc3339());
                Err(BadField { field: "until", why }.into())
            }
            _ => Ok(()),
        }
    }

    /// Tells whoever runs the tasks, then notes that it was told.
    async fn pass_on(
        &self,
        scaling: &dyn Scaling,
        slot: &Slot,
        wish: &ScaleWish,
    ) -> Result<(), ControlError> {
        let (mut slot, mut wish) = (slot.clone(), wish.clone());
        for _ in 0..20 {
            scaling.scale(Role::Interim, wish.interim).await?;
            scaling.scale(Role::Push, wish.push).await?;
            let noted = ScaleWish { noted: true, ..wish.clone() };
            let next = Slot { version: slot.version + 1, scale: Some(noted), ..slot };
            if self.backend.campaigns.set_slot(&next).await? == Written::Yes {
                return Ok(());
            }
            // Somebody staged or scaled meanwhile: what is wanted now is told, so that a slow call has not the last word.
            slot = self.backend.campaigns.slot().await?;
            match slot.scale.clone() {
                Some(now) => wish = now,
                None => return Ok(()),
            }
        }
        Err(ControlError::Busy)
    }

    /// Passes on what was asked and not noted yet, and takes back what is over.
    pub(crate) async fn keep_scale(self: &Arc<Self>) -> Result<(), ControlError> {
        let Some(scaling) = self.scaling.clone().filter(|_| self.is_time_to_scale()) else { return Ok(()) };
        let slot = self.backend.campaigns.slot().await?;
        let Some(wish) = slot.scale.clone() else { return Ok(()) };
        if wish.until.is_some_and(|until| until <= self.clock.now()) {
            return self.take_back(scaling.as_ref(), slot, wish).await;
        }
        if !wish.noted {
            // It was asked before a campaign took the fleet: then nobody is taken away any more.
            if let Some(holder) = self.slot_holder(&slot).await?.filter(holds_fleet) {
                let ScaleWish { interim, push, until, .. } = wish;
                check_keeps(&holder, &ScaleRequest { interim, push, until }, &scaling.sizes().await?)?;
            }
            self.pass_on(scaling.as_ref(), &slot, &wish).await?;
        }
        Ok(())
    }

    /// Its time is over: both roles go to zero, unless a campaign holds the fleet; then as soon as it is over.
    async fn take_back(
        self: &Arc<Self>,
        scaling: &dyn Scaling,
        slot: Slot,
        wish: ScaleWish,
    ) -> Result<(), ControlError> {
        if self.slot_holder(&slot).await?.is_some_and(|c| holds_fleet(&c)) {
            return Ok(());
        }
        // The write comes first: an arming at the same moment conflicts with it, or is seen above.
        let zero = ScaleWish { interim: 0, push: 0, until: None, noted: false, ..wish };
        let next = Slot { version: slot.version + 1, scale: Some(zero.clone()), ..slot };
        if self.backend.campaigns.set_slot(&next).await? == Written::Yes {
            self.audit(&Who::named("reconciler"), "fleet.scale", None, "0 interim, 0 push".to_owned());
            self.pass_on(scaling, &next, &zero).await?;
        }
        Ok(())
    }

    fn is_time_to_scale(&self) -> bool {
        let now = self.clock.mono();
        let mut last = self.scaled_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| now.saturating_sub(at) >= LOOK_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// While a campaign holds the fleet, no role gets fewer tasks than are wanted now.
fn check_keeps(holder: &Campaign, ask: &ScaleRequest, sizes: &[FleetSize]) -> Result<(), ControlError> {
    let asked = |role| if role == Role::Interim { ask.interim } else { ask.push };
    let Some(less) = sizes.iter().find(|size| asked(size.role) < size.wanted) else { return Ok(()) };
    let role = if less.role == Role::Interim { "interim" } else { "push" };
    let (name, state) = (&holder.name, holder.state.label());
    let detail = format!(
        "`{name}` is {state} and needs its {} {role} workers: disarm or finish it first, or ask for at least as many",
        less.wanted
    );
    Err(Refusal { code: RefusalCode::FleetHeld, detail }.into())
}

fn nobody_scales() -> ControlError {
    let detail =
        "all roles run in one process here, so there is nothing to scale: this is for the services on AWS";
    Refusal { code: RefusalCode::NothingToScale, detail: detail.to_owned() }.into()
}
