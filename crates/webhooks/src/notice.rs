//! Finding out what is to be told, and writing it down: one delivery for each webhook and event, put under a condition, so
//! that processes that find the same thing at the same time write one.

use crate::message::happened;
use crate::notifier::Notifier;
use common::campaign::{Campaign, State};
use common::ids::CampaignId;
use common::ports::{PortError, Written};
use common::webhook::delivery::TOLD_WITHIN;
use common::webhook::{Event, HookId, MessageId, Webhook};
use control::{ControlError, Tally};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// How often the newest campaigns are read, for those that left the slot unseen: at a start, and when another process had
/// the fleet. The one in the slot is looked at every time.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// Each campaign in the list makes that a little rarer, because listing is paid for by what is listed.
const LIST_RARER_BY: Duration = Duration::from_millis(50);
/// That many of the newest campaigns are looked at.
const LOOK_BACK: usize = 200;
/// The live figures are waited for no longer than this.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);
/// What was noted is forgotten after this: a clock that was wrong may have hidden something. It costs a reading.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Beyond so many, what was seen is forgotten; it costs a few writes that conflict.
const REMEMBERED_MAX: usize = 10_000;

/// What was seen before; losing it costs a reading, nothing else.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    list_at: Option<Instant>,
    /// The version at which a campaign was noted whole.
    noted: HashMap<CampaignId, u64>,
    /// Deliveries that are in the log.
    told: HashSet<(HookId, MessageId)>,
    /// The campaign in the slot.
    current: Option<Campaign>,
    /// The one that was there before, while its end is not noted.
    left: Option<CampaignId>,
    forgot_at: Option<Instant>,
}

impl Looks {
    /// Everything is looked at again.
    pub(crate) fn forget(&mut self) {
        self.noted.clear();
        self.list_at = None;
    }

    fn bound(&mut self) {
        let since = *self.forgot_at.get_or_insert_with(Instant::now);
        if self.noted.len() > REMEMBERED_MAX || since.elapsed() >= FORGET_EVERY {
            self.noted.clear();
            self.forgot_at = None;
        }
        if self.told.len() > REMEMBERED_MAX {
            self.told.clear();
        }
    }
}

impl Notifier {
    /// Writes down what happened since the last look.
    pub(crate) async fn notice(&self, hooks: &[&Webhook], looks: &mut Looks) -> Result<(), ControlError> {
        looks.bound();
        if let Some(campaign) = self.in_slot(looks).await? {
            self.note(&campaign, hooks, looks).await?;
        }
        let left = self.note_left(hooks, looks).await;
        if looks.list_at.is_some_and(|at| Instant::now() < at) {
            return left;
        }
        // Also when something fails: nobody reads the presses' table in a loop.
        looks.list_at = Some(Instant::now() + LIST_EVERY);
        let newest = self.backend().campaigns.list(LOOK_BACK).await?;
        let mut failed = left;
        for campaign in &newest {
            if looks.noted.get(&campaign.id) != Some(&campaign.version) {
                failed = failed.and(self.note(campaign, hooks, looks).await);
            }
        }
        failed?;
        let rarer = LIST_RARER_BY.saturating_mul(u32::try_from(newest.len()).unwrap_or(u32::MAX));
        looks.list_at = Some(Instant::now() + LIST_EVERY + rarer);
        Ok(())
    }

    /// The campaign in the slot: read again when its version says that it changed. `None` where nothing can be new.
    async fn in_slot(&self, looks: &mut Looks) -> Result<Option<Campaign>, PortError> {
        let campaigns = &self.backend().campaigns;
        let slot = campaigns.slot().await?.campaign;
        if let Some(old) = looks.current.take_if(|old| Some(old.id) != slot) {
            looks.left = Some(old.id);
        }
        let Some(id) = slot else { return Ok(None) };
        let version = campaigns.version(id).await?;
        let known = looks.current.as_ref().filter(|c| c.id == id && Some(c.version) == version);
        if known.is_none() {
            looks.current = campaigns.get(id).await?;
        }
        let news = |c: &&Campaign| is_moving(c) || looks.noted.get(&c.id) != Some(&c.version);
        Ok(looks.current.as_ref().filter(news).cloned())
    }

    /// The campaign that left the slot, once more: its end may have come between two looks, and the list may not have it.
    async fn note_left(&self, hooks: &[&Webhook], looks: &mut Looks) -> Result<(), ControlError> {
        let Some(id) = looks.left else { return Ok(()) };
        let found = self.backend().campaigns.get(id).await;
        if !found.as_ref().is_err_and(PortError::is_transient) {
            looks.left = None;
        }
        let Some(campaign) = found? else { return Ok(()) };
        let noted = self.note(&campaign, hooks, looks).await;
        if noted.is_err() {
            looks.left = Some(id);
        }
        noted
    }

    async fn note(
        &self,
        campaign: &Campaign,
        hooks: &[&Webhook],
        looks: &mut Looks,
    ) -> Result<(), ControlError> {
        // The figures are paid for: they are asked for until everybody knows of the half.
        let knows = |id| looks.told.contains(&(id, MessageId::of(id, campaign.id, Event::Half, 0)));
        let asks = |hook: &&Webhook| hook.events.contains(&Event::Half) && !knows(hook.id);
        let half = is_moving(campaign) && hooks.iter().any(asks);
        let so_far = if half { self.counted(campaign).await } else { None };
        let now = self.now();
        let recent = happened(campaign, so_far.as_ref(), now);
        let mut failed = Ok(());
        for event in recent.iter().filter(|event| now.since(event.at) < TOLD_WITHIN) {
            for hook in hooks.iter().filter(|hook| hook.wants(event.event, event.at)) {
                let message = MessageId::of(hook.id, campaign.id, event.event, event.number);
                if looks.told.contains(&(hook.id, message)) {
                    continue;
                }
                match self.backend().webhooks.put_delivery(&event.tell(hook, campaign)).await {
                    // Also what another process has put: that one may be dead.
                    Ok(Written::Yes | Written::Conflict) => self.look_now(hook.id),
                    // The others go on, and this is tried again at the next look.
                    Err(error) => {
                        failed = Err(error);
                        continue;
                    }
                }
                looks.told.insert((hook.id, message));
            }
        }
        failed?;
        looks.noted.insert(campaign.id, campaign.version);
        Ok(())
    }
}

impl Notifier {
    /// The live figures, if they are to be had at once: no other message waits for them, and the next look asks again.
    async fn counted(&self, campaign: &Campaign) -> Option<Tally> {
        tokio::time::timeout(COUNTED_WITHIN, self.control.so_far(campaign)).await.ok()?.ok()
    }
}

/// Whether its figures change while its record does not.
fn is_moving(campaign: &Campaign) -> bool {
    matches!(campaign.state, State::Sending | State::Stopping)
}
