//! The fleet's rows, the device table, the audit trail.

use super::Line;
use async_trait::async_trait;
use common::audit::AuditEntry;
use common::device::{DeviceRow, Target, UserDevices};
use common::fleet::{CounterRow, WorkerRow};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Audit, Devices, Fleet, PortError, Upserted};
use common::time::UnixMs;
use contract::memory::Call;
use std::sync::Arc;

pub(super) struct SimFleet(pub(super) Line);

#[async_trait]
impl Fleet for SimFleet {
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError> {
        let (inner, row) = (Arc::clone(&self.0.world.parts.fleet), row.clone());
        self.0.call(Call::FleetBeat, usize::from(row.ready), async move { inner.beat(&row).await }).await
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), PortError> {
        let inner = Arc::clone(&self.0.world.parts.fleet);
        self.0.call(Call::FleetLeave, 1, async move { inner.leave(worker).await }).await
    }

    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.fleet);
        self.0.call(Call::FleetWorkers, 1, async move { inner.workers(after).await }).await
    }

    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError> {
        let (inner, row) = (Arc::clone(&self.0.world.parts.fleet), row.clone());
        self.0.call(Call::FleetCount, 1, async move { inner.count(campaign, &row).await }).await
    }

    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.fleet);
        self.0.call(Call::FleetCounters, 1, async move { inner.counters(campaign, from_second).await }).await
    }
}

pub(super) struct SimDevices(pub(super) Line);

#[async_trait]
impl Devices for SimDevices {
    /// Nobody imports devices in these nights.
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError> {
        self.0.world.parts.devices.upsert(rows, refused_rows).await
    }

    async fn get_many(&self, users: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.devices);
        let users: Vec<String> = users.iter().map(|u| (*u).to_owned()).collect();
        let effect = async move {
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            inner.get_many(&users).await
        };
        self.0.call(Call::DevicesGet, 1, effect).await
    }

    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        let (inner, dead) = (Arc::clone(&self.0.world.parts.devices), dead.to_vec());
        self.0.call(Call::DevicesRemoveDead, dead.len(), async move { inner.remove_dead(&dead).await }).await
    }

    async fn users(&self) -> Result<u64, PortError> {
        let inner = Arc::clone(&self.0.world.parts.devices);
        self.0.call(Call::DevicesUsers, 1, async move { inner.users().await }).await
    }
}

pub(super) struct SimAudit(pub(super) Line);

#[async_trait]
impl Audit for SimAudit {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let (inner, entry) = (Arc::clone(&self.0.world.parts.audit), entry.clone());
        self.0.call(Call::AuditAppend, 1, async move { inner.append(&entry).await }).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError> {
        let inner = Arc::clone(&self.0.world.parts.audit);
        self.0.call(Call::AuditList, limit, async move { inner.list(limit).await }).await
    }
}
