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
            let mut all = Vec::new();
            for guard in tables.records.prefix([key::TOKEN]) {
                match from_json(WHAT, &item(WHAT, guard)?.1) {
                    Ok(record) => all.push(record),
                    Err(error) => tracing::warn!(%error, "a token's record can't be read, and is left out"),
                }
            }
            Ok(all)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::DirLock;
    use common::access::{Role, Token};
    use common::campaign::Stamp;
    use common::time::UnixMs;

    #[tokio::test]
    async fn a_record_that_cannot_be_read_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Arc::new(DirLock::take(dir.path()).unwrap());
        let tables = Arc::new(Tables::open(&dir.path().join("db"), 1 << 20, false, lock).unwrap());
        let table = TokenTable::new(Arc::clone(&tables));
        let token = Token::new(TokenId(7), [1; 32]);
        let record = TokenRecord::new(&token, "ada", Role::Viewer, Stamp::new("root", UnixMs(1)), None);
        table.put_new(&record).await.unwrap();
        tables.records.insert(key::token(TokenId(3)), "{}").unwrap();
        let all = table.list().await.unwrap();
        assert_eq!(all.iter().map(|t| t.id).collect::<Vec<_>>(), [TokenId(7)]);
        assert!(table.get(TokenId(3)).await.is_err());
    }
}
