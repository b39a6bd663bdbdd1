//! SQLite through rusqlite: write-ahead log, `synchronous=OFF` (in the kernel) or `FULL` (on the disk).

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Durability, Op, Store, TABLES, Table};

/// Page cache in KiB.
const CACHE_KIB: i64 = 64 << 10;
/// The log is copied into the database whenever it is larger than this many bytes.
const CHECKPOINT_BYTES: i64 = 16 << 20;

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub fn open(dir: &Path, durability: Durability, page_bytes: i64) -> Result<Self> {
        let connection = Connection::open(dir.join("store.sqlite"))?;
        connection.pragma_update(None, "page_size", page_bytes)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = if durability == Durability::Disk { "FULL" } else { "OFF" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_BYTES / page_bytes)?;
        connection.set_prepared_statement_cache_capacity(32);
        for table in TABLES {
            let (key, without) = if by_rowid(table) { ("INTEGER", "") } else { ("BLOB", "WITHOUT ROWID") };
            let name = table.name();
            connection.execute(
                &format!("CREATE TABLE IF NOT EXISTS {name} (k {key} PRIMARY KEY NOT NULL, v BLOB NOT NULL) {without}"),
                [],
            )?;
        }
        Ok(Self { connection })
    }
}

/// Tables whose key is an 8-byte id use SQLite's integer key: large values in a `WITHOUT ROWID` table are slow.
fn by_rowid(table: Table) -> bool {
    matches!(table, Table::Bodies | Table::Counts)
}

/// The id of an envelope as SQLite's integer.
fn rowid(key: &[u8]) -> i64 {
    key.iter().fold(0, |id, &byte| id << 8 | i64::from(byte))
}

impl Store for Sqlite {
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for op in ops {
            match *op {
                Op::Put(table, key, value) => {
                    let sql = format!("INSERT OR REPLACE INTO {} (k, v) VALUES (?1, ?2)", table.name());
                    let mut statement = transaction.prepare_cached(&sql)?;
                    if by_rowid(table) {
                        statement.execute(params![rowid(key), value])?;
                    } else {
                        statement.execute(params![key, value])?;
                    }
                }
                Op::Delete(table, key) => {
                    let mut statement =
                        transaction.prepare_cached(&format!("DELETE FROM {} WHERE k = ?1", table.name()))?;
                    if by_rowid(table) {
                        statement.execute(params![rowid(key)])?;
                    } else {
                        statement.execute(params![key])?;
                    }
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
        let transaction = self.connection.unchecked_transaction()?;
        let mut statement =
            transaction.prepare_cached(&format!("SELECT v FROM {} WHERE k = ?1", table.name()))?;
        for (at, key) in keys.iter().enumerate() {
            let mut deliver = |row: &rusqlite::Row<'_>| {
                each(at, Some(row.get_ref(0)?.as_blob()?));
                Ok(())
            };
            let found = if by_rowid(table) {
                statement.query_row(params![rowid(key)], &mut deliver).optional()?
            } else {
                statement.query_row(params![key], &mut deliver).optional()?
            };
            if found.is_none() {
                each(at, None);
            }
        }
        Ok(())
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        anyhow::ensure!(!by_rowid(table), "only tables with a key of bytes are scanned");
        let sql = format!("SELECT k, v FROM {} WHERE k BETWEEN ?1 AND ?2 ORDER BY k", table.name());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![from, to])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.connection.close().map_err(|(_, error)| error.into())
    }
}
