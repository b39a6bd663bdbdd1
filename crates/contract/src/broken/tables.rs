//! Tables that break the contract: campaigns, devices, fleet, audit.

use super::{Broken, Fault};
use crate::memory::{MemoryAudit, MemoryCampaigns, MemoryDevices, MemoryFleet};
use async_trait::async_trait;
use common::audit::AuditEntry;
use common::campaign::Campaign;
use common::device::{DeviceRow, Target, UserDevices};
use common::fleet::{CounterRow, Slot, WorkerRow};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Audit, Campaigns, Devices, Fleet, PortError, Upserted, Written};
use common::time::UnixMs;
use std::sync::Arc;

/// What is wrong with campaign records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignFault {
    /// An update is stored whatever the version.
    UpdatesUnconditionally,
    /// An update reads the version, and writes later.
    UpdatesRace,
    /// The slot is stored whatever its version.
    SlotUnconditional,
    /// A create replaces what is there.
    CreateReplaces,
    /// The runs are not stored.
    LosesRuns,
    /// The oldest campaign is listed first.
    OldestFirst,
    /// The version that is kept apart stays that of the first write.
    VersionStays,
}

/// What is wrong with a device table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceFault {
    /// Users that don't exist are left out.
    LeavesOutNobody,
    /// A token that registered again is removed too.
    RemovesNewer,
    /// A refused row is not named.
    RefusesSilently,
    /// An import replaces the user's item.
    ReplacesUser,
    /// Devices are counted for users.
    CountsDevices,
    /// An import reads, and writes later.
    ImportsRace,
}

/// What is wrong with a fleet's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetFault {
    /// The same worker and second again is added up.
    AddsUp,
    /// A worker that leaves stays.
    NobodyLeaves,
    /// A worker's first row stays.
    FirstBeatStays,
    /// Counters from any second are answered.
    IgnoresSecond,
    /// Old rows are answered too.
    IgnoresAfter,
}

/// What is wrong with an audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// The oldest entry comes first.
    OldestFirst,
    /// An entry of the same millisecond takes the place of another.
    KeyedByTime,
}

pub(super) fn all() -> Vec<Broken> {
    use {AuditFault as A, CampaignFault as C, DeviceFault as D, FleetFault as F};
    let broken = |fault, breaks| Broken { fault, breaks };
    vec![
        broken(Fault::Campaigns(C::UpdatesUnconditionally), &["campaigns.update", "campaigns.race"]),
        broken(Fault::Campaigns(C::UpdatesRace), &["campaigns.race"]),
        broken(Fault::Campaigns(C::SlotUnconditional), &["campaigns.slot", "campaigns.slot_race"]),
        broken(Fault::Campaigns(C::CreateReplaces), &["campaigns.create", "campaigns.create_race"]),
        broken(Fault::Campaigns(C::LosesRuns), &["campaigns.whole"]),
        broken(Fault::Campaigns(C::OldestFirst), &["campaigns.list"]),
        broken(Fault::Campaigns(C::VersionStays), &["campaigns.version"]),
        broken(Fault::Devices(D::LeavesOutNobody), &["devices.get_many"]),
        broken(Fault::Devices(D::RemovesNewer), &["devices.remove_dead"]),
        broken(Fault::Devices(D::RefusesSilently), &["devices.refused"]),
        broken(Fault::Devices(D::ReplacesUser), &["devices.upsert", "devices.many"]),
        broken(Fault::Devices(D::ImportsRace), &["devices.upsert_race"]),
        broken(Fault::Devices(D::CountsDevices), &["devices.users"]),
        broken(Fault::Fleet(F::FirstBeatStays), &["fleet.beat"]),
        broken(Fault::Fleet(F::IgnoresSecond), &["fleet.counters"]),
        broken(Fault::Fleet(F::AddsUp), &["fleet.count"]),
        broken(Fault::Fleet(F::NobodyLeaves), &["fleet.leave"]),
        broken(Fault::Fleet(F::IgnoresAfter), &["fleet.after"]),
        broken(Fault::Audit(A::OldestFirst), &["audit.newest_first"]),
        broken(Fault::Audit(A::KeyedByTime), &["audit.append_only"]),
    ]
}

pub(super) struct BrokenCampaigns(pub(super) CampaignFault, pub(super) Arc<MemoryCampaigns>);

#[async_trait]
impl Campaigns for BrokenCampaigns {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        if self.0 == CampaignFault::CreateReplaces {
            self.1.poke(campaign.clone());
            return Ok(Written::Yes);
        }
        self.1.create(campaign).await
    }

    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        match self.0 {
            CampaignFault::UpdatesUnconditionally => self.1.poke(next.clone()),
            CampaignFault::UpdatesRace => {
                if self.1.peek(next.id).is_none_or(|stored| stored.version + 1 != next.version) {
                    return Ok(Written::Conflict);
                }
                tokio::task::yield_now().await;
                self.1.poke(next.clone());
            }
            CampaignFault::LosesRuns => {
                return self.1.update(&Campaign { runs: Vec::new(), ..next.clone() }).await;
            }
            _ => return self.1.update(next).await,
        }
        Ok(Written::Yes)
    }

    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        self.1.get(id).await
    }

    async fn version(&self, id: CampaignId) -> Result<Option<u64>, PortError> {
        let version = self.1.version(id).await?;
        Ok(if self.0 == CampaignFault::VersionStays { version.map(|_| 1) } else { version })
    }

    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        let mut all = self.1.list(limit).await?;
        if self.0 == CampaignFault::OldestFirst {
            all.reverse();
        }
        Ok(all)
    }

    async fn slot(&self) -> Result<Slot, PortError> {
        self.1.slot().await
    }

    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        if self.0 == CampaignFault::SlotUnconditional {
            self.1.poke_slot(next.clone());
            return Ok(Written::Yes);
        }
        self.1.set_slot(next).await
    }
}

pub(super) struct BrokenDevices(pub(super) DeviceFault, pub(super) Arc<MemoryDevices>);

impl BrokenDevices {
    /// Merges each row into what was read before others ran, or into nothing.
    async fn import(&self, rows: Vec<DeviceRow>) -> Upserted {
        let before = self.1.all();
        tokio::task::yield_now().await;
        let mut counted = Upserted::default();
        for row in rows {
            let user = row.user_id.clone();
            let keep = self.0 == DeviceFault::ImportsRace;
            let mut item = before.get(&user).filter(|_| keep).cloned().unwrap_or_default();
            item.merge(row);
            counted.taken += 1;
            self.1.poke(&user, item);
        }
        counted
    }
}

#[async_trait]
impl Devices for BrokenDevices {
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError> {
        match self.0 {
            DeviceFault::ReplacesUser | DeviceFault::ImportsRace => Ok(self.import(rows).await),
            DeviceFault::RefusesSilently => self.1.upsert(rows, &mut Vec::new()).await,
            _ => self.1.upsert(rows, refused_rows).await,
        }
    }

    async fn get_many(&self, users: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let mut items = self.1.get_many(users).await?;
        if self.0 == DeviceFault::LeavesOutNobody {
            items.retain(Option::is_some);
        }
        Ok(items)
    }

    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        if self.0 != DeviceFault::RemovesNewer {
            return self.1.remove_dead(dead).await;
        }
        let all: Vec<_> = dead.iter().map(|(u, t, _)| (u.clone(), t.clone(), UnixMs(i64::MAX))).collect();
        self.1.remove_dead(&all).await
    }

    async fn users(&self) -> Result<u64, PortError> {
        if self.0 == DeviceFault::CountsDevices {
            let devices: usize = self.1.all().values().map(|item| item.devices.len()).sum();
            return Ok(u64::try_from(devices).unwrap_or(u64::MAX));
        }
        self.1.users().await
    }
}

pub(super) struct BrokenFleet(pub(super) FleetFault, pub(super) Arc<MemoryFleet>);

#[async_trait]
impl Fleet for BrokenFleet {
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError> {
        let known = self.1.workers(UnixMs(0)).await?.iter().any(|r| r.worker == row.worker);
        if known && self.0 == FleetFault::FirstBeatStays { Ok(()) } else { self.1.beat(row).await }
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), PortError> {
        if self.0 == FleetFault::NobodyLeaves { Ok(()) } else { self.1.leave(worker).await }
    }

    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError> {
        let after = if self.0 == FleetFault::IgnoresAfter { UnixMs(0) } else { after };
        self.1.workers(after).await
    }

    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError> {
        let mut row = row.clone();
        let stored = self.1.counters(campaign, row.second).await?;
        if let Some(old) = stored.iter().find(|r| (r.worker, r.second) == (row.worker, row.second))
            && self.0 == FleetFault::AddsUp
        {
            row.batches += old.batches;
        }
        self.1.count(campaign, &row).await
    }

    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError> {
        let from_second = if self.0 == FleetFault::IgnoresSecond { 0 } else { from_second };
        self.1.counters(campaign, from_second).await
    }
}

pub(super) struct BrokenAudit(pub(super) AuditFault, pub(super) Arc<MemoryAudit>);

#[async_trait]
impl Audit for BrokenAudit {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let known = self.1.list(usize::MAX).await?.iter().any(|e| e.at == entry.at);
        if known && self.0 == AuditFault::KeyedByTime { Ok(()) } else { self.1.append(entry).await }
    }

    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError> {
        let mut entries = self.1.list(limit).await?;
        if self.0 == AuditFault::OldestFirst {
            entries.reverse();
        }
        Ok(entries)
    }
}
