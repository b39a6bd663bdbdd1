//! Webhooks: who is told of what (a [`Webhook`]), and every message to them with what became of it (a [`Delivery`]).
//!
//! Pure: [`delivery`] has the rules of claiming and trying again. Signing and sending are the crate `webhooks`'.

pub mod delivery;
mod secret;
#[cfg(test)]
mod tests;

pub use delivery::{Attempt, Came, Delivery, Progress};
pub use secret::HookSecret;

use crate::campaign::Stamp;
use crate::ids::{CampaignId, clip};
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Who is told: the name of one webhook. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub struct HookId(#[schemars(with = "String", regex(pattern = "^[0-9a-f]{16}$"))] pub u64);

/// Digits of a [`HookId`].
const ID_DIGITS: usize = 16;

impl HookId {
    /// A new id, different from all others.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u64_pair().0)
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Text that is no webhook's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no webhook's id: one is 16 hexadecimal digits, as `owl webhook list` shows them")]
pub struct NoHookId(String);

impl FromStr for HookId {
    type Err = NoHookId;
    fn from_str(s: &str) -> Result<Self, NoHookId> {
        let digits = s.len() == ID_DIGITS && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let id = u64::from_str_radix(s, 16).ok().filter(|_| digits);
        id.map(Self).ok_or_else(|| NoHookId(clip(s)))
    }
}

impl Serialize for HookId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HookId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Event {
    /// A campaign was armed: the button works.
    #[serde(rename = "campaign.armed")]
    Armed,
    /// It was pressed.
    #[serde(rename = "campaign.pressed")]
    Pressed,
    /// Half of its devices have their outcome.
    #[serde(rename = "campaign.half")]
    Half,
    /// All of its devices have their outcome.
    #[serde(rename = "campaign.done")]
    Done,
    /// It was aborted, and nothing more leaves.
    #[serde(rename = "campaign.aborted")]
    Aborted,
    /// Somebody tries the webhook out. Nobody subscribes to it.
    #[serde(rename = "webhook.test")]
    Test,
}

impl Event {
    /// Those that can be subscribed to, in the order of a campaign's life.
    pub const CAMPAIGN: [Self; 5] = [Self::Armed, Self::Pressed, Self::Half, Self::Done, Self::Aborted];

    /// The `type` of its messages.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Armed => "campaign.armed",
            Self::Pressed => "campaign.pressed",
            Self::Half => "campaign.half",
            Self::Done => "campaign.done",
            Self::Aborted => "campaign.aborted",
            Self::Test => "webhook.test",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Event {
    type Err = String;

    /// `campaign.done`, or `done` for short.
    fn from_str(s: &str) -> Result<Self, String> {
        let named = |e: &Self| e.label() == s || e.label().strip_prefix("campaign.") == Some(s);
        let names = || Self::CAMPAIGN.map(Self::label).join(", ");
        let found = Self::CAMPAIGN.into_iter().find(named);
        found.ok_or_else(|| format!("`{}` is no event; these are: {}", clip(s), names()))
    }
}

/// The `webhook-id` of a message. The same event makes the same id in every process and in every attempt, so that a receiver
/// can drop the second of two. Written as `msg_` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub struct MessageId(#[schemars(with = "String", regex(pattern = "^msg_[0-9a-f]{32}$"))] pub u128);

impl MessageId {
    /// Of what happened to a campaign, for one webhook. `number` tells the second arming from the first.
    #[must_use]
    pub fn of(hook: HookId, campaign: CampaignId, event: Event, number: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&hook.0.to_be_bytes()).update(campaign.0.as_bytes());
        hasher.update(&number.to_be_bytes()).update(event.label().as_bytes());
        let hash = hasher.finalize();
        Self(hash.as_bytes().first_chunk().copied().map_or(0, u128::from_be_bytes))
    }

    /// Of a message that is sent once.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().as_u128())
    }
}

/// Begins every message's id, as the specification's examples do.
const MESSAGE_PREFIX: &str = "msg_";

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MESSAGE_PREFIX}{:032x}", self.0)
    }
}

impl FromStr for MessageId {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let digits = s.strip_prefix(MESSAGE_PREFIX).filter(|digits| digits.len() == 32);
        let id = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        id.map(Self).ok_or_else(|| format!("`{}` is no message's id", clip(s)))
    }
}

impl Serialize for MessageId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why nothing is sent to a webhook any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    /// Since when.
    pub at: UnixMs,
    /// Why, in a sentence.
    pub why: String,
}

/// Who is told of what. Holds the secret: [`Debug`] hides it, and the API's views leave it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: HookId,
    /// Raised by every write: a write names the version that it read.
    pub version: u64,
    /// Its name, for people.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// Which events it wants.
    pub events: BTreeSet<Event>,
    /// What messages are signed with. Signing needs the secret itself: a hash would not do.
    pub secret: HookSecret,
    /// Who made it, and when: nothing that happened before is told.
    pub created: Stamp,
    /// Set when the receiver said that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
}

impl Webhook {
    /// Whether it is to be told of this.
    #[must_use]
    pub fn wants(&self, event: Event, at: UnixMs) -> bool {
        self.disabled.is_none() && self.events.contains(&event) && at >= self.created.at
    }

    /// As it is once its receiver is gone; `None` when it was before.
    #[must_use]
    pub fn disable(&self, at: UnixMs, why: &str) -> Option<Self> {
        let disabled = Some(Disabled { at, why: why.to_owned() });
        self.disabled.is_none().then(|| Self { version: self.version + 1, disabled, ..self.clone() })
    }
}
