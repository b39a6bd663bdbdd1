//! The port of webhooks.

use super::{PortError, Written};
use crate::time::UnixMs;
use crate::webhook::{Delivery, HookId, Webhook};
use async_trait::async_trait;

/// Webhooks, and the log of what was sent to them. A few of the former; some hundreds of the latter for each.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Stores a new record; conflict when the id exists.
    async fn put_new(&self, hook: &Webhook) -> Result<Written, PortError>;
    /// Stores `next` if the stored version is exactly `next.version - 1`.
    async fn update(&self, next: &Webhook) -> Result<Written, PortError>;
    /// Removes one, with its secret; fine when there is none. Its log may stay.
    async fn remove(&self, id: HookId) -> Result<(), PortError>;
    /// Reads one, with all that was written before.
    async fn get(&self, id: HookId) -> Result<Option<Webhook>, PortError>;
    /// Every record, with all that was written before, by id. One that can't be read is left out with a warning: it must not
    /// silence the others.
    async fn list(&self) -> Result<Vec<Webhook>, PortError>;
    /// Stores a new delivery; conflict when the webhook has one at this time with this message's id.
    async fn put_delivery(&self, new: &Delivery) -> Result<Written, PortError>;
    /// Stores `next` if the stored version is exactly `next.version - 1`.
    async fn update_delivery(&self, next: &Delivery) -> Result<Written, PortError>;
    /// A webhook's newest `limit` deliveries of `from` or later, newest first, with all that was written before. Those older
    /// than [`crate::webhook::delivery::KEPT`] may be forgotten. One that can't be read is left out with a warning.
    async fn deliveries(&self, hook: HookId, from: UnixMs, limit: usize) -> Result<Vec<Delivery>, PortError>;
}
