//! Tables of webhooks that break the contract.

use super::{Broken, Fault};
use crate::memory::MemoryWebhooks;
use async_trait::async_trait;
use common::ports::{PortError, Webhooks, Written};
use common::time::UnixMs;
use common::webhook::{Delivery, HookId, Webhook};
use std::sync::Arc;

/// What is wrong with the webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// A new record replaces what is there.
    PutReplaces,
    /// An update is stored whatever the version.
    UpdatesUnconditionally,
    /// Nothing is removed.
    KeepsRemoved,
    /// A list ends after three.
    ListIsCut,
    /// A message that is there already is put again.
    PutsDeliveryTwice,
    /// A claim is stored whatever the version.
    ClaimsRace,
    /// The log begins with the oldest.
    OldestFirst,
    /// The log has those before the time asked for too.
    IgnoresFrom,
}

pub(super) fn all() -> Vec<Broken> {
    use WebhookFault as W;
    let broken = |fault, breaks| Broken { fault: Fault::Webhooks(fault), breaks };
    vec![
        broken(W::PutReplaces, &["webhooks.put_new"]),
        broken(W::UpdatesUnconditionally, &["webhooks.update", "webhooks.remove"]),
        broken(W::KeepsRemoved, &["webhooks.remove", "webhooks.restart"]),
        broken(W::ListIsCut, &["webhooks.list"]),
        broken(W::PutsDeliveryTwice, &["webhooks.put_delivery", "webhooks.race"]),
        broken(W::ClaimsRace, &["webhooks.race", "webhooks.update_delivery"]),
        broken(W::OldestFirst, &["webhooks.deliveries"]),
        broken(W::IgnoresFrom, &["webhooks.deliveries"]),
    ]
}

pub(super) struct BrokenWebhooks(pub(super) WebhookFault, pub(super) Arc<MemoryWebhooks>);

#[async_trait]
impl Webhooks for BrokenWebhooks {
    async fn put_new(&self, hook: &Webhook) -> Result<Written, PortError> {
        if self.0 == WebhookFault::PutReplaces {
            self.1.poke(hook.clone());
            return Ok(Written::Yes);
        }
        self.1.put_new(hook).await
    }

    async fn update(&self, next: &Webhook) -> Result<Written, PortError> {
        if self.0 == WebhookFault::UpdatesUnconditionally {
            self.1.poke(next.clone());
            return Ok(Written::Yes);
        }
        self.1.update(next).await
    }

    async fn remove(&self, id: HookId) -> Result<(), PortError> {
        if self.0 == WebhookFault::KeepsRemoved { Ok(()) } else { self.1.remove(id).await }
    }

    async fn get(&self, id: HookId) -> Result<Option<Webhook>, PortError> {
        self.1.get(id).await
    }

    async fn list(&self) -> Result<Vec<Webhook>, PortError> {
        let mut all = self.1.list().await?;
        if self.0 == WebhookFault::ListIsCut {
            all.truncate(3);
        }
        Ok(all)
    }

    async fn put_delivery(&self, new: &Delivery) -> Result<Written, PortError> {
        if self.0 == WebhookFault::PutsDeliveryTwice {
            self.1.poke_delivery(new.clone());
            return Ok(Written::Yes);
        }
        self.1.put_delivery(new).await
    }

    async fn update_delivery(&self, next: &Delivery) -> Result<Written, PortError> {
        if self.0 == WebhookFault::ClaimsRace {
            tokio::task::yield_now().await;
            self.1.poke_delivery(next.clone());
            return Ok(Written::Yes);
        }
        self.1.update_delivery(next).await
    }

    async fn deliveries(&self, hook: HookId, from: UnixMs, limit: usize) -> Result<Vec<Delivery>, PortError> {
        let from = if self.0 == WebhookFault::IgnoresFrom { UnixMs(i64::MIN) } else { from };
        let mut all = self.1.deliveries(hook, from, limit).await?;
        if self.0 == WebhookFault::OldestFirst {
            all.reverse();
        }
        Ok(all)
    }
}
