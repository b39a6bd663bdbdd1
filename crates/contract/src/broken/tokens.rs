//! Tables of access tokens that break the contract.

use super::{Broken, Fault};
use crate::memory::MemoryTokens;
use async_trait::async_trait;
use common::access::{TokenId, TokenRecord};
use common::ports::{PortError, Tokens, Written};
use std::sync::Arc;

/// What is wrong with the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// A new record replaces what is there.
    PutReplaces,
    /// An update is stored whatever the version.
    UpdatesUnconditionally,
    /// An update reads the version, and writes later.
    UpdatesRace,
    /// A revocation is not stored.
    LosesRevocation,
    /// Revoked tokens are not listed.
    HidesRevoked,
    /// A list ends after three.
    ListIsCut,
}

pub(super) fn all() -> Vec<Broken> {
    use TokenFault as T;
    let broken = |fault, breaks| Broken { fault: Fault::Tokens(fault), breaks };
    vec![
        broken(T::PutReplaces, &["tokens.put_new", "tokens.race"]),
        broken(T::UpdatesUnconditionally, &["tokens.update", "tokens.race"]),
        broken(T::UpdatesRace, &["tokens.race"]),
        broken(T::LosesRevocation, &["tokens.whole"]),
        broken(T::HidesRevoked, &["tokens.list"]),
        broken(T::ListIsCut, &["tokens.list"]),
    ]
}

pub(super) struct BrokenTokens(pub(super) TokenFault, pub(super) Arc<MemoryTokens>);

#[async_trait]
impl Tokens for BrokenTokens {
    async fn put_new(&self, token: &TokenRecord) -> Result<Written, PortError> {
        if self.0 == TokenFault::PutReplaces {
            self.1.poke(token.clone());
            return Ok(Written::Yes);
        }
        self.1.put_new(token).await
    }

    async fn update(&self, next: &TokenRecord) -> Result<Written, PortError> {
        match self.0 {
            TokenFault::UpdatesUnconditionally => self.1.poke(next.clone()),
            TokenFault::UpdatesRace => {
                if self.1.get(next.id).await?.is_none_or(|stored| stored.version + 1 != next.version) {
                    return Ok(Written::Conflict);
                }
                tokio::task::yield_now().await;
                self.1.poke(next.clone());
            }
            TokenFault::LosesRevocation => {
                return self.1.update(&TokenRecord { revoked: None, ..next.clone() }).await;
            }
            _ => return self.1.update(next).await,
        }
        Ok(Written::Yes)
    }

    async fn get(&self, id: TokenId) -> Result<Option<TokenRecord>, PortError> {
        self.1.get(id).await
    }

    async fn list(&self) -> Result<Vec<TokenRecord>, PortError> {
        let mut all = self.1.list().await?;
        match self.0 {
            TokenFault::HidesRevoked => all.retain(|t| t.revoked.is_none()),
            TokenFault::ListIsCut => all.truncate(3),
            _ => {}
        }
        Ok(all)
    }
}
