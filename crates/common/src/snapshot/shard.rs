//! One shard's object: head, user records, an index of the batches.
//!
//! ```text
//! "OWLSHARD" version:u16 shard:u16 batch_users:u16 0:u16 users:u32 devices:u32 batches:u32 index_at:u64
//! user records ...
//! per batch, at index_at: offset:u64 users:u16 devices:u16
//! ```

use super::VERSION;
use crate::envelope::{BatchBody, UserWriter};
use crate::ids::{BatchNo, ShardNo, SnapshotId};
use crate::limits::BATCH_BODY_BYTES_MAX;
use crate::outcome::Outcome;
use crate::wire::{Malformed, Reader};
use bytes::Bytes;

const MAGIC: &[u8; 8] = b"OWLSHARD";
const HEAD_BYTES: usize = 36;
const INDEX_ENTRY_BYTES: usize = 12;

/// Writes one shard: users in, the object's bytes out. Cuts batches by users and by bytes.
#[derive(Debug)]
pub struct ShardWriter {
    shard: ShardNo,
    batch_users: u16,
    out: Vec<u8>,
    index: Vec<(u64, u16, u16)>,
    users: u32,
    devices: u32,
}

impl ShardWriter {
    /// An empty shard.
    #[must_use]
    pub fn new(shard: ShardNo, batch_users: u16) -> Self {
        Self {
            shard,
            batch_users: batch_users.max(1),
            out: vec![0; HEAD_BYTES],
            index: vec![],
            users: 0,
            devices: 0,
        }
    }

    /// Adds a user. One without devices is left out: there is nothing to send.
    pub fn push(&mut self, user: UserWriter) {
        if user.is_empty() {
            return;
        }
        let devices = u16::from(user.devices());
        let start = self.out.len() as u64;
        let fits = self.index.last().is_some_and(|(from, users, _)| {
            *users < self.batch_users && start - from + user.len() as u64 <= BATCH_BODY_BYTES_MAX as u64
        });
        if !fits {
            self.index.push((start, 0, 0));
        }
        if let Some(batch) = self.index.last_mut() {
            batch.1 += 1;
            batch.2 += devices;
        }
        self.users += 1;
        self.devices += u32::from(devices);
        user.finish(&mut self.out);
    }

    /// Users so far.
    #[must_use]
    pub fn users(&self) -> u32 {
        self.users
    }

    /// The object.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let index_at = self.out.len() as u64;
        for (at, users, devices) in &self.index {
            self.out.extend_from_slice(&at.to_le_bytes());
            self.out.extend_from_slice(&users.to_le_bytes());
            self.out.extend_from_slice(&devices.to_le_bytes());
        }
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend_from_slice(MAGIC);
        for n in [VERSION, self.shard.0, self.batch_users, 0] {
            head.extend_from_slice(&n.to_le_bytes());
        }
        let batches = u32::try_from(self.index.len()).unwrap_or(u32::MAX);
        for n in [self.users, self.devices, batches] {
            head.extend_from_slice(&n.to_le_bytes());
        }
        head.extend_from_slice(&index_at.to_le_bytes());
        self.out[..HEAD_BYTES].copy_from_slice(&head);
        self.out.shrink_to_fit();
        self.out.into()
    }
}

/// Why bytes are not the shard they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadShard {
    /// The checksum is another: damaged or cut short.
    #[error("shard {shard} is damaged: its checksum is {found}, the manifest says {expected}")]
    Checksum {
        /// Which shard.
        shard: ShardNo,
        /// What the manifest says.
        expected: SnapshotId,
        /// What the bytes give.
        found: SnapshotId,
    },
    /// The checksum is right, and still it is not a shard: a fault of the builder.
    #[error("shard object is malformed: {0}")]
    Malformed(#[from] Malformed),
}

/// Where a user stands in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPlace {
    /// The batch.
    pub number: BatchNo,
    /// The place of the user's first device in the batch.
    pub first: u16,
    /// How many devices the user has in it.
    pub devices: u16,
}

/// One shard in memory: the object's bytes, as they are.
#[derive(Clone, Debug)]
pub struct Shard {
    pub(super) bytes: Bytes,
    index_at: usize,
    batches: u32,
    /// Which shard it is.
    pub shard: ShardNo,
    /// Users in it.
    pub users: u32,
    /// Devices in it.
    pub devices: u32,
}

impl Shard {
    /// Checks the checksum, the head and the index, and keeps the bytes.
    ///
    /// # Errors
    /// Tells damage from a malformed object.
    pub fn open(shard: ShardNo, bytes: &Bytes, expected: SnapshotId) -> Result<Self, BadShard> {
        let found = SnapshotId(*blake3::hash(bytes).as_bytes());
        if found != expected {
            return Err(BadShard::Checksum { shard, expected, found });
        }
        let opened = Self::open_unchecked(bytes)?;
        if opened.shard != shard {
            return Err(Malformed { what: "another shard's object", at: 10 }.into());
        }
        Ok(opened)
    }

    /// As [`Shard::open`], without the checksum: for listing what somebody has at hand.
    ///
    /// # Errors
    /// Says at which byte it is not a shard.
    pub fn open_unchecked(bytes: &Bytes) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        if r.take(8, "shard object's first bytes")? != MAGIC {
            return Err(Malformed { what: "not a shard object", at: 0 });
        }
        if r.u16("version")? != VERSION {
            return Err(r.bad("shard object of an unknown version"));
        }
        let shard = ShardNo(r.u16("shard number")?);
        let (_, _) = (r.u16("batch size")?, r.u16("padding")?);
        let (users, devices, batches) = (r.u32("users")?, r.u32("devices")?, r.u32("batches")?);
        let index_at =
            usize::try_from(r.u64("place of the index")?).map_err(|_| r.bad("place of the index"))?;
        let index = (batches as usize).checked_mul(INDEX_ENTRY_BYTES).and_then(|n| n.checked_add(index_at));
        if index_at < HEAD_BYTES || index != Some(bytes.len()) {
            return Err(r.bad("index that does not fit the object"));
        }
        let opened = Self { index_at, batches, shard, users, devices, bytes: bytes.clone() };
        opened.check_index()?;
        Ok(opened)
    }

    /// Offsets rise, start behind the head, end before the index, and the counts add up.
    fn check_index(&self) -> Result<(), Malformed> {
        let (mut from, mut users, mut devices) = (HEAD_BYTES as u64, 0_u64, 0_u64);
        for n in 0..self.batches {
            let (at, u, d) = self.entry(n);
            if (n == 0 && at != from) || (n > 0 && at <= from) || at >= self.index_at as u64 {
                return Err(Malformed {
                    what: "index out of order",
                    at: self.index_at + n as usize * INDEX_ENTRY_BYTES,
                });
            }
            (from, users, devices) = (at, users + u64::from(u), devices + u64::from(d));
        }
        if users != u64::from(self.users) || devices != u64::from(self.devices) {
            return Err(Malformed { what: "index that does not add up", at: self.index_at });
        }
        Ok(())
    }

    fn entry(&self, n: u32) -> (u64, u16, u16) {
        let at = self.index_at + n as usize * INDEX_ENTRY_BYTES;
        let e = &self.bytes[at..at + INDEX_ENTRY_BYTES];
        let offset = u64::from_le_bytes([e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]]);
        (offset, u16::from_le_bytes([e[8], e[9]]), u16::from_le_bytes([e[10], e[11]]))
    }

    /// Batches in it.
    #[must_use]
    pub fn batches(&self) -> u32 {
        self.batches
    }

    /// Bytes that it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The user records of one batch, without copying.
    #[must_use]
    pub fn batch(&self, number: BatchNo) -> Option<Bytes> {
        if number.0 >= self.batches {
            return None;
        }
        let from = usize::try_from(self.entry(number.0).0).ok()?;
        let to = if number.0 + 1 < self.batches {
            usize::try_from(self.entry(number.0 + 1).0).ok()?
        } else {
            self.index_at
        };
        Some(self.bytes.slice(from..to))
    }

    /// Users and devices of one batch.
    #[must_use]
    pub fn batch_counts(&self, number: BatchNo) -> Option<(u16, u16)> {
        (number.0 < self.batches).then(|| {
            let (_, users, devices) = self.entry(number.0);
            (users, devices)
        })
    }

    /// What the ledger writes for a batch that nobody has claimed: one byte per device.
    #[must_use]
    pub fn blank(&self, number: BatchNo) -> Vec<u8> {
        let body = self.batch(number).unwrap_or_default();
        BatchBody::new(&body).devices().map(|d| Outcome::Unsent.to_byte(d.target.platform())).collect()
    }

    /// Looks a user up. Users stand in the order of their hash, so the batch is found by halving.
    #[must_use]
    pub fn find(&self, user_id: &str) -> Option<UserPlace> {
        let wanted = super::user_hash(user_id);
        let first_hash = |n: u32| {
            let body = self.batch(BatchNo(n)).unwrap_or_default();
            BatchBody::new(&body).users().next().map_or(0, |u| super::user_hash(u.id))
        };
        let (mut lo, mut hi) = (0, self.batches);
        while lo < hi {
            let mid = lo + (hi - lo) / 2;
            if first_hash(mid) <= wanted { lo = mid + 1 } else { hi = mid }
        }
        // Equal hashes may straddle a border: look back while the batch still starts with the same hash.
        let mut n = lo;
        while n > 0 {
            n -= 1;
            if let Some(place) = self.find_in(BatchNo(n), user_id) {
                return Some(place);
            }
            if first_hash(n) != wanted {
                break;
            }
        }
        None
    }

    fn find_in(&self, number: BatchNo, user_id: &str) -> Option<UserPlace> {
        let body = self.batch(number)?;
        let mut first = 0;
        for user in BatchBody::new(&body).users() {
            let devices = u16::try_from(user.devices.len()).ok()?;
            if user.id == user_id {
                return Some(UserPlace { number, first, devices });
            }
            first += devices;
        }
        None
    }
}
