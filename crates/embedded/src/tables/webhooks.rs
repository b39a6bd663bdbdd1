//! Webhooks and their log, as JSON documents. Old deliveries are removed at open: nothing else does it.

use super::{Tables, from_json, get, item, key, to_json};
use crate::sync::{be_fair, blocking, lock};
use async_trait::async_trait;
use common::ports::{PortError, Webhooks, Written};
use common::time::UnixMs;
use common::webhook::{Delivery, HookId, Webhook, delivery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex};

const WHAT: &str = "the table of webhooks";
/// Rows removed in one commit.
const PRUNED_PER_COMMIT: usize = 10_000;

/// Webhooks and their log.
pub(crate) struct WebhookTable {
    tables: Arc<Tables>,
    /// Held over reading and committing.
    write: Mutex<()>,
}

impl WebhookTable {
    /// On these tables.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self { tables, write: Mutex::default() }
    }

    /// Removes deliveries that are old by this clock and by the newest one of all, so that neither a wrong clock nor a row
    /// from the future empties the log.
    pub(crate) fn prune(&self, now: UnixMs) -> Result<(), PortError> {
        let mut rows = Vec::new();
        for guard in self.tables.records.prefix([key::DELIVERY]) {
            let key = guard.key().map_err(|e| super::failed(WHAT, &e))?;
            rows.extend(key::delivery_at(&key).map(|at| (at, key.to_vec())));
        }
        let newest = rows.iter().map(|(at, _)| *at).max().unwrap_or_default();
        rows.retain(|(at, _)| *at < newest.min(now).minus(delivery::KEPT));
        for rows in rows.chunks(PRUNED_PER_COMMIT) {
            let mut batch = self.tables.batch();
            rows.iter().for_each(|(_, key)| batch.remove(&self.tables.records, &key[..]));
            self.tables.commit(WHAT, batch)?;
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, PortError> {
        let bytes = get(WHAT, &self.tables.records, key)?;
        bytes.map(|b| from_json(WHAT, &b)).transpose()
    }

    /// Stores `next` if the condition holds for what is stored.
    async fn store<T: Serialize + DeserializeOwned + Sync>(
        &self,
        key: Vec<u8>,
        next: &T,
        on: impl Fn(Option<T>) -> bool + Send,
    ) -> Result<Written, PortError> {
        let written = self.store_now(key, next, on)?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }

    fn store_now<T: Serialize + DeserializeOwned>(
        &self,
        key: Vec<u8>,
        next: &T,
        on: impl Fn(Option<T>) -> bool,
    ) -> Result<Written, PortError> {
        let _held = lock(&self.write);
        if !on(self.read(&key)?) {
            return Ok(Written::Conflict);
        }
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key, to_json(WHAT, next)?);
        self.tables.commit(WHAT, batch)?;
        Ok(Written::Yes)
    }

    fn remove_now(&self, id: HookId) -> Result<(), PortError> {
        let _held = lock(&self.write);
        let mut batch = self.tables.batch();
        batch.remove(&self.tables.records, key::hook(id));
        self.tables.commit(WHAT, batch)
    }
}

#[async_trait]
impl Webhooks for WebhookTable {
    async fn put_new(&self, hook: &Webhook) -> Result<Written, PortError> {
        self.store(key::hook(hook.id), hook, |stored: Option<Webhook>| stored.is_none()).await
    }

    async fn update(&self, next: &Webhook) -> Result<Written, PortError> {
        let follows = |stored: Webhook| stored.version.checked_add(1) == Some(next.version);
        self.store(key::hook(next.id), next, |stored| stored.is_some_and(follows)).await
    }

    async fn remove(&self, id: HookId) -> Result<(), PortError> {
        self.remove_now(id)?;
        self.tables.settle(WHAT).await
    }

    async fn get(&self, id: HookId) -> Result<Option<Webhook>, PortError> {
        be_fair().await;
        self.read(&key::hook(id))
    }

    async fn list(&self) -> Result<Vec<Webhook>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || {
            let mut all = Vec::new();
            for guard in tables.records.prefix([key::HOOK]) {
                match from_json(WHAT, &item(WHAT, guard)?.1) {
                    Ok(hook) => all.push(hook),
                    Err(error) => tracing::warn!(%error, "a webhook can't be read, and is left out"),
                }
            }
            Ok(all)
        })
        .await
    }

    async fn put_delivery(&self, new: &Delivery) -> Result<Written, PortError> {
        self.store(key::delivery(new), new, |stored: Option<Delivery>| stored.is_none()).await
    }

    async fn update_delivery(&self, next: &Delivery) -> Result<Written, PortError> {
        let follows = |stored: Delivery| stored.version.checked_add(1) == Some(next.version);
        self.store(key::delivery(next), next, |stored| stored.is_some_and(follows)).await
    }

    async fn deliveries(&self, hook: HookId, from: UnixMs, limit: usize) -> Result<Vec<Delivery>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || {
            let newest = tables.records.range(key::deliveries(hook, from)).rev().take(limit);
            let mut found = Vec::new();
            for guard in newest {
                match from_json(WHAT, &item(WHAT, guard)?.1) {
                    Ok(delivery) => found.push(delivery),
                    Err(error) => tracing::warn!(%error, "a delivery can't be read, and is left out"),
                }
            }
            Ok(found)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::DirLock;
    use common::ids::CampaignId;
    use common::webhook::{Event, MessageId};
    use std::time::Duration;

    #[tokio::test]
    async fn old_deliveries_go_by_the_newest_one() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Arc::new(DirLock::take(dir.path()).unwrap());
        let tables = Arc::new(Tables::open(&dir.path().join("db"), 1 << 20, false, lock).unwrap());
        let table = WebhookTable::new(tables);
        let newest = UnixMs(1_770_000_000_000);
        let ages = [Duration::ZERO, delivery::KEPT, delivery::KEPT + Duration::from_millis(1)];
        for (hook, age) in (1..).map(HookId).zip(ages) {
            let (campaign, at) = (CampaignId::random(), newest.minus(age));
            let message = MessageId::of(hook, campaign, Event::Done, 0);
            let row = Delivery::new(hook, at, message, Event::Done, Some(campaign), String::new());
            table.put_delivery(&row).await.unwrap();
        }
        // A clock that was a year behind, then one that is right.
        let year = Duration::from_secs(365 * 24 * 3_600);
        table.prune(newest.minus(year)).unwrap();
        assert_eq!(table.deliveries(HookId(3), UnixMs(0), 10).await.unwrap().len(), 1);
        // A row from the future makes nothing old.
        let row = table.deliveries(HookId(1), UnixMs(0), 10).await.unwrap().remove(0);
        table.put_delivery(&Delivery { hook: HookId(4), at: newest.plus(year), ..row }).await.unwrap();
        table.prune(newest).unwrap();
        let mut left = Vec::new();
        for hook in (1..=3).map(HookId) {
            left.push(table.deliveries(hook, UnixMs(0), 10).await.unwrap().len());
        }
        assert_eq!(left, [1, 1, 0]);
    }
}
