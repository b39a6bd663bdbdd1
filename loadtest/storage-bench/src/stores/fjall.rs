//! fjall: a log-structured merge tree with one journal for all keyspaces.
//!
//! A commit is one append to the journal. Tables that are flushed in the background are always fsynced; that costs
//! wall time of its own threads, never of a commit.

use std::path::Path;

use anyhow::Result;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode,
    config::{CompressionPolicy, HashRatioPolicy},
};

use super::{Durability, Op, Store, TABLES, Table};

/// Block cache in bytes, for all keyspaces.
const CACHE_BYTES: u64 = 64 << 20;
/// Journals beyond this are forced out by flushing whatever pins them: bounds the disk and the time to reopen.
const JOURNALS_BYTES: u64 = 128 << 20;

pub struct Fjall {
    db: Database,
    keyspaces: Vec<Keyspace>,
    persist: PersistMode,
}

impl Fjall {
    pub fn open(dir: &Path, durability: Durability, separate_bodies: bool) -> Result<Self> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            // Bodies are compressed already: trying again costs CPU for nothing.
            .journal_compression(CompressionType::None)
            .max_journaling_size(JOURNALS_BYTES)
            .worker_threads(2)
            .open()?;
        let keyspaces = TABLES
            .iter()
            .map(|&table| db.keyspace(table.name(), || options(table, separate_bodies)))
            .collect::<fjall::Result<_>>()?;
        let persist = match durability {
            Durability::Kernel => PersistMode::Buffer,
            Durability::Disk => PersistMode::SyncData,
        };
        Ok(Self { db, keyspaces, persist })
    }
}

fn options(table: Table, separate_bodies: bool) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default();
    match table {
        Table::Bodies => {
            let options = options.data_block_compression_policy(CompressionPolicy::disabled());
            let blobs = KvSeparationOptions::default().compression(CompressionType::None);
            options.with_kv_separation(separate_bodies.then_some(blobs))
        }
        // Tokens do not compress, and unpacking a block for each read costs more than its disk space. The hash index
        // within blocks spares the binary search; the last level needs no filter, since nearly every key asked is there.
        Table::Devices => options
            .expect_point_read_hits(true)
            .data_block_compression_policy(CompressionPolicy::disabled())
            .data_block_hash_ratio_policy(HashRatioPolicy::all(0.75)),
        Table::Counts | Table::Ledger => options,
    }
}

impl Store for Fjall {
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(self.persist));
        for op in ops {
            match *op {
                Op::Put(table, key, value) => batch.insert(&self.keyspaces[table as usize], key, value),
                Op::Delete(table, key) => batch.remove(&self.keyspaces[table as usize], key),
            }
        }
        Ok(batch.commit()?)
    }

    fn get_many(
        &self,
        table: Table,
        keys: &[&[u8]],
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let keyspace = &self.keyspaces[table as usize];
        for (at, key) in keys.iter().enumerate() {
            each(at, keyspace.get(key)?.as_deref());
        }
        Ok(())
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        for item in self.keyspaces[table as usize].range(from..=to) {
            let (key, value) = item.into_inner()?;
            each(&key, &value);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.db.persist(self.persist)?;
        Ok(())
    }
}
