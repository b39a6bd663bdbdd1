//! Creating, reading, editing, cloning, and the loop that every change goes through.

use crate::{Control, ControlError, Who};
use common::campaign::{Campaign, Decision, Options, Stamp, State, Upload};
use common::content::Content;
use common::device::BadField;
use common::ids::CampaignId;
use common::ports::Written;
use std::sync::{Arc, Mutex, PoisonError};

/// How often a change is tried against a record that others keep changing.
const TRIES: usize = 50;

/// What an edit changes; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// What it says.
    pub content: Option<Content>,
    /// Its options.
    pub options: Option<Options>,
}

/// What a change came to: the record as it is now, and whether this call changed it.
pub(crate) struct Changed {
    pub(crate) campaign: Campaign,
    pub(crate) by_us: bool,
    /// The state before.
    before: State,
}

/// What an edit changed, before and after.
fn differences(before: &Campaign, after: &Campaign) -> String {
    let mut said = Vec::new();
    if before.name != after.name {
        said.push(format!("name `{}` -> `{}`", before.name, after.name));
    }
    if before.content_id != after.content_id {
        let (from, to) = (before.content_id.to_string(), after.content_id.to_string());
        said.push(format!("content {from:.12} -> {to:.12}"));
    }
    if before.options != after.options {
        let (from, to) = (&before.options, &after.options);
        if from.deadline_ms != to.deadline_ms {
            said.push(format!("deadline {} s -> {} s", from.deadline_ms / 1000, to.deadline_ms / 1000));
        }
        let rest = Options { deadline_ms: to.deadline_ms, ..from.clone() };
        if rest != *to {
            said.push("options".to_owned());
        }
    }
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

impl Changed {
    fn words(&self) -> String {
        let (before, after) = (self.before.label(), self.campaign.state.label());
        if self.by_us { format!("{before} -> {after}") } else { format!("{after} already") }
    }
}

impl Control {
    /// Creates a campaign in draft.
    ///
    /// # Errors
    /// A field that can't be, by name; a payload that is too large, with locale and gateway.
    pub async fn create(
        self: &Arc<Self>,
        who: &Who,
        name: &str,
        content: Content,
        options: Options,
    ) -> Result<Campaign, ControlError> {
        let campaign = self.draft(who, name, content, options)?;
        self.store_new(who, campaign, "campaign.create").await
    }

    /// A campaign that can be, not stored yet.
    pub(crate) fn draft(
        &self,
        who: &Who,
        name: &str,
        content: Content,
        options: Options,
    ) -> Result<Campaign, BadField> {
        let (name, content) = (checked_name(name)?, content.checked()?);
        let campaign =
            Campaign::new(&name, content, options.checked()?, Stamp::new(&who.name, self.clock.now()));
        check_payload(&campaign)?;
        Ok(campaign)
    }

    /// A draft with the same content and options as an existing campaign.
    ///
    /// # Errors
    /// When there is no such campaign.
    pub async fn clone_campaign(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        name: Option<&str>,
    ) -> Result<Campaign, ControlError> {
        let old = self.get(id).await?;
        let name = checked_name(name.unwrap_or(&format!("{} (copy)", old.name)))?;
        let copy = old.cloned(&name, Stamp::new(&who.name, self.clock.now()));
        self.store_new(who, copy, "campaign.clone").await
    }

    async fn store_new(
        self: &Arc<Self>,
        who: &Who,
        new: Campaign,
        action: &str,
    ) -> Result<Campaign, ControlError> {
        match self.backend.campaigns.create(&new).await? {
            Written::Yes => {
                self.audit(who, action, Some(new.id), "draft".to_owned());
                Ok(new)
            }
            Written::Conflict => Err(ControlError::Busy),
        }
    }

    /// Reads a campaign.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn get(&self, id: CampaignId) -> Result<Campaign, ControlError> {
        let found = self.backend.campaigns.get(id).await?;
        found.ok_or_else(|| {
            ControlError::NotFound(format!("there is no campaign {id}; `owl campaign list` shows them"))
        })
    }

    /// The newest campaigns, newest first.
    ///
    /// # Errors
    /// As the backend says.
    pub async fn list(&self, limit: usize) -> Result<Vec<Campaign>, ControlError> {
        Ok(self.backend.campaigns.list(limit).await?)
    }

    /// Changes name, content or options.
    ///
    /// # Errors
    /// The field at fault, or why the state does not allow it.
    pub async fn edit(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        edit: Edit,
    ) -> Result<Campaign, ControlError> {
        let name = edit.name.as_deref().map(checked_name).transpose()?;
        let content = edit.content.map(Content::checked).transpose()?;
        let options = edit.options.map(Options::checked).transpose()?;
        if let Some(content) = &content {
            check_payload(&Campaign { content: content.clone(), ..self.get(id).await? })?;
        }
        let said = Mutex::new(String::new());
        let decide = |c: &Campaign| {
            let decision = c.edit(name.clone(), content.clone(), options.clone());
            if let Decision::Change(next) = &decision {
                *said.lock().unwrap_or_else(PoisonError::into_inner) = differences(c, next);
            }
            decision
        };
        let changed = self.change_quietly(who, id, decide).await;
        self.note(
            who,
            "campaign.edit",
            id,
            &changed,
            &said.into_inner().unwrap_or_else(PoisonError::into_inner),
        );
        Ok(changed?.campaign)
    }

    /// Checks, before bytes are taken, whether an audience may be uploaded now.
    ///
    /// # Errors
    /// Why the state does not allow it.
    pub async fn may_upload(&self, id: CampaignId, upload: Upload) -> Result<(), ControlError> {
        match self.get(id).await?.upload(upload) {
            Decision::Refuse(no) => Err(no.into()),
            Decision::Change(_) | Decision::Same => Ok(()),
        }
    }

    /// Takes an audience that lies in the object store: a builder picks it up.
    ///
    /// # Errors
    /// Why the state does not allow it.
    pub async fn uploaded(
        self: &Arc<Self>,
        who: &Who,
        id: CampaignId,
        up: Upload,
    ) -> Result<Campaign, ControlError> {
        Ok(self.change(who, "campaign.upload", id, |c| c.upload(up.clone())).await?.campaign)
    }

    /// Changes a record, and notes what came of it in the audit trail.
    pub(crate) async fn change(
        self: &Arc<Self>,
        who: &Who,
        action: &str,
        id: CampaignId,
        decide: impl Fn(&Campaign) -> Decision + Send,
    ) -> Result<Changed, ControlError> {
        let changed = self.change_quietly(who, id, decide).await;
        self.note(who, action, id, &changed, "");
        changed
    }

    /// Notes in the audit trail what came of a change, and what else there is to say of it.
    fn note(
        self: &Arc<Self>,
        who: &Who,
        action: &str,
        id: CampaignId,
        changed: &Result<Changed, ControlError>,
        more: &str,
    ) {
        match changed {
            Ok(changed) => self.audit(who, action, Some(id), format!("{}{more}", changed.words())),
            Err(ControlError::Refused(no)) => {
                self.audit(who, action, Some(id), format!("refused: {}", no.code));
            }
            Err(_) => {}
        }
    }

    /// A change by the service itself, which finds out by asking whether there is something to change: what came to nothing
    /// is no entry.
    pub(crate) async fn change_if_due(
        self: &Arc<Self>,
        who: &Who,
        action: &str,
        id: CampaignId,
        decide: impl Fn(&Campaign) -> Decision + Send,
    ) -> Result<Changed, ControlError> {
        let changed = self.change_quietly(who, id, decide).await?;
        if changed.by_us {
            self.audit(who, action, Some(id), changed.words());
        }
        Ok(changed)
    }

    /// Reads, decides, writes conditionally; begins again when somebody else was faster. The audit trail is the caller's.
    pub(crate) async fn change_quietly(
        &self,
        who: &Who,
        id: CampaignId,
        decide: impl Fn(&Campaign) -> Decision + Send,
    ) -> Result<Changed, ControlError> {
        for _ in 0..TRIES {
            let campaign = self.get(id).await?;
            let allowed = who.leave.check(&campaign);
            let next = match allowed.map_or_else(Decision::Refuse, |()| decide(&campaign)) {
                Decision::Same => {
                    let before = campaign.state;
                    return Ok(Changed { campaign, by_us: false, before });
                }
                Decision::Refuse(no) => return Err(no.into()),
                Decision::Change(next) => *next,
            };
            if self.backend.campaigns.update(&next).await? == Written::Yes {
                if campaign.state != next.state {
                    let (from, to, by) = (campaign.state.label(), next.state.label(), &who.name);
                    tracing::info!(campaign = %id, name = next.name, from, to, by, "campaign moved");
                }
                return Ok(Changed { campaign: next, by_us: true, before: campaign.state });
            }
        }
        Err(ControlError::Busy)
    }
}

fn checked_name(name: &str) -> Result<String, BadField> {
    let name = name.trim();
    let good = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    let why = "1 to 200 characters without control characters are allowed".to_owned();
    if good { Ok(name.to_owned()) } else { Err(BadField { field: "name", why }) }
}

fn check_payload(campaign: &Campaign) -> Result<(), BadField> {
    let locales: Vec<String> = campaign.content.texts.keys().cloned().collect();
    payload::render(&campaign.content, campaign.id, &locales)
        .map(|_| ())
        .map_err(|e| BadField { field: "content", why: e.to_string() })
}
