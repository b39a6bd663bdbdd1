//! Opens everything in a data directory, in one order, for one process.

use crate::EmbeddedConfig;
use crate::devices::DeviceTable;
use crate::disk::DataDisk;
use crate::lock::DirLock;
use crate::objects::FileObjects;
use crate::queue::{Damage, LogQueue, QueueOptions};
use crate::steady::SteadyTime;
use crate::tables::{AuditTable, CampaignTable, FleetTable, LedgerTable, Tables, TokenTable, WebhookTable};
use common::ports::{Backend, PortError};
use common::queue::Rules;
use common::time::Clock;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a data directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another owl is running on this data directory ({}): {}", holder(*.pid), .dir.display())]
    Taken {
        /// The directory.
        dir: PathBuf,
        /// The process, if it said so.
        pid: Option<u32>,
    },
    /// A file or directory can't be made, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A store in it does not open.
    #[error("{what} in {}: {why}", .path.display())]
    Store {
        /// Which.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        why: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "its pid is not known yet".to_owned(), |pid| format!("pid {pid}"))
}

/// An open data directory. It stays locked until this and every clone of the backend's parts are dropped.
pub struct Embedded {
    /// The ports.
    pub backend: Backend,
    /// What of the queues' logs could not be read. Empty unless the disk or somebody else changed them.
    pub damage: Vec<Damage>,
    tables: Arc<Tables>,
    devices: Arc<DeviceTable>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("damage", &self.damage).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Puts the tables on the disk and lets go of the directory, once every clone of the backend is dropped too. Without
    /// this call nothing acknowledged is lost either; the next open may just take longer.
    pub fn close(self) {
        for flushed in [self.tables.flush(), self.devices.flush()] {
            if let Err(why) = flushed {
                tracing::error!(%why, "a table could not be put on the disk at close");
            }
        }
    }
}

/// Opens the data directory, and makes it when it is not there. `clock` is the queues', and says what is old in the log
/// of webhooks; everything else is given its times by the caller.
///
/// # Errors
/// Another process has it, or something in it can't be opened; each says where.
#[expect(clippy::needless_pass_by_value, reason = "a config and a clock are handed over for good")]
pub fn open(config: EmbeddedConfig, clock: Arc<dyn Clock>) -> Result<Embedded, OpenError> {
    let dir = &config.dir;
    make_dir(dir)?;
    let lock = Arc::new(DirLock::take(dir)?);
    let fsync = config.fsync;
    let tables = store("the tables", dir.join("tables"), |path| {
        Tables::open(path, config.tables_cache_bytes, fsync, lock.clone())
    })?;
    let tables = Arc::new(tables);
    let devices = store("the device table", dir.join("devices"), |path| {
        DeviceTable::open(path, config.devices_cache_bytes, fsync, lock.clone())
    })?;
    let devices = Arc::new(devices);
    let objects_dir = dir.join("objects");
    let objects = FileObjects::open(objects_dir.clone(), dir.join("unfinished"), fsync, lock.clone())
        .map_err(|source| OpenError::Io { path: objects_dir, source })?;
    let now = clock.now();
    let queues = Queues { config: &config, time: SteadyTime::new(clock), lock };
    let (shards, mut damage) = queues.open("shards", "the shard queue", Rules::fifo())?;
    let (batches, more) = queues.open("batches", "the batch queue", Rules::standard())?;
    damage.extend(more);
    let table =
        |e: PortError| OpenError::Store { what: "a table", path: dir.join("tables"), why: e.to_string() };
    let fleet = FleetTable::new(tables.clone());
    fleet.prune().map_err(table)?;
    let webhooks = WebhookTable::new(tables.clone());
    webhooks.prune(now).map_err(table)?;
    let audit = AuditTable::open(tables.clone()).map_err(table)?;
    let backend = Backend {
        shards: Arc::new(shards),
        batches: Arc::new(batches),
        objects: Arc::new(objects),
        campaigns: Arc::new(CampaignTable::new(tables.clone())),
        ledger: Arc::new(LedgerTable::new(tables.clone())),
        devices: devices.clone(),
        fleet: Arc::new(fleet),
        audit: Arc::new(audit),
        tokens: Arc::new(TokenTable::new(tables.clone())),
        webhooks: Arc::new(webhooks),
        disk: Some(Arc::new(DataDisk(dir.clone()))),
    };
    Ok(Embedded { backend, damage, tables, devices })
}

struct Queues<'a> {
    config: &'a EmbeddedConfig,
    time: SteadyTime,
    lock: Arc<DirLock>,
}

impl Queues<'_> {
    fn open(
        &self,
        name: &str,
        what: &'static str,
        rules: Rules,
    ) -> Result<(LogQueue, Vec<Damage>), OpenError> {
        let path = self.config.dir.join("queues").join(name);
        make_dir(&path)?;
        let options = QueueOptions {
            what,
            rules,
            fsync: self.config.fsync,
            cache_bytes: self.config.queue_cache_bytes,
            time: self.time.clone(),
            lock: self.lock.clone(),
        };
        store(what, path, |path| LogQueue::open(path, options))
    }
}

fn make_dir(path: &Path) -> Result<(), OpenError> {
    std::fs::create_dir_all(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

fn store<T, E: std::fmt::Display>(
    what: &'static str,
    path: PathBuf,
    open: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, OpenError> {
    open(&path).map_err(|e| OpenError::Store { what, path, why: e.to_string() })
}
