//! One table: reading, querying and conditional writing, each call bounded in time and in number at once.

use super::item::{Item, Mark, PK, SK, V, key_text, text};
use crate::fault::{Failed, Patience};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use common::ports::PortError;
use futures::future::join_all;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Most keys of one BatchGetItem (AWS).
const BATCH_KEYS_MAX: usize = 100;

/// What a table is called, how patient its callers are, and how many calls may be under way.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) patience: Patience,
    pub(crate) permits: Arc<Semaphore>,
}

/// What a conditional put came to.
#[derive(Debug)]
pub(crate) enum PutIf {
    /// Stored.
    Stored,
    /// Something else was there: this, or nothing.
    Meanwhile(Option<Item>),
}

/// Which items of a partition, in which order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Range<'a> {
    /// From this sort key on; all when `None`.
    pub(crate) from: Option<&'a str>,
    /// The last ones first.
    pub(crate) backwards: bool,
    /// So many at most.
    pub(crate) limit: Option<usize>,
}

impl Table {
    /// A key of this table: with a sort key, or without.
    pub(crate) fn key(pk: impl Into<String>, sk: Option<String>) -> Item {
        let mut key = Item::from([(PK.to_owned(), text(pk))]);
        key.extend(sk.map(|sk| (SK.to_owned(), text(sk))));
        key
    }

    pub(crate) fn what(&self) -> &'static str {
        self.patience.what
    }

    /// What is stored under this key can't be read.
    pub(crate) fn corrupt(&self, key: &Item, why: &str) -> PortError {
        let why = format!("item {} of table {}: {why}", key_text(key), self.name);
        PortError::Corrupt { what: self.what(), why }
    }

    pub(crate) fn invalid(&self, why: impl Into<String>) -> PortError {
        PortError::Invalid { what: self.what(), why: why.into() }
    }

    pub(crate) async fn permit(&self, weight: u32) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there always is one.
        self.permits.acquire_many(weight).await.ok()
    }

    /// The item with all that was written before.
    pub(crate) async fn get(&self, key: &Item) -> Result<Option<Item>, PortError> {
        let _permit = self.permit(1).await;
        let ask = || {
            let call = self.client.get_item().table_name(&self.name).consistent_read(true);
            call.set_key(Some(key.clone())).send()
        };
        let answer = self.patience.call(ask).await.map_err(|e| e.into_port(self.what()))?;
        Ok(answer.item)
    }

    /// Stores the item, whatever was there.
    pub(crate) async fn put(&self, item: Item) -> Result<(), PortError> {
        let _permit = self.permit(1).await;
        let ask = || self.client.put_item().table_name(&self.name).set_item(Some(item.clone())).send();
        self.patience.call(ask).await.map_err(|e| e.into_port(self.what())).map(drop)
    }

    /// Removes the item, if it is there.
    pub(crate) async fn delete(&self, key: &Item) -> Result<(), PortError> {
        let _permit = self.permit(1).await;
        let ask = || self.client.delete_item().table_name(&self.name).set_key(Some(key.clone())).send();
        self.patience.call(ask).await.map_err(|e| e.into_port(self.what())).map(drop)
    }

    /// Stores the item if what is there carries `old`, or if nothing is there and `old` is `None`. What is there instead
    /// comes back with the answer, so that nobody has to read it.
    pub(crate) async fn put_if(&self, item: &Item, old: Option<Mark>) -> Result<PutIf, PortError> {
        let _permit = self.permit(1).await;
        let ask = || {
            let call = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
            let call = match old {
                None => call.condition_expression(format!("attribute_not_exists({PK})")),
                Some(mark) => call
                    .condition_expression(format!("{V} = :old"))
                    .expression_attribute_values(":old", mark.value()),
            };
            call.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).send()
        };
        match self.patience.call(ask).await {
            Ok(_) => Ok(PutIf::Stored),
            Err(Failed::Said(PutItemError::ConditionalCheckFailedException(e))) => {
                Ok(PutIf::Meanwhile(e.item))
            }
            Err(other) => Err(other.into_port(self.what())),
        }
    }

    /// The items of a partition, with all that was written before, page by page.
    pub(crate) async fn query(&self, pk: &str, range: Range<'_>) -> Result<Vec<Item>, PortError> {
        let (mut items, mut next) = (Vec::new(), None);
        loop {
            let rest = range.limit.map(|limit| limit.saturating_sub(items.len()));
            if rest == Some(0) {
                return Ok(items);
            }
            let page = self.page(pk, range, rest, next).await?;
            items.extend(page.0);
            next = page.1;
            if next.is_none() {
                return Ok(items);
            }
        }
    }

    async fn page(
        &self,
        pk: &str,
        range: Range<'_>,
        rest: Option<usize>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), PortError> {
        let _permit = self.permit(1).await;
        let condition = if range.from.is_some() {
            format!("{PK} = :pk and {SK} >= :from")
        } else {
            format!("{PK} = :pk")
        };
        let limit = rest.map(|rest| i32::try_from(rest).unwrap_or(i32::MAX));
        let ask = || {
            let call = self.client.query().table_name(&self.name).consistent_read(true);
            let call = call.key_condition_expression(&condition).expression_attribute_values(":pk", text(pk));
            let call = match range.from {
                Some(from) => call.expression_attribute_values(":from", text(from)),
                None => call,
            };
            let call = call.scan_index_forward(!range.backwards).set_limit(limit);
            call.set_exclusive_start_key(start.clone()).send()
        };
        let answer = self.patience.call(ask).await.map_err(|e| e.into_port(self.what()))?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// The items of these keys that exist, in any order, with all that was written before. Keys must be unique. Each call
    /// of 100 takes `weight` permits.
    pub(crate) async fn get_many(&self, keys: Vec<Item>, weight: u32) -> Result<Vec<Item>, PortError> {
        let portions: Vec<Vec<Item>> = keys.chunks(BATCH_KEYS_MAX).map(<[Item]>::to_vec).collect();
        let calls = portions.into_iter().map(|keys| self.get_portion(keys, weight));
        let mut items = Vec::new();
        for portion in join_all(calls).await {
            items.extend(portion?);
        }
        Ok(items)
    }

    /// What DynamoDB left out, for the answer's size or for its load, is asked for again.
    async fn get_portion(&self, mut keys: Vec<Item>, weight: u32) -> Result<Vec<Item>, PortError> {
        let (began, mut items) = (tokio::time::Instant::now(), Vec::new());
        let mut idle = 0;
        while !keys.is_empty() {
            let permit = self.permit(weight).await;
            let asked = keys.len();
            let (found, left) = self.get_batch(keys).await?;
            drop(permit);
            items.extend(found);
            keys = left;
            if keys.is_empty() {
                break;
            }
            // As long as something comes, there is no haste to give up: 100 items of 400 KB are 40 MB, in portions of 16.
            idle = if keys.len() < asked { 0 } else { idle + 1 };
            let pause = crate::fault::pause(idle);
            if idle > 0 && began.elapsed() + pause > self.patience.longest {
                let why = format!("throttled: {} keys were left unprocessed again and again", keys.len());
                return Err(self.patience.unavailable(why));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(items)
    }

    async fn get_batch(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), PortError> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.map_err(|e| self.invalid(e.to_string()))?;
        let ask = || self.client.batch_get_item().request_items(&self.name, wanted.clone()).send();
        let mut answer = self.patience.call(ask).await.map_err(|e| e.into_port(self.what()))?;
        let found = answer.responses.as_mut().and_then(|all| all.remove(&self.name)).unwrap_or_default();
        let left = answer.unprocessed_keys.as_mut().and_then(|all| all.remove(&self.name));
        Ok((found, left.map(|left| left.keys).unwrap_or_default()))
    }
}

/// A key, and more attributes.
pub(crate) fn with(key: &Item, more: impl IntoIterator<Item = (&'static str, AttributeValue)>) -> Item {
    let mut item = key.clone();
    item.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    item
}
