//! The JSON shapes of webhooks and their log.

use common::campaign::Stamp;
use common::ids::CampaignId;
use common::time::UnixMs;
use common::webhook::{Attempt, Came, Delivery, Disabled, Event, HookId, MessageId, Progress, Webhook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use webhooks::Tried;

/// Body of `POST /v1/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where messages go.
    pub url: String,
    /// Which events are told; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
    /// Its name, for people; scheme and host when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookView {
    /// Its id.
    pub id: HookId,
    /// Its name.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// Which events are told.
    pub events: BTreeSet<Event>,
    /// Who made it, and when.
    pub created: Stamp,
    /// Since when, and why, nothing is sent any more.
    pub disabled: Option<Disabled>,
}

impl From<Webhook> for WebhookView {
    fn from(hook: Webhook) -> Self {
        let Webhook { id, name, url, events, created, disabled, .. } = hook;
        Self { id, name, url, events, created, disabled }
    }
}

/// Answer of `GET /v1/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookList {
    /// Newest first.
    pub webhooks: Vec<WebhookView>,
}

/// Answer of `POST /v1/webhooks`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct WebhookMade {
    /// What messages are signed with, told this once.
    pub secret: String,
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
}

impl std::fmt::Debug for WebhookMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookMade").field("webhook", &self.webhook).finish_non_exhaustive()
    }
}

/// A message to a webhook, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryView {
    /// Its `webhook-id`.
    pub message: MessageId,
    /// What it is about.
    #[serde(rename = "type")]
    pub event: Event,
    /// Which campaign it is about.
    pub campaign: Option<CampaignId>,
    /// When that happened; of `campaign.half`, the press.
    pub at: UnixMs,
    /// Attempts begun.
    pub attempts: u32,
    /// The last attempt: its status, or why there was none.
    pub last: Option<Attempt>,
    /// When it is tried (again); `null` also where the webhook is disabled.
    pub next_at: Option<UnixMs>,
    /// When it was delivered.
    pub delivered_at: Option<UnixMs>,
    /// Since when it is not tried any more.
    pub given_up_at: Option<UnixMs>,
}

impl From<Delivery> for DeliveryView {
    fn from(row: Delivery) -> Self {
        // What is to be sent at once has no time of its own yet.
        let next_at = row.due_at().map(|due| due.max(row.at));
        let (delivered_at, given_up_at) = match row.progress {
            Progress::Waiting { .. } => (None, None),
            Progress::Delivered { at } => (Some(at), None),
            Progress::GivenUp { at } => (None, Some(at)),
        };
        let Delivery { message, event, campaign, at, attempts, last, .. } = row;
        Self { message, event, campaign, at, attempts, last, next_at, delivered_at, given_up_at }
    }
}

impl DeliveryView {
    /// One whose webhook is disabled: whatever it waits for, nothing is sent.
    pub(crate) fn of_disabled(row: Delivery) -> Self {
        Self { next_at: None, ..Self::from(row) }
    }
}

/// Answer of `GET /v1/webhooks/{id}/deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryList {
    /// Newest first.
    pub deliveries: Vec<DeliveryView>,
}

/// Answer of `POST /v1/webhooks/{id}/test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookTested {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The beginning of its answer, where there was one.
    pub answer: Option<String>,
    /// The message, as it stands in the log.
    pub delivery: DeliveryView,
}

impl From<Tried> for WebhookTested {
    fn from(tried: Tried) -> Self {
        let answer = match tried.came {
            Came::Answer { text, .. } => Some(text),
            Came::Nothing(_) => None,
        };
        let delivery = DeliveryView::from(tried.delivery);
        Self { delivered: delivery.delivered_at.is_some(), answer, delivery }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_sent_at_once_says_when_it_happened() {
        let (at, message) = (UnixMs(1_770_593_465_120), MessageId::random());
        let row = Delivery::new(HookId(7), at, message, Event::Done, None, "{}".to_owned());
        assert_eq!(DeliveryView::from(row.clone()).next_at, Some(at));
        assert_eq!(DeliveryView::of_disabled(row).next_at, None);
    }
}
