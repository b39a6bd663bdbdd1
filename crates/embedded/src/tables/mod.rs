//! The small tables and the ledger, in one fjall database with two keyspaces.
//!
//! A batch is atomic but no read-modify-write: each group of tables has a mutex that is held over reading and
//! committing. Commits are in the kernel when they return; with `fsync`, [`Tables::settle`] waits for the disk outside of
//! the mutex, for many callers at once.

mod audit;
mod campaigns;
mod fleet;
mod key;
mod ledger;
mod tokens;
mod webhooks;

pub(crate) use audit::AuditTable;
pub(crate) use campaigns::CampaignTable;
pub(crate) use fleet::FleetTable;
pub(crate) use ledger::LedgerTable;
pub(crate) use tokens::TokenTable;
pub(crate) use webhooks::WebhookTable;

use crate::lock::DirLock;
use crate::sync::{GroupSync, blocking};
use common::ports::PortError;
use fjall::config::CompressionPolicy;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;

/// Journals beyond this make fjall flush whatever pins them: bounds the disk and the time to open.
const JOURNALS_BYTES: u64 = 128 << 20;
/// A flush holds the journal's lock for an fsync (35 to 60 ms): large enough that a whole campaign of 40,000 batches
/// (about 30 MB with all its versions) rarely meets one.
const LEDGER_MEMTABLE_BYTES: u64 = 64 << 20;

/// Opens a database as all of ours are. Never `manual_journal_persist` or a batch without durability: these keep what was
/// acknowledged in this process.
pub(crate) fn open_database(dir: &Path, cache_bytes: u64) -> fjall::Result<Database> {
    let db = Database::builder(dir)
        .cache_size(cache_bytes)
        .max_journaling_size(JOURNALS_BYTES)
        .journal_compression(CompressionType::None)
        .worker_threads(2)
        .open()?;
    let bytes = db.journal_disk_space()?;
    if bytes > 4 * JOURNALS_BYTES {
        // fjall's issue 288: one that can't go keeps all later ones.
        tracing::error!(dir = %dir.display(), bytes, "the journals of a database pile up; opening gets slower");
    }
    Ok(db)
}

/// The database of everything but devices and envelopes.
pub(crate) struct Tables {
    db: Database,
    ledger: Keyspace,
    records: Keyspace,
    fsync: Option<GroupSync>,
    _lock: Arc<DirLock>,
}

impl Tables {
    /// Opens it in `dir`.
    pub(crate) fn open(dir: &Path, cache_bytes: u64, fsync: bool, lock: Arc<DirLock>) -> fjall::Result<Self> {
        let db = open_database(dir, cache_bytes)?;
        let plain =
            || KeyspaceCreateOptions::default().data_block_compression_policy(CompressionPolicy::disabled());
        let ledger = db.keyspace("ledger", || plain().max_memtable_size(LEDGER_MEMTABLE_BYTES))?;
        let records = db.keyspace("records", plain)?;
        Ok(Self { db, ledger, records, fsync: fsync.then(GroupSync::default), _lock: lock })
    }

    fn batch(&self) -> WriteBatch {
        self.db.batch().durability(Some(PersistMode::Buffer))
    }

    /// Commits: in the kernel when it returns.
    fn commit(&self, what: &'static str, batch: WriteBatch) -> Result<(), PortError> {
        batch.commit().map_err(|e| failed(what, &e))?;
        self.fsync.iter().for_each(GroupSync::note);
        Ok(())
    }

    /// Waits for the disk, if acknowledging does.
    async fn settle(self: &Arc<Self>, what: &'static str) -> Result<(), PortError> {
        if self.fsync.is_none() {
            return Ok(());
        }
        let tables = self.clone();
        blocking(what, move || {
            let Some(group) = &tables.fsync else { return Ok(()) };
            group.sync(|| tables.db.persist(PersistMode::SyncData).map_err(|e| failed(what, &e)))
        })
        .await
    }

    /// Puts everything on the disk.
    pub(crate) fn flush(&self) -> fjall::Result<()> {
        self.db.persist(PersistMode::SyncAll)
    }
}

/// What fjall's errors mean for the caller.
pub(crate) fn failed(what: &'static str, e: &fjall::Error) -> PortError {
    let why = match e {
        fjall::Error::Poisoned => {
            "an earlier write to the disk failed; restart owl on this data directory".to_owned()
        }
        other => other.to_string(),
    };
    match e {
        fjall::Error::Io(_) | fjall::Error::Poisoned | fjall::Error::Locked => {
            PortError::Unavailable { what, why }
        }
        _ => PortError::Corrupt { what, why },
    }
}

/// Reads one value.
fn get(what: &'static str, keyspace: &Keyspace, key: &[u8]) -> Result<Option<fjall::Slice>, PortError> {
    keyspace.get(key).map_err(|e| failed(what, &e))
}

/// Reads what an iterator came to.
fn item(what: &'static str, guard: fjall::Guard) -> Result<fjall::KvPair, PortError> {
    guard.into_inner().map_err(|e| failed(what, &e))
}

fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, PortError> {
    serde_json::to_vec(value).map_err(|e| PortError::Invalid { what, why: e.to_string() })
}

fn from_json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, PortError> {
    serde_json::from_slice(bytes).map_err(|e| PortError::Corrupt { what, why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// As long as fjall makes one at once: behind its last batch is a hole, which reads as zeros.
    const JOURNAL_BYTES: u64 = 64 << 20;

    fn write(dir: &Path, key: &str) {
        let db = open_database(dir, 1 << 20).unwrap();
        let keyspace = db.keyspace("records", KeyspaceCreateOptions::default).unwrap();
        let mut batch = db.batch().durability(Some(PersistMode::Buffer));
        batch.insert(&keyspace, key, "a value");
        batch.insert(&keyspace, format!("{key} too"), vec![b'v'; 300]);
        batch.commit().unwrap();
    }

    fn keys(dir: &Path) -> Vec<String> {
        let db = open_database(dir, 1 << 20).unwrap();
        let keyspace = db.keyspace("records", KeyspaceCreateOptions::default).unwrap();
        keyspace.iter().map(|guard| String::from_utf8_lossy(&guard.key().unwrap()).into_owned()).collect()
    }

    /// Without the hole.
    fn written(journal: &Path) -> Vec<u8> {
        let mut bytes = std::fs::read(journal).unwrap();
        let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        bytes
    }

    /// A full disk, a kill and a power cut leave a batch that was begun, anywhere.
    #[test]
    fn a_torn_batch_is_as_if_it_had_never_been_and_the_next_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, journal) = (dir.path(), dir.path().join("0.jnl"));
        write(dir, "a");
        let whole = written(&journal).len();
        write(dir, "b");
        let bytes = written(&journal);
        assert!(bytes.len() > whole + 300, "{} of {whole}", bytes.len());
        // What follows the second value is as its bytes are.
        for end in (whole..bytes.len()).filter(|end| !(whole + 120..whole + 340).contains(end)) {
            for holed in [true, false] {
                if !holed && end % 8 != 0 {
                    continue;
                }
                std::fs::write(&journal, &bytes[..end]).unwrap();
                if holed {
                    File::options().write(true).open(&journal).unwrap().set_len(JOURNAL_BYTES).unwrap();
                }
                assert_eq!(keys(dir), ["a", "a too"], "cut at {} of {whole}, holed: {holed}", end - whole);
                assert_eq!(std::fs::metadata(&journal).unwrap().len(), whole as u64);
            }
        }
        write(dir, "c");
        assert_eq!(keys(dir), ["a", "a too", "c", "c too"]);
    }
}
