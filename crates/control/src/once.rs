//! Creating a campaign once, however often it is asked: a key names the creation. Who stores the first answer under the key
//! decides, whichever process that is; whoever comes later, or again after a crash, gets that answer and finishes its work.

use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, Options, Refusal, RefusalCode};
use common::content::Content;
use common::ports::{PortError, Put, PutMode, Written};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of one creation, as whoever asks for it chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceKey(String);

impl OnceKey {
    /// `key`, as this owner means it: another owner's is another one.
    #[must_use]
    pub fn new(owner: &str, key: &str) -> Self {
        // The owner's length goes first, so that no other pair comes to the same bytes.
        let both = format!("{}:{owner}{key}", owner.len());
        Self(format!("campaigns/once/{}.json", blake3::hash(both.as_bytes()).to_hex()))
    }
}

/// What lies under a key: what was asked, and what was answered first.
#[derive(Serialize, Deserialize)]
struct First {
    /// Hash of name, content and options as they came.
    asked: String,
    campaign: Campaign,
}

fn asked(name: &str, content: &Content, options: &Options) -> String {
    let json = serde_json::to_vec(&(name, content, options)).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}

impl Control {
    /// As [`Control::create`], once for each key: asked again, it answers what it answered first.
    ///
    /// The first answer is kept as long as a campaign's objects are.
    ///
    /// # Errors
    /// As [`Control::create`], and when the key was used for something else.
    pub async fn create_once(
        self: &Arc<Self>,
        who: &Who,
        key: &OnceKey,
        name: &str,
        content: Content,
        options: Options,
    ) -> Result<Campaign, ControlError> {
        let asked = asked(name, &content, &options);
        let campaign = self.draft(who, name, content, options)?;
        let first = self.first(key, First { asked: asked.clone(), campaign }).await?;
        if first.asked != asked {
            let detail =
                "this idempotency key was used for another campaign: take a new key for a new campaign";
            let detail = detail.to_owned();
            return Err(Refusal { code: RefusalCode::IdempotencyKeyReused, detail }.into());
        }
        // Whoever stored the answer may have died before this.
        if self.backend.campaigns.create(&first.campaign).await? == Written::Yes {
            self.audit(who, "campaign.create", Some(first.campaign.id), "draft".to_owned());
        }
        Ok(first.campaign)
    }

    /// Stores this answer, unless there is one: then that.
    async fn first(&self, key: &OnceKey, ours: First) -> Result<First, ControlError> {
        let objects = &self.backend.objects;
        let bytes = serde_json::to_vec(&ours).unwrap_or_default();
        if objects.put(&key.0, bytes.into(), PutMode::IfAbsent).await? == Put::Stored {
            return Ok(ours);
        }
        // Gone between two calls: its time was over just now.
        let bytes = objects.get(&key.0, None).await?.ok_or(ControlError::Busy)?;
        let corrupt = |e: serde_json::Error| PortError::Corrupt { what: "first answer", why: e.to_string() };
        Ok(serde_json::from_slice(&bytes).map_err(corrupt)?)
    }
}
