//! Changes items: rows are sorted by user, read and merged in portions, each one commit.

use super::{COUNT_KEY, Inner, Key, WHAT, key_of};
use crate::sync::{GroupSync, lock};
use crate::tables::failed;
use common::device::{DeviceRow, Merged, Target, UserDevices};
use common::ports::{PortError, Upserted};
use common::time::UnixMs;
use fjall::PersistMode;
use std::sync::atomic::Ordering;

/// Rows of one commit: bounds the memory and how long others wait for the lock.
const COMMIT_ROWS: usize = 10_000;

/// A row, its place in the call, and its user's key.
type Placed = (Key, usize, DeviceRow);

impl Inner {
    /// Merges rows into their users' items. Answers the places of those that were refused, in order.
    pub(super) fn upsert(&self, rows: Vec<DeviceRow>) -> Result<(Upserted, Vec<usize>), PortError> {
        let mut placed: Vec<Placed> =
            rows.into_iter().enumerate().map(|(at, row)| (key_of(&row.user_id), at, row)).collect();
        // Within a user, the order of the call decides.
        placed.sort_unstable_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let (mut counted, mut refused) = (Upserted::default(), Vec::new());
        let mut rest = placed.into_iter().peekable();
        while rest.peek().is_some() {
            self.upsert_portion(portion(&mut rest), &mut counted, &mut refused)?;
        }
        self.settle()?;
        refused.sort_unstable();
        Ok((counted, refused))
    }

    fn upsert_portion(
        &self,
        users: Vec<(Key, Vec<(usize, DeviceRow)>)>,
        counted: &mut Upserted,
        refused: &mut Vec<usize>,
    ) -> Result<(), PortError> {
        let _held = lock(&self.write);
        let before = self.count.load(Ordering::Relaxed);
        let keys: Vec<&Key> = users.iter().map(|(key, _)| key).collect();
        // Nobody to look up in an empty table: the first import begins fast.
        let stored = if before == 0 { vec![None; keys.len()] } else { self.get_sorted(&keys)? };
        let (mut changed, mut new) = (Vec::with_capacity(users.len()), 0);
        for ((key, rows), stored) in users.into_iter().zip(stored) {
            new += u64::from(stored.is_none());
            let mut item = stored.unwrap_or_default();
            for (at, row) in rows {
                match item.merge(row) {
                    Merged::Taken => counted.taken += 1,
                    Merged::Older => counted.older += 1,
                    Merged::Full => {
                        counted.refused += 1;
                        refused.push(at);
                    }
                }
            }
            changed.push((key, item));
        }
        self.commit(changed, before + new)
    }

    /// Stores items and the number of users; in the kernel when it returns.
    fn commit(&self, items: Vec<(Key, UserDevices)>, count: u64) -> Result<(), PortError> {
        let mut batch = self.db.batch().durability(Some(PersistMode::Buffer));
        for (key, item) in items {
            batch.insert(&self.users, &*key, item.encode());
        }
        batch.insert(&self.meta, COUNT_KEY, count.to_le_bytes());
        batch.commit().map_err(|e| failed(WHAT, &e))?;
        self.count.store(count, Ordering::Relaxed);
        self.fsync.iter().for_each(GroupSync::note);
        Ok(())
    }

    /// Removes dead tokens. A user without a device stays, with the wish not to be notified.
    pub(super) fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        let mut placed: Vec<(Key, &Target, UnixMs)> =
            dead.iter().map(|(user, target, since)| (key_of(user), target, *since)).collect();
        placed.sort_by(|a, b| a.0.cmp(&b.0));
        let mut gone = 0;
        for portion in placed.chunks(COMMIT_ROWS) {
            gone += self.remove_portion(portion)?;
        }
        self.settle()?;
        Ok(gone)
    }

    fn remove_portion(&self, dead: &[(Key, &Target, UnixMs)]) -> Result<u64, PortError> {
        let _held = lock(&self.write);
        let users: Vec<_> = dead.chunk_by(|a, b| a.0 == b.0).collect();
        let keys: Vec<&Key> = users.iter().filter_map(|rows| rows.first()).map(|(key, ..)| key).collect();
        let stored = self.get_sorted(&keys)?;
        let (mut changed, mut gone) = (Vec::new(), 0);
        for ((rows, key), item) in users.iter().zip(keys).zip(stored) {
            let Some(mut item) = item else { continue };
            let removed = rows.iter().filter(|(_, target, since)| item.remove_dead(target, *since)).count();
            if removed > 0 {
                gone += removed as u64;
                changed.push((key.clone(), item));
            }
        }
        if !changed.is_empty() {
            self.commit(changed, self.count.load(Ordering::Relaxed))?;
        }
        Ok(gone)
    }
}

/// Takes the next users off, with all of their rows: a user is never split over two commits.
fn portion(
    rest: &mut std::iter::Peekable<impl Iterator<Item = Placed>>,
) -> Vec<(Key, Vec<(usize, DeviceRow)>)> {
    let (mut users, mut taken): (Vec<(Key, Vec<_>)>, _) = (Vec::new(), 0);
    while let Some((key, at, row)) =
        rest.next_if(|(key, ..)| taken < COMMIT_ROWS || users.last().is_some_and(|(last, _)| last == key))
    {
        taken += 1;
        match users.last_mut() {
            Some((last, rows)) if *last == key => rows.push((at, row)),
            _ => users.push((key, vec![(at, row)])),
        }
    }
    users
}
