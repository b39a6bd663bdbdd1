//! Heartbeats and counter rows. Old ones are removed at open: they are of no use to anybody, and nothing else does it.

use super::{Tables, from_json, get, item, key, to_json};
use crate::sync::{blocking, lock};
use async_trait::async_trait;
use common::fleet::{CounterRow, WorkerRow};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Fleet, PortError};
use common::time::UnixMs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WHAT: &str = "the fleet's table";
/// Heartbeats this much older than the newest one are removed at open.
const WORKERS_KEPT: Duration = Duration::from_secs(3_600);
/// Counter rows this many seconds older than the newest one are removed at open.
const COUNTERS_KEPT_S: i64 = 7 * 86_400;
/// Rows removed in one commit.
const PRUNED_PER_COMMIT: usize = 10_000;

/// The fleet's rows.
pub(crate) struct FleetTable {
    tables: Arc<Tables>,
    /// Held over writing a worker's row, so that a goodbye is not overtaken.
    write: Mutex<()>,
}

impl FleetTable {
    /// On these tables.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self { tables, write: Mutex::default() }
    }

    /// Removes rows that are old by the newest row of their kind, so that no wrong clock empties the table.
    pub(crate) fn prune(&self) -> Result<(), PortError> {
        let mut old = old_workers(&self.tables)?;
        old.extend(old_counters(&self.tables)?);
        for keys in old.chunks(PRUNED_PER_COMMIT) {
            let mut batch = self.tables.batch();
            keys.iter().for_each(|key| batch.remove(&self.tables.records, &key[..]));
            self.tables.commit(WHAT, batch)?;
        }
        Ok(())
    }

    /// Rows are hints that are written again in a moment: they don't wait for the disk.
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), PortError> {
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key, value);
        self.tables.commit(WHAT, batch)
    }
}

fn all_workers(tables: &Tables) -> Result<Vec<WorkerRow>, PortError> {
    let rows = tables.records.prefix([key::WORKER]);
    rows.map(|guard| from_json(WHAT, &item(WHAT, guard)?.1)).collect()
}

fn old_workers(tables: &Tables) -> Result<Vec<Vec<u8>>, PortError> {
    let rows = all_workers(tables)?;
    let newest = rows.iter().map(|row| row.at).max().unwrap_or_default();
    let old = rows.iter().filter(|row| row.at < newest.minus(WORKERS_KEPT));
    Ok(old.map(|row| key::worker(row.worker)).collect())
}

fn old_counters(tables: &Tables) -> Result<Vec<Vec<u8>>, PortError> {
    let mut seconds = Vec::new();
    for guard in tables.records.prefix([key::COUNTER]) {
        let key = guard.key().map_err(|e| super::failed(WHAT, &e))?;
        if let Some(second) = key.get(17..).and_then(<[u8]>::first_chunk) {
            seconds.push((key::unsigned(*second), key.to_vec()));
        }
    }
    let newest = seconds.iter().map(|(second, _)| *second).max().unwrap_or(0);
    let keep_from = newest.saturating_sub(COUNTERS_KEPT_S);
    Ok(seconds.into_iter().filter(|(second, _)| *second < keep_from).map(|(_, key)| key).collect())
}

fn counters_from(tables: &Tables, campaign: CampaignId, second: i64) -> Result<Vec<CounterRow>, PortError> {
    let from = key::counter(campaign, second, WorkerId(0));
    let to = key::counter(campaign, i64::MAX, WorkerId(u64::MAX));
    tables.records.range(from..=to).map(|guard| from_json(WHAT, &item(WHAT, guard)?.1)).collect()
}

#[async_trait]
impl Fleet for FleetTable {
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError> {
        let _held = lock(&self.write);
        self.put(key::worker(row.worker), to_json(WHAT, row)?)
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), PortError> {
        let _held = lock(&self.write);
        let key = key::worker(worker);
        if get(WHAT, &self.tables.records, &key)?.is_none() {
            return Ok(());
        }
        let mut batch = self.tables.batch();
        batch.remove(&self.tables.records, key);
        self.tables.commit(WHAT, batch)
    }

    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError> {
        let mut rows = all_workers(&self.tables)?;
        rows.retain(|row| row.at >= after);
        Ok(rows)
    }

    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError> {
        self.put(key::counter(campaign, row.second, row.worker), to_json(WHAT, row)?)
    }

    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || counters_from(&tables, campaign, from_second)).await
    }
}
