//! The audit trail: rows under a rising number, never changed, never removed.

use super::{Tables, from_json, item, key, to_json};
use crate::sync::{blocking, lock};
use async_trait::async_trait;
use common::audit::AuditEntry;
use common::ports::{Audit, PortError};
use std::sync::{Arc, Mutex};

const WHAT: &str = "the audit trail";

/// The audit trail.
pub(crate) struct AuditTable {
    tables: Arc<Tables>,
    /// The number of the next entry.
    next: Mutex<u64>,
}

impl AuditTable {
    /// Goes on behind the last entry of these tables.
    pub(crate) fn open(tables: Arc<Tables>) -> Result<Self, PortError> {
        let last =
            tables.records.prefix([key::AUDIT]).next_back().map(|guard| item(WHAT, guard)).transpose()?;
        let number = last.and_then(|(key, _)| key.last_chunk().copied()).map_or(0, u64::from_be_bytes);
        Ok(Self { tables, next: Mutex::new(number + 1) })
    }

    fn push(&self, entry: &AuditEntry) -> Result<(), PortError> {
        let value = to_json(WHAT, entry)?;
        let mut next = lock(&self.next);
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key::of(key::AUDIT, &[&next.to_be_bytes()]), value);
        self.tables.commit(WHAT, batch)?;
        *next += 1;
        Ok(())
    }
}

#[async_trait]
impl Audit for AuditTable {
    async fn append(&self, entry: &AuditEntry) -> Result<(), PortError> {
        self.push(entry)?;
        self.tables.settle(WHAT).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<AuditEntry>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || {
            let newest = tables.records.prefix([key::AUDIT]).rev().take(limit);
            newest.map(|guard| from_json(WHAT, &item(WHAT, guard)?.1)).collect()
        })
        .await
    }
}
