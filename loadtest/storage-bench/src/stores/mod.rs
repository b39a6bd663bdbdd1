//! The candidates behind one small interface: atomic commits of many operations, and reads of many keys.
//! Each adapter holds the options under which that crate is at its best; nothing here measures.

mod fjall;
mod log;
mod redb;
mod sqlite;

use std::path::Path;

use anyhow::{Result, bail};

/// The tables that the workloads use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Envelope bodies by an 8-byte id.
    Bodies,
    /// How often an envelope was received, by the same id.
    Counts,
    /// Ledger records by campaign, shard and number.
    Ledger,
    /// Devices by hash and user id.
    Devices,
}

/// All tables, in the order of their discriminants.
pub const TABLES: [Table; 4] = [Table::Bodies, Table::Counts, Table::Ledger, Table::Devices];

impl Table {
    /// The table's name in the store.
    pub fn name(self) -> &'static str {
        ["bodies", "counts", "ledger", "devices"][self as usize]
    }
}

/// One change within an atomic commit.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// Insert or overwrite.
    Put(Table, &'a [u8], &'a [u8]),
    /// Remove; a missing key is no error.
    Delete(Table, &'a [u8]),
}

/// When a commit may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is written to the kernel: survives `kill -9`, not a power cut.
    Kernel,
    /// Everything is on the disk (fdatasync).
    Disk,
}

/// A candidate, opened.
pub trait Store {
    /// All of `ops` or none, durable (see [`Durability`]) when this returns.
    fn commit(&mut self, ops: &[Op<'_>]) -> Result<()>;

    /// Looks every key up and calls `each` with its position and value, in order.
    fn get_many(
        &self,
        table: Table,
        keys: &[&[u8]],
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<()>;

    /// Calls `each` with every key from `from` up to and including `to`, and its value, in order.
    fn scan(&self, table: Table, from: &[u8], to: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;

    /// Closes in an orderly way, background work included.
    fn close(self: Box<Self>) -> Result<()>;
}

/// The names of the candidates, as the command line takes them.
pub const CANDIDATES: [&str; 7] =
    ["log", "fjall", "fjall-blob", "redb", "redb-quick", "sqlite", "sqlite-16k"];

/// Opens (or creates) a candidate in `dir`, which exists.
pub fn open(candidate: &str, dir: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    Ok(match candidate {
        "log" => Box::new(log::Log::open(dir, durability)?),
        "fjall" => Box::new(fjall::Fjall::open(dir, durability, false)?),
        "fjall-blob" => Box::new(fjall::Fjall::open(dir, durability, true)?),
        "redb" => Box::new(redb::Redb::open(dir, durability, false)?),
        "redb-quick" => Box::new(redb::Redb::open(dir, durability, true)?),
        "sqlite" => Box::new(sqlite::Sqlite::open(dir, durability, 4096)?),
        "sqlite-16k" => Box::new(sqlite::Sqlite::open(dir, durability, 16384)?),
        other => bail!("unknown candidate {other:?}; known: {}", CANDIDATES.join(", ")),
    })
}
