//! The device table in memory.

use super::faults::{Call, Faults};
use super::lock;
use async_trait::async_trait;
use common::device::{DeviceRow, Merged, Target, UserDevices};
use common::ports::{Devices, PortError, Upserted};
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A device table in memory.
pub struct MemoryDevices {
    faults: Faults,
    users: Mutex<BTreeMap<Box<str>, UserDevices>>,
}

impl MemoryDevices {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults, users: Mutex::default() }
    }

    /// Stores a user's item as it is.
    pub fn poke(&self, user: &str, item: UserDevices) {
        lock(&self.users).insert(user.into(), item);
    }

    /// Every user's item.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Box<str>, UserDevices> {
        lock(&self.users).clone()
    }
}

#[async_trait]
impl Devices for MemoryDevices {
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError> {
        let pass = self.faults.enter(Call::DevicesUpsert)?;
        let mut users = lock(&self.users);
        let mut counted = Upserted::default();
        for (place, row) in rows.into_iter().enumerate() {
            match users.entry(row.user_id.clone()).or_default().merge(row) {
                Merged::Taken => counted.taken += 1,
                Merged::Older => counted.older += 1,
                Merged::Full => {
                    counted.refused += 1;
                    refused_rows.push(place);
                }
            }
        }
        pass.answer(counted)
    }

    async fn get_many(&self, ids: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let pass = self.faults.enter(Call::DevicesGet)?;
        let users = lock(&self.users);
        pass.answer(ids.iter().map(|id| users.get(*id).cloned()).collect())
    }

    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        let pass = self.faults.enter(Call::DevicesRemoveDead)?;
        let mut users = lock(&self.users);
        let mut gone = 0;
        for (user, target, since) in dead {
            let item = users.get_mut(user.as_str());
            gone += u64::from(item.is_some_and(|item| item.remove_dead(target, *since)));
        }
        pass.answer(gone)
    }

    async fn users(&self) -> Result<u64, PortError> {
        let pass = self.faults.enter(Call::DevicesUsers)?;
        pass.answer(u64::try_from(lock(&self.users).len()).unwrap_or(u64::MAX))
    }
}
