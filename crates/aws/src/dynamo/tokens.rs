//! Access tokens: a few dozen items in one partition, which every api task reads whole every two seconds.

use super::Tables;
use super::change::{Known, Row, Stored, change};
use super::item::{BYTES, Item, SK, from_json, json, string};
use super::table::{Range, Table};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use common::access::{TokenId, TokenRecord};
use common::ports::{PortError, Tokens, Written};

/// The one partition.
const TOKENS: &str = "token";

struct TokenRow {
    record: TokenRecord,
    bytes: AttributeValue,
}

impl Row for TokenRow {
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(BYTES, self.bytes.clone())]
    }

    fn read(item: &Item) -> Result<Self, String> {
        Self::new(from_json(item)?)
    }
}

impl TokenRow {
    fn new(record: TokenRecord) -> Result<Self, String> {
        let bytes = json(&record)?;
        Ok(Self { record, bytes })
    }
}

fn token_key(id: TokenId) -> Item {
    Table::key(TOKENS, Some(id.to_string()))
}

impl Tables {
    /// Stores a record if the condition holds for what is there.
    async fn store_token(
        &self,
        next: &TokenRecord,
        known: Known<TokenRow>,
        on: impl Fn(Option<&TokenRecord>) -> bool + Send + Sync,
    ) -> Result<Written, PortError> {
        let row = || TokenRow::new(next.clone());
        row().map_err(|why| self.access.invalid(why))?;
        let decide = |stored: Option<&TokenRow>| match on(stored.map(|row| &row.record)) {
            true => (Written::Yes, row().ok()),
            false => (Written::Conflict, None),
        };
        Ok(change(&self.access, &token_key(next.id), known, decide).await?.0)
    }
}

#[async_trait]
impl Tokens for Tables {
    async fn put_new(&self, token: &TokenRecord) -> Result<Written, PortError> {
        self.store_token(token, Known::Guessed(None), |stored| stored.is_none()).await
    }

    async fn update(&self, next: &TokenRecord) -> Result<Written, PortError> {
        let follows = |stored: &TokenRecord| stored.version.checked_add(1) == Some(next.version);
        self.store_token(next, Known::Nothing, |stored| stored.is_some_and(follows)).await
    }

    async fn get(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError> {
        let key = token_key(id);
        let item = self.access.get(&key).await?;
        let found: Option<Stored<TokenRow>> = super::change::stored(&self.access, &key, item.as_ref())?;
        Ok(found.map(|stored| stored.row.record))
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, PortError> {
        let read = |item: &Item| {
            let key = || Table::key(TOKENS, string(item, SK).ok().map(str::to_owned));
            let read = from_json(item).map_err(|why| self.access.corrupt(&key(), &why));
            read.inspect_err(
                |error| tracing::warn!(%error, "a token's record can't be read, and is left out"),
            )
            .ok()
        };
        Ok(self.access.query(TOKENS, Range::default()).await?.iter().filter_map(read).collect())
    }
}
