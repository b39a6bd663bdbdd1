//! Campaign records and the fleet's slot.
//!
//! A record is one large item, the document, which is read when it changed, and a few copies of one tiny item, the gate,
//! which holds its version. Every worker reads slot and version four times a second: 520 workers make 2,080 reads a second
//! of each. Spread over eight copies, no key passes 300, and no two of them can overload one partition together. All copies
//! and the document are written in one transaction, so each copy alone tells the truth.

use super::Tables;
use super::item::{BYTES, Item, Mark, PK, SK, V, from_json, json, number, parsed, sortable, string, text};
use super::table::{Range, Table, with};
use crate::fault::{Failed, is_throttled, pause, words};
use async_trait::async_trait;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as WriteError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use common::campaign::Campaign;
use common::fleet::Slot;
use common::ids::CampaignId;
use common::ports::{Campaigns, PortError, Written};
use std::collections::HashMap;
use tokio::time::Instant;

/// Copies of the gate and of the slot. A write costs so many small writes more; there are a few dozen in a campaign's life.
pub(super) const COPIES: usize = 8;
/// Largest document, in bytes: an item may have 400 KB (AWS), names and keys included.
const DOCUMENT_BYTES_MAX: usize = 400 * 1024 - 512;
/// The write that an item is from.
const WRITE: &str = "w";
/// The partition that lists campaigns by the time of their creation.
const CREATED: &str = "created";

fn document_key(id: CampaignId) -> Item {
    Table::key(format!("campaign#{id}"), Some("document".to_owned()))
}

fn gate_key(id: CampaignId, copy: usize) -> Item {
    Table::key(format!("gate#{id}#{copy}"), Some("gate".to_owned()))
}

fn slot_key(copy: usize) -> Item {
    Table::key(format!("slot#{copy}"), Some("slot".to_owned()))
}

fn created_key(c: &Campaign) -> Item {
    Table::key(CREATED, Some(format!("{}#{}", sortable(c.created.at.0), c.id)))
}

/// Items to be stored all or none.
struct Transaction {
    puts: Vec<TransactWriteItem>,
    mark: Mark,
}

impl Transaction {
    fn new() -> Self {
        Self { puts: Vec::new(), mark: Mark::new() }
    }

    fn put(&mut self, table: &Table, item: Item) -> Result<(), PortError> {
        self.add(table, Put::builder().set_item(Some(item)))
    }

    /// Stores it if its version was `old`, or, without one, if it was not there.
    fn put_if(&mut self, table: &Table, item: &Item, old: Option<u64>) -> Result<(), PortError> {
        let item = with(item, [(WRITE, text(self.mark.text()))]);
        let put = Put::builder().set_item(Some(item));
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.add(
            table,
            match old {
                None => put.condition_expression(format!("attribute_not_exists({PK})")),
                Some(old) => put
                    .condition_expression(format!("{V} = :old"))
                    .expression_attribute_values(":old", number(&old)),
            },
        )
    }

    fn add(
        &mut self,
        table: &Table,
        put: aws_sdk_dynamodb::types::builders::PutBuilder,
    ) -> Result<(), PortError> {
        let put = put.table_name(&table.name).build().map_err(|e| table.invalid(e.to_string()))?;
        self.puts.push(TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// What the reasons of a cancellation come to; `None`: try again.
    fn judge(&self, table: &Table, reasons: &[CancellationReason]) -> Result<Option<Written>, PortError> {
        let code = |r: &CancellationReason| r.code().unwrap_or("None").to_owned();
        let failed = |r: &&CancellationReason| code(r) == "ConditionalCheckFailed";
        if let Some(reason) = reasons.iter().find(failed) {
            // An earlier attempt of this very write went in, and its answer got lost.
            let ours = reason.item().and_then(|item| string(item, WRITE).ok()) == Some(&self.mark.text());
            return Ok(Some(if ours { Written::Yes } else { Written::Conflict }));
        }
        let wrong = |r: &&CancellationReason| {
            let code = code(r);
            !(code == "None" || code == "TransactionConflict" || is_throttled(&code))
        };
        match reasons.iter().find(wrong) {
            Some(reason) => Err(table.invalid(words(reason.code(), reason.message()))),
            None => Ok(None),
        }
    }

    /// Writes it. The mark is the token by which DynamoDB knows a repeated transaction, too.
    async fn commit(self, table: &Table) -> Result<Written, PortError> {
        let began = Instant::now();
        for round in 0.. {
            let call = || {
                let call = table.client.transact_write_items().set_transact_items(Some(self.puts.clone()));
                call.client_request_token(self.mark.text()).send()
            };
            let cancelled = match table.patience.call(call).await {
                Ok(_) => return Ok(Written::Yes),
                Err(Failed::Said(WriteError::TransactionCanceledException(e))) => e,
                Err(other) => return Err(other.into_port(table.what())),
            };
            if let Some(written) = self.judge(table, cancelled.cancellation_reasons())? {
                return Ok(written);
            }
            let pause = pause(round);
            if began.elapsed() + pause > table.patience.longest {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(table.patience.unavailable("others kept writing the same record, or it is throttled"))
    }
}

impl Tables {
    /// Stores document, gates and, for a new campaign, its place in the list.
    async fn store(&self, next: &Campaign, old: Option<u64>) -> Result<Written, PortError> {
        let table = &self.campaigns;
        let document = serde_json::to_vec(next).map_err(|e| table.invalid(e.to_string()))?;
        if document.len() > DOCUMENT_BYTES_MAX {
            let why = format!("the record has {} bytes, {DOCUMENT_BYTES_MAX} are allowed", document.len());
            return Err(table.invalid(why));
        }
        let mut transaction = Transaction::new();
        for copy in 0..COPIES {
            let gate = with(&gate_key(next.id, copy), [(V, number(&next.version))]);
            transaction.put_if(table, &gate, old)?;
        }
        let document = [(BYTES, super::item::binary(document)), (V, number(&next.version))];
        transaction.put(table, with(&document_key(next.id), document))?;
        if old.is_none() {
            transaction.put(table, with(&created_key(next), [("id", text(next.id.to_string()))]))?;
        }
        transaction.commit(table).await
    }

    fn read_campaign(&self, item: &Item) -> Result<Campaign, PortError> {
        from_json(item).map_err(|why| {
            let part = |name| string(item, name).unwrap_or_default().to_owned();
            self.campaigns.corrupt(&Table::key(part(PK), Some(part(SK))), &why)
        })
    }

    fn listed(&self, item: &Item) -> Result<CampaignId, PortError> {
        let id = string(item, "id").and_then(|id| id.parse().map_err(|_| "its id is none".to_owned()));
        let key = || Table::key(CREATED, string(item, SK).ok().map(str::to_owned));
        id.map_err(|why| self.campaigns.corrupt(&key(), &why))
    }
}

#[async_trait]
impl Campaigns for Tables {
    async fn create(&self, campaign: &Campaign) -> Result<Written, PortError> {
        self.store(campaign, None).await
    }

    async fn update(&self, next: &Campaign) -> Result<Written, PortError> {
        match next.version.checked_sub(1) {
            Some(old) => self.store(next, Some(old)).await,
            None => Ok(Written::Conflict),
        }
    }

    async fn get(&self, id: CampaignId) -> Result<Option<Campaign>, PortError> {
        let item = self.campaigns.get(&document_key(id)).await?;
        item.map(|item| self.read_campaign(&item)).transpose()
    }

    async fn version(&self, id: CampaignId) -> Result<Option<u64>, PortError> {
        let key = gate_key(id, self.copy);
        let item = self.campaigns.get(&key).await?;
        let version = |item: Item| parsed(&item, V).map_err(|why| self.campaigns.corrupt(&key, &why));
        item.map(version).transpose()
    }

    async fn list(&self, limit: usize) -> Result<Vec<Campaign>, PortError> {
        let newest = Range { backwards: true, limit: Some(limit), ..Range::default() };
        let listed = self.campaigns.query(CREATED, newest).await?;
        let ids: Vec<CampaignId> = listed.iter().map(|item| self.listed(item)).collect::<Result<_, _>>()?;
        let documents = self.campaigns.get_many(ids.iter().map(|id| document_key(*id)).collect(), 1).await?;
        let read = |item: &Item| self.read_campaign(item).map(|c| (c.id, c));
        let mut found: HashMap<CampaignId, Campaign> =
            documents.iter().map(read).collect::<Result<_, _>>()?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    async fn slot(&self) -> Result<Slot, PortError> {
        let key = slot_key(self.copy);
        let item = self.campaigns.get(&key).await?;
        let read = |item: Item| from_json(&item).map_err(|why| self.campaigns.corrupt(&key, &why));
        item.map_or_else(|| Ok(Slot::default()), read)
    }

    async fn set_slot(&self, next: &Slot) -> Result<Written, PortError> {
        let Some(old) = next.version.checked_sub(1) else { return Ok(Written::Conflict) };
        let bytes = json(next).map_err(|why| self.campaigns.invalid(why))?;
        let mut transaction = Transaction::new();
        for copy in 0..COPIES {
            let item = with(&slot_key(copy), [(BYTES, bytes.clone()), (V, number(&next.version))]);
            transaction.put_if(&self.campaigns, &item, Some(old).filter(|old| *old > 0))?;
        }
        transaction.commit(&self.campaigns).await
    }
}
