//! Campaign records and the slot.

use super::Line;
use async_trait::async_trait;
use common::campaign::Campaign;
use common::fleet::Slot;
use common::ids::CampaignId;
use common::ports::{Campaigns, PortError, Written};
use contract::memory::Call;
use std::sync::Arc;

pub(super) struct SimCampaigns(pub(super) Line);

#[async_trait]
impl Campaigns for SimCampaigns {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        let (inner, campaign) = (Arc::clone(&self.0.world.parts.campaigns), campaign.clone());
        self.0.call(Call::CampaignsCreate, 1, async move { inner.create(&campaign).await }).await
    }

    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        let (line, next) = (self.0.clone(), next.clone());
        let effect = async move {
            let (world, process) = (&line.world, &line.process);
            let written = world.parts.campaigns.update(&next).await?;
            if written == Written::Yes {
                world.note(
                    process,
                    "record is",
                    next.state.label(),
                    [next.version, next.epoch.0.into()],
                    false,
                );
                let now = world.ms();
                let moved = world.with(|s| {
                    s.monitor.books_written(process.id, next.state);
                    s.monitor.moved(&next, now)
                });
                if let Err(why) = moved {
                    world.violate(format!("{}: {why}", process.name));
                }
            }
            Ok(written)
        };
        self.0.call(Call::CampaignsUpdate, 1, effect).await
    }

    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.campaigns);
        self.0.call(Call::CampaignsGet, 1, async move { inner.get(id).await }).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.campaigns);
        self.0.call(Call::CampaignsList, limit, async move { inner.list(limit).await }).await
    }

    async fn slot(&self) -> Result<Slot, PortError> {
        let inner = Arc::clone(&self.0.world.parts.campaigns);
        self.0.call(Call::CampaignsSlot, 1, async move { inner.slot().await }).await
    }

    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        let (inner, next) = (Arc::clone(&self.0.world.parts.campaigns), next.clone());
        self.0.call(Call::CampaignsSetSlot, 1, async move { inner.set_slot(&next).await }).await
    }

    async fn version(&self, id: CampaignId) -> Result<Option<u64>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.campaigns);
        self.0.call(Call::CampaignsGet, 1, async move { inner.version(id).await }).await
    }
}
