//! Webhooks and their log in memory.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use common::ports::{PortError, Webhooks, Written};
use common::time::UnixMs;
use common::webhook::{Delivery, HookId, MessageId, Webhook};
use std::collections::BTreeMap;
use std::sync::Mutex;

type Key = (HookId, UnixMs, MessageId);

/// Webhooks in memory.
pub struct MemoryWebhooks {
    faults: Faults,
    hooks: Mutex<BTreeMap<HookId, Webhook>>,
    deliveries: Mutex<BTreeMap<Key, Delivery>>,
}

impl MemoryWebhooks {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, hooks: Mutex::default(), deliveries: Mutex::default() }
    }

    /// Stores a record as it is, with no condition.
    pub fn poke(&self, hook: Webhook) {
        lock(&self.hooks).insert(hook.id, hook);
    }

    /// Stores a delivery as it is, with no condition.
    pub fn poke_delivery(&self, delivery: Delivery) {
        lock(&self.deliveries).insert(key(&delivery), delivery);
    }
}

fn key(delivery: &Delivery) -> Key {
    (delivery.hook, delivery.at, delivery.message)
}

#[async_trait]
impl Webhooks for MemoryWebhooks {
    async fn put_new(&self, hook: &Webhook) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::WebhooksPutNew)?;
        let mut hooks = lock(&self.hooks);
        if hooks.contains_key(&hook.id) {
            return pass.answer(Written::Conflict);
        }
        hooks.insert(hook.id, hook.clone());
        pass.answer(Written::Yes)
    }

    async fn update(&self, next: &Webhook) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::WebhooksUpdate)?;
        match lock(&self.hooks).get_mut(&next.id) {
            Some(stored) if stored.version.checked_add(1) == Some(next.version) => {
                *stored = next.clone();
                pass.answer(Written::Yes)
            }
            _ => pass.answer(Written::Conflict),
        }
    }

    async fn remove(&self, id: HookId) -> Result<(), PortError> {
        let pass = self.faults.enter(Call::WebhooksRemove)?;
        lock(&self.hooks).remove(&id);
        pass.answer(())
    }

    async fn get(&self, id: HookId) -> Result<Option<Webhook>, PortError> {
        let pass = self.faults.enter(Call::WebhooksGet)?;
        pass.answer(lock(&self.hooks).get(&id).cloned())
    }

    async fn list(&self) -> Result<Vec<Webhook>, PortError> {
        let pass = self.faults.enter(Call::WebhooksList)?;
        pass.answer(lock(&self.hooks).values().cloned().collect())
    }

    async fn put_delivery(&self, new: &Delivery) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::WebhooksPutDelivery)?;
        let mut deliveries = lock(&self.deliveries);
        if deliveries.contains_key(&key(new)) {
            return pass.answer(Written::Conflict);
        }
        deliveries.insert(key(new), new.clone());
        pass.answer(Written::Yes)
    }

    async fn update_delivery(&self, next: &Delivery) -> Result<Written, PortError> {
        let pass = self.faults.enter(Call::WebhooksUpdateDelivery)?;
        match lock(&self.deliveries).get_mut(&key(next)) {
            Some(stored) if stored.version.checked_add(1) == Some(next.version) => {
                *stored = next.clone();
                pass.answer(Written::Yes)
            }
            _ => pass.answer(Written::Conflict),
        }
    }

    async fn deliveries(&self, hook: HookId, from: UnixMs, limit: usize) -> Result<Vec<Delivery>, PortError> {
        let pass = self.faults.enter(Call::WebhooksDeliveries)?;
        let (first, last) = ((hook, from, MessageId(0)), (hook, UnixMs(i64::MAX), MessageId(u128::MAX)));
        let newest = lock(&self.deliveries);
        pass.answer(newest.range(first..=last).rev().take(limit).map(|(_, d)| d.clone()).collect())
    }
}
