//! The device table: one item per user, in a database of its own, so that an import never holds the ledger's journal.
//!
//! Keys are the user's hash in big-endian, then the id: users lie in the order in which audiences ask for them, and a
//! dense question is one scan instead of millions of point reads.

mod read;
mod write;

use crate::lock::DirLock;
use crate::sync::{GroupSync, Hand, blocking};
use crate::tables::{failed, open_database};
use async_trait::async_trait;
use common::device::{DeviceRow, Target, UserDevices};
use common::ports::{Devices, PortError, Upserted};
use common::snapshot::user_hash;
use common::time::UnixMs;
use fjall::config::{CompressionPolicy, HashRatioPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const WHAT: &str = "the device table";
/// Calls of more users than this leave the caller's thread.
const INLINE_MAX: usize = 32;
/// The user count's key; users' keys are longer.
const COUNT_KEY: &[u8] = b"users";

/// The device table.
pub(crate) struct DeviceTable(Arc<Inner>, Hand);

struct Inner {
    db: Database,
    users: Keyspace,
    meta: Keyspace,
    /// Users in it; written with each commit that changes it.
    count: AtomicU64,
    /// Held over reading and committing.
    write: Mutex<()>,
    fsync: Option<GroupSync>,
    _lock: Arc<DirLock>,
}

/// Where a user's item lies.
type Key = Box<[u8]>;

fn key_of(user: &str) -> Key {
    [&user_hash(user).to_be_bytes(), user.as_bytes()].concat().into()
}

impl DeviceTable {
    /// Opens it in `dir`.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, fsync: bool, lock: Arc<DirLock>) -> fjall::Result<Self> {
        let db = open_database(dir, cache_bytes)?;
        // Tokens don't compress, and unpacking a block for each read costs more than its disk space.
        let options = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .data_block_hash_ratio_policy(HashRatioPolicy::all(0.75))
        };
        let users = db.keyspace("users", options)?;
        let meta = db.keyspace("meta", KeyspaceCreateOptions::default)?;
        let stored = meta.get(COUNT_KEY)?;
        let count = stored.and_then(|b| b.first_chunk().copied()).map_or(0, u64::from_le_bytes).into();
        let fsync = fsync.then(GroupSync::default);
        let inner = Inner { db, users, meta, count, write: Mutex::default(), fsync, _lock: lock };
        Ok(Self(Arc::new(inner), Hand::start("devices")?))
    }

    /// Puts everything on the disk.
    pub(crate) fn flush(&self) -> fjall::Result<()> {
        self.0.db.persist(PersistMode::SyncAll)
    }

    async fn run<T: Send + 'static>(
        &self,
        users: usize,
        work: impl FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        if users <= INLINE_MAX && self.0.fsync.is_none() {
            return work(&self.0);
        }
        let inner = self.0.clone();
        blocking(WHAT, move || work(&inner)).await
    }
}

impl Inner {
    fn settle(&self) -> Result<(), PortError> {
        let Some(group) = &self.fsync else { return Ok(()) };
        group.sync(|| self.db.persist(PersistMode::SyncData).map_err(|e| failed(WHAT, &e)))
    }
}

#[async_trait]
impl Devices for DeviceTable {
    async fn upsert(
        &self,
        rows: Vec<DeviceRow>,
        refused_rows: &mut Vec<usize>,
    ) -> Result<Upserted, PortError> {
        // Writers wait for each other anyway: on a thread of their own they fill the table's memory from one arena.
        let inner = self.0.clone();
        let (counted, refused) = self.1.run(WHAT, move || inner.upsert(rows)).await?;
        refused_rows.extend(refused);
        Ok(counted)
    }

    async fn get_many(&self, users: &[&str]) -> Result<Vec<Option<UserDevices>>, PortError> {
        let keys: Vec<Key> = users.iter().map(|user| key_of(user)).collect();
        self.run(keys.len(), move |inner| inner.get_many(&keys)).await
    }

    async fn remove_dead(&self, dead: &[(String, Target, UnixMs)]) -> Result<u64, PortError> {
        let dead = dead.to_vec();
        self.run(dead.len(), move |inner| inner.remove_dead(&dead)).await
    }

    async fn users(&self) -> Result<u64, PortError> {
        Ok(self.0.count.load(Ordering::Relaxed))
    }
}
