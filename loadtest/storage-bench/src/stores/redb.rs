//! redb: a copy-on-write B-tree in one file.
//!
//! `Durability::None` keeps commits in the process and loses them on `kill -9`; so commits are `Immediate`, on a
//! backend whose `sync_data` does nothing unless power-loss safety is asked for.

use std::{fs::OpenOptions, io, ops::Bound, path::Path};

use anyhow::Result;
use redb::{
    BackendError, Builder, Database, ReadableDatabase, StorageBackend, TableDefinition, TableError,
    backends::FileBackend,
};

use super::{Durability, Op, Store, TABLES, Table};

/// Read cache and write buffer in bytes (redb's own default is 1 GiB).
const CACHE_BYTES: usize = 64 << 20;

pub struct Redb {
    db: Database,
    quick_repair: bool,
}

impl Redb {
    pub fn open(dir: &Path, durability: Durability, quick_repair: bool) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("store.redb"))?;
        let backend = KernelFile { file: FileBackend::new(file)?, sync: durability == Durability::Disk };
        let db = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        Ok(Self { db, quick_repair })
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

impl Store for Redb {
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_quick_repair(self.quick_repair);
        for table in TABLES {
            let mut open = None;
            for op in ops {
                let (Op::Put(of, ..) | Op::Delete(of, _)) = *op;
                if of != table {
                    continue;
                }
                let open = match &mut open {
                    Some(open) => open,
                    None => open.insert(transaction.open_table(definition(table))?),
                };
                match *op {
                    Op::Put(_, key, value) => drop(open.insert(key, value)?),
                    Op::Delete(_, key) => drop(open.remove(key)?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn get_many(
        &self,
        table: Table,
        keys: &[&[u8]],
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        let open = match self.db.begin_read()?.open_table(definition(table)) {
            Ok(open) => Some(open),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        for (at, key) in keys.iter().enumerate() {
            let value = match &open {
                Some(open) => open.get(*key)?,
                None => None,
            };
            each(at, value.as_ref().map(|guard| guard.value()));
        }
        Ok(())
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let open = self.db.begin_read()?.open_table(definition(table))?;
        for item in open.range(from..=to)? {
            let (key, value) = item?;
            each(key.value(), value.value());
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.db.close()?)
    }
}

/// redb's own file backend, whose sync can be turned off.
#[derive(Debug)]
struct KernelFile {
    file: FileBackend,
    sync: bool,
}

impl StorageBackend for KernelFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
