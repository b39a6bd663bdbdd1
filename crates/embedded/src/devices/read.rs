//! Reads many items: one scan where the asked users are dense among those stored, point reads where they are not.

use super::{Inner, Key, WHAT};
use crate::tables::failed;
use common::device::UserDevices;
use common::ports::PortError;
use std::sync::atomic::Ordering;

/// A point read costs as much as scanning over this many items (measured: 2.0 and 0.4 µs).
const SCANNED_PER_READ: u128 = 4;
/// Questions of fewer users than this are never a scan.
const SCAN_ASKED_MIN: usize = 16;
/// A question is cut into ranges of this many users, each scanned or not: it may be dense in one place only.
const RANGE_USERS: usize = 4_096;

impl Inner {
    /// The items, in the order of `keys`.
    pub(super) fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<UserDevices>>, PortError> {
        if keys.is_sorted() {
            return self.get_sorted(&keys.iter().collect::<Vec<_>>());
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|at| &keys[*at]);
        let sorted: Vec<&Key> = order.iter().map(|at| &keys[*at]).collect();
        let mut out = vec![None; keys.len()];
        for (at, item) in order.into_iter().zip(self.get_sorted(&sorted)?) {
            out[at] = item;
        }
        Ok(out)
    }

    /// The items of sorted keys.
    pub(super) fn get_sorted(&self, keys: &[&Key]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let mut out = Vec::with_capacity(keys.len());
        for range in keys.chunks(RANGE_USERS) {
            if self.is_dense(range) { self.scan(range, &mut out)? } else { self.read(range, &mut out)? }
        }
        Ok(out)
    }

    /// Whether a scan over the range of these keys meets few others. Hashes are even, so that their distance tells.
    fn is_dense(&self, keys: &[&Key]) -> bool {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return false };
        let users = u128::from(self.count.load(Ordering::Relaxed));
        let met = (u128::from(hash_in(last) - hash_in(first)) * users) >> 64;
        keys.len() >= SCAN_ASKED_MIN && met <= keys.len() as u128 * SCANNED_PER_READ
    }

    fn read(&self, keys: &[&Key], out: &mut Vec<Option<UserDevices>>) -> Result<(), PortError> {
        for key in keys {
            let bytes = self.users.get(&***key).map_err(|e| failed(WHAT, &e))?;
            out.push(bytes.map(|b| decode(&b)).transpose()?);
        }
        Ok(())
    }

    fn scan(&self, keys: &[&Key], out: &mut Vec<Option<UserDevices>>) -> Result<(), PortError> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
        let mut stored = self.users.range::<&[u8], _>(&***first..=&***last);
        let mut met = None;
        for key in keys {
            // The same user may be asked for twice: what was met last is kept.
            while met.as_ref().is_none_or(|(stored, _): &fjall::KvPair| **stored < ***key) {
                let Some(guard) = stored.next() else { break };
                met = Some(guard.into_inner().map_err(|e| failed(WHAT, &e))?);
            }
            let hit = met.as_ref().filter(|(stored, _)| **stored == ***key);
            out.push(hit.map(|(_, value)| decode(value)).transpose()?);
        }
        Ok(())
    }
}

fn hash_in(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |h| u64::from_be_bytes(*h))
}

/// Reads an item's bytes. An error names no user and no token.
pub(super) fn decode(bytes: &[u8]) -> Result<UserDevices, PortError> {
    UserDevices::decode(bytes).map_err(|e| PortError::Corrupt { what: WHAT, why: format!("an item: {e}") })
}
