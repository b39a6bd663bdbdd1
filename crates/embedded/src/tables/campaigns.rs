//! Campaign records, as JSON documents, an index by the time of their creation, and the fleet's slot.

use super::{Tables, from_json, get, item, key, to_json};
use crate::sync::{be_fair, blocking, lock};
use async_trait::async_trait;
use common::campaign::Campaign;
use common::fleet::Slot;
use common::ids::CampaignId;
use common::ports::{Campaigns, PortError, Written};
use std::sync::{Arc, Mutex};

const WHAT: &str = "the campaign table";

/// Campaigns and the slot.
pub(crate) struct CampaignTable {
    tables: Arc<Tables>,
    /// Held over reading and committing.
    write: Mutex<()>,
}

impl CampaignTable {
    /// On these tables.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self { tables, write: Mutex::default() }
    }

    fn read(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        let bytes = get(WHAT, &self.tables.records, &key::campaign(id))?;
        bytes.map(|b| from_json(WHAT, &b)).transpose()
    }

    fn read_slot(&self) -> Result<Slot, PortError> {
        let bytes = get(WHAT, &self.tables.records, key::SLOT)?;
        bytes.map_or_else(|| Ok(Slot::default()), |b| from_json(WHAT, &b))
    }

    /// Stores `next` if the condition holds for what is stored.
    fn store(&self, next: &Campaign, on: impl Fn(Option<&Campaign>) -> bool) -> Result<Written, PortError> {
        let _held = lock(&self.write);
        let stored = self.read(next.id)?;
        if !on(stored.as_ref()) {
            return Ok(Written::Conflict);
        }
        let mut batch = self.tables.batch();
        let index = created_key(next);
        if let Some(old) = stored.map(|s| created_key(&s)).filter(|old| *old != index) {
            batch.remove(&self.tables.records, old);
        }
        batch.insert(&self.tables.records, index, *next.id.0.as_bytes());
        batch.insert(&self.tables.records, key::campaign(next.id), to_json(WHAT, next)?);
        self.tables.commit(WHAT, batch)?;
        Ok(Written::Yes)
    }

    fn store_slot(&self, next: &Slot) -> Result<Written, PortError> {
        let _held = lock(&self.write);
        if self.read_slot()?.version.checked_add(1) != Some(next.version) {
            return Ok(Written::Conflict);
        }
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key::SLOT, to_json(WHAT, next)?);
        self.tables.commit(WHAT, batch)?;
        Ok(Written::Yes)
    }
}

fn created_key(c: &Campaign) -> Vec<u8> {
    key::of(key::CREATED, &[&key::signed(c.created.at.0), c.id.0.as_bytes()])
}

fn newest(tables: &Tables, limit: usize) -> Result<Vec<Campaign>, PortError> {
    let by_time = tables.records.prefix([key::CREATED]).rev().take(limit);
    let mut found = Vec::new();
    for guard in by_time {
        let (_, id) = item(WHAT, guard)?;
        let bytes = get(WHAT, &tables.records, &key::of(key::CAMPAIGN, &[&id]))?;
        found.extend(bytes.map(|b| from_json(WHAT, &b)).transpose()?);
    }
    Ok(found)
}

#[async_trait]
impl Campaigns for CampaignTable {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        let written = self.store(campaign, |stored| stored.is_none())?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }

    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        let follows = |stored: &Campaign| stored.version.checked_add(1) == Some(next.version);
        let written = self.store(next, |stored| stored.is_some_and(follows))?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }

    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        be_fair().await;
        self.read(id)
    }

    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || newest(&tables, limit)).await
    }

    async fn slot(&self) -> Result<Slot, PortError> {
        self.read_slot()
    }

    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        let written = self.store_slot(next)?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }
}
