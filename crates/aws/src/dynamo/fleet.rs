//! Heartbeats and counter rows, spread over sixteen partitions by worker: 520 workers that beat twice a second and count
//! once make 100 writes a second in each. Whoever reads asks all sixteen at once.

use super::Tables;
use super::item::{BYTES, EXPIRES_AT, Item, PK, SK, from_json, json, number, sortable, string};
use super::table::{Range, Table, with};
use async_trait::async_trait;
use common::fleet::{CounterRow, WorkerRow};
use common::ids::{CampaignId, WorkerId};
use common::ports::{Fleet, PortError};
use common::time::UnixMs;
use futures::future::try_join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Partitions of each kind of row.
const SPREAD: u64 = 16;
/// Heartbeats may go after this long, in seconds: nobody looks at one that is older than some minutes.
const WORKERS_KEPT_S: i64 = 3_600;
/// Counter rows may go after this long, in seconds: the final books are made of the ledger.
const COUNTERS_KEPT_S: i64 = 7 * 86_400;

fn workers_partition(part: u64) -> String {
    format!("w#{part}")
}

fn counters_partition(campaign: CampaignId, part: u64) -> String {
    format!("c#{campaign}#{part}")
}

fn worker_key(worker: WorkerId) -> Item {
    Table::key(workers_partition(worker.0 % SPREAD), Some(worker.to_string()))
}

impl Tables {
    async fn put_row<T: Serialize + Sync>(
        &self,
        key: Item,
        row: &T,
        expires_at: i64,
    ) -> Result<(), PortError> {
        let bytes = json(row).map_err(|why| self.fleet.invalid(why))?;
        self.fleet.put(with(&key, [(BYTES, bytes), (EXPIRES_AT, number(&expires_at))])).await
    }

    /// The rows of all partitions of a kind, from this sort key on.
    async fn rows<T: DeserializeOwned>(
        &self,
        partition: impl Fn(u64) -> String + Send,
        from: Option<&str>,
    ) -> Result<Vec<T>, PortError> {
        let partitions: Vec<String> = (0..SPREAD).map(partition).collect();
        let range = Range { from, ..Range::default() };
        let pages = try_join_all(partitions.iter().map(|pk| self.fleet.query(pk, range))).await?;
        pages.iter().flatten().map(|item| self.read_row(item)).collect()
    }

    fn read_row<T: DeserializeOwned>(&self, item: &Item) -> Result<T, PortError> {
        let part = |name| string(item, name).unwrap_or_default().to_owned();
        from_json(item).map_err(|why| self.fleet.corrupt(&Table::key(part(PK), Some(part(SK))), &why))
    }
}

#[async_trait]
impl Fleet for Tables {
    async fn beat(&self, row: &WorkerRow) -> Result<(), PortError> {
        self.put_row(worker_key(row.worker), row, row.at.0 / 1_000 + WORKERS_KEPT_S).await
    }

    async fn leave(&self, worker: WorkerId) -> Result<(), PortError> {
        self.fleet.delete(&worker_key(worker)).await
    }

    async fn workers(&self, after: UnixMs) -> Result<Vec<WorkerRow>, PortError> {
        let mut rows: Vec<WorkerRow> = self.rows(workers_partition, None).await?;
        rows.retain(|row| row.at >= after);
        Ok(rows)
    }

    async fn count(&self, campaign: CampaignId, row: &CounterRow) -> Result<(), PortError> {
        let sk = format!("{}#{}", sortable(row.second), row.worker);
        let key = Table::key(counters_partition(campaign, row.worker.0 % SPREAD), Some(sk));
        self.put_row(key, row, row.second.saturating_add(COUNTERS_KEPT_S)).await
    }

    async fn counters(&self, campaign: CampaignId, from_second: i64) -> Result<Vec<CounterRow>, PortError> {
        let from = sortable(from_second);
        self.rows(|part| counters_partition(campaign, part), Some(&from)).await
    }
}
