//! Access tokens, as JSON documents.

use super::{Tables, from_json, get, item, key, to_json};
use crate::sync::{be_fair, blocking, lock};
use async_trait::async_trait;
use common::access::{TokenId, TokenRecord};
use common::ports::{PortError, Tokens, Written};
use std::sync::{Arc, Mutex};

const WHAT: &str = "the table of tokens";

/// Access tokens.
pub(crate) struct TokenTable {
    tables: Arc<Tables>,
    /// Held over reading and committing.
    write: Mutex<()>,
}

impl TokenTable {
    /// On these tables.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self { tables, write: Mutex::default() }
    }

    fn read(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError> {
        let bytes = get(WHAT, &self.tables.records, &key::token(id))?;
        bytes.map(|b| from_json(WHAT, &b)).transpose()
    }

    /// Stores `next` if the condition holds for what is stored.
    fn store(
        &self,
        next: &TokenRecord,
        on: impl Fn(Option<&TokenRecord>) -> bool,
    ) -> Result<Written, PortError> {
        let _held = lock(&self.write);
        if !on(self.read(next.id)?.as_ref()) {
            return Ok(Written::Conflict);
        }
        let mut batch = self.tables.batch();
        batch.insert(&self.tables.records, key::token(next.id), to_json(WHAT, next)?);
        self.tables.commit(WHAT, batch)?;
        Ok(Written::Yes)
    }
}

#[async_trait]
impl Tokens for TokenTable {
    async fn put_new(&self, token: &TokenRecord) -> Result<Written, PortError> {
        let written = self.store(token, |stored| stored.is_none())?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }

    async fn update(&self, next: &TokenRecord) -> Result<Written, PortError> {
        let follows = |stored: &TokenRecord| stored.version.checked_add(1) == Some(next.version);
        let written = self.store(next, |stored| stored.is_some_and(follows))?;
        self.tables.settle(WHAT).await?;
        Ok(written)
    }

    async fn get(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError> {
        be_fair().await;
        self.read(id)
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, PortError> {
        let tables = self.tables.clone();
        blocking(WHAT, move || {
            let all = tables.records.prefix([key::TOKEN]);
            all.map(|guard| from_json(WHAT, &item(WHAT, guard)?.1)).collect()
        })
        .await
    }
}
