//! Webhooks and their log: the webhooks in one partition, and the deliveries of each in one of its own, by time. A few writes
//! for each event of a campaign; DynamoDB removes old deliveries by itself.

use super::Tables;
use super::change::{Known, Row, Stored, change};
use super::item::{BYTES, EXPIRES_AT, Item, PK, SK, from_json, json, number, sortable, string};
use super::table::{Range, Table};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use common::ports::{PortError, Webhooks, Written};
use common::time::UnixMs;
use common::webhook::{Delivery, HookId, Webhook, delivery};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The partition of webhooks.
const HOOKS: &str = "webhook";

/// A record of either kind.
trait Record: Serialize + DeserializeOwned + Clone + Send + Sync {
    fn version(&self) -> u64;
    fn key(&self) -> Item;
    /// When DynamoDB may remove it, in seconds.
    fn expires_at(&self) -> Option<i64>;
}

impl Record for Webhook {
    fn version(&self) -> u64 {
        self.version
    }

    fn key(&self) -> Item {
        hook_key(self.id)
    }

    fn expires_at(&self) -> Option<i64> {
        None
    }
}

impl Record for Delivery {
    fn version(&self) -> u64 {
        self.version
    }

    fn key(&self) -> Item {
        let sort = format!("{}#{}", sortable(self.at.0), self.message);
        Table::key(log(self.hook), Some(sort))
    }

    fn expires_at(&self) -> Option<i64> {
        Some(self.at.plus(delivery::KEPT).0 / 1_000)
    }
}

fn hook_key(id: HookId) -> Item {
    Table::key(HOOKS, Some(id.to_string()))
}

/// The partition of a webhook's deliveries.
fn log(hook: HookId) -> String {
    format!("d#{hook}")
}

struct Document<T> {
    record: T,
    bytes: AttributeValue,
}

impl<T: Record> Document<T> {
    fn new(record: T) -> Result<Self, String> {
        let bytes = json(&record)?;
        Ok(Self { record, bytes })
    }
}

impl<T: Record> Row for Document<T> {
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let expires_at = self.record.expires_at().map(|at| (EXPIRES_AT, number(&at)));
        [(BYTES, self.bytes.clone())].into_iter().chain(expires_at).collect()
    }

    fn read(item: &Item) -> Result<Self, String> {
        Self::new(from_json(item)?)
    }
}

impl Tables {
    /// Stores a record if the condition holds for what is there.
    async fn store_hook<T: Record>(
        &self,
        next: &T,
        known: Known<Document<T>>,
        on: impl Fn(Option<&T>) -> bool + Send + Sync,
    ) -> Result<Written, PortError> {
        let row = || Document::new(next.clone());
        row().map_err(|why| self.webhooks.invalid(why))?;
        let decide = |stored: Option<&Document<T>>| match on(stored.map(|row| &row.record)) {
            true => (Written::Yes, row().ok()),
            false => (Written::Conflict, None),
        };
        Ok(change(&self.webhooks, &next.key(), known, decide).await?.0)
    }

    async fn store_new<T: Record>(&self, new: &T) -> Result<Written, PortError> {
        self.store_hook(new, Known::Guessed(None), |stored| stored.is_none()).await
    }

    async fn store_next<T: Record>(&self, next: &T) -> Result<Written, PortError> {
        let follows = |stored: &T| stored.version().checked_add(1) == Some(next.version());
        self.store_hook(next, Known::Nothing, |stored| stored.is_some_and(follows)).await
    }

    /// The records of these items. One that can't be read must not silence the others.
    fn readable<T: Record>(&self, items: &[Item]) -> Vec<T> {
        let read = |item: &Item| {
            let part = |name| string(item, name).unwrap_or_default().to_owned();
            let key = || Table::key(part(PK), Some(part(SK)));
            let read = from_json(item).map_err(|why| self.webhooks.corrupt(&key(), &why));
            read.inspect_err(|error| {
                tracing::warn!(%error, "a webhook or delivery can't be read, and is left out");
            })
            .ok()
        };
        items.iter().filter_map(read).collect()
    }
}

#[async_trait]
impl Webhooks for Tables {
    async fn put_new(&self, hook: &Webhook) -> Result<Written, PortError> {
        self.store_new(hook).await
    }

    async fn update(&self, next: &Webhook) -> Result<Written, PortError> {
        self.store_next(next).await
    }

    async fn remove(&self, id: HookId) -> Result<(), PortError> {
        self.webhooks.delete(&hook_key(id)).await
    }

    async fn get(&self, id: HookId) -> Result<Option<Webhook>, PortError> {
        let key = hook_key(id);
        let item = self.webhooks.get(&key).await?;
        let found: Option<Stored<Document<Webhook>>> =
            super::change::stored(&self.webhooks, &key, item.as_ref())?;
        Ok(found.map(|stored| stored.row.record))
    }

    async fn list(&self) -> Result<Vec<Webhook>, PortError> {
        Ok(self.readable(&self.webhooks.query(HOOKS, Range::default()).await?))
    }

    async fn put_delivery(&self, new: &Delivery) -> Result<Written, PortError> {
        self.store_new(new).await
    }

    async fn update_delivery(&self, next: &Delivery) -> Result<Written, PortError> {
        self.store_next(next).await
    }

    async fn deliveries(&self, hook: HookId, from: UnixMs, limit: usize) -> Result<Vec<Delivery>, PortError> {
        let from = sortable(from.0);
        let range = Range { from: Some(&from), backwards: true, limit: Some(limit) };
        let items = self.webhooks.query(&log(hook), range).await?;
        Ok(self.readable(&items))
    }
}
