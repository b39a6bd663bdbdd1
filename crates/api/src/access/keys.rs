//! The tokens of the table, in memory. A request is decided from here: a press never waits for the table, and a token
//! that is known stays good while the table is away. Looked at again every second, so that a revocation bites within two.

use common::access::{Stale, Token, TokenId, TokenRecord};
use common::ports::{Backend, PortError};
use common::time::{Clock, UnixMs};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the table is read.
const EVERY: Duration = Duration::from_secs(1);
/// Time for the look at one token that is not known.
const LOOKUP: Duration = Duration::from_secs(2);
/// Looks of a second at tokens that are not known: made-up ones are not to load the table.
const LOOKUPS_MAX: u32 = 20;
/// The name of the configuration's token.
const CONFIGURED: &str = "configured administrator";

/// Why a token does not open anything.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Unknown, or its secret is wrong: nobody outside learns which.
    Wrong,
    /// Its secret is right.
    Stale(Stale),
    /// It is not known here, and the table does not answer or can't be asked just now.
    Unreachable(PortError),
}

fn unreachable(why: &str) -> Refused {
    Refused::Unreachable(PortError::Unavailable { what: "the table of tokens", why: why.to_owned() })
}

fn too_slow() -> String {
    format!("no answer within {} ms", LOOKUP.as_millis())
}

/// What this process knows.
pub(crate) struct Keys {
    configured: Option<Arc<TokenRecord>>,
    known: RwLock<HashMap<TokenId, Arc<TokenRecord>>>,
    lookups: Mutex<(Duration, u32)>,
    away: AtomicBool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Nothing but the configuration's token.
    pub(crate) fn new(configured: Option<&Token>) -> Self {
        let stamp = common::campaign::Stamp::new("the configuration", common::time::UnixMs(0));
        let admin = common::access::Role::Admin;
        let record = |token| Arc::new(TokenRecord::new(token, CONFIGURED, admin, stamp, None));
        Self {
            configured: configured.map(record),
            known: RwLock::default(),
            lookups: Mutex::default(),
            away: AtomicBool::new(false),
        }
    }

    /// Whether this is the configuration's token, which nobody can revoke here.
    pub(crate) fn is_configured(&self, id: TokenId) -> bool {
        self.configured.as_ref().is_some_and(|record| record.id == id)
    }

    /// Whether the configuration has a token.
    pub(crate) fn has_configured(&self) -> bool {
        self.configured.is_some()
    }

    /// The record of a token that is good now. One that is not known here is looked up, if its source may.
    pub(crate) async fn check(
        &self,
        backend: &Backend,
        clock: &dyn Clock,
        token: &Token,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<Arc<TokenRecord>, Refused> {
        let hash = token.hash();
        let fits = |record: &Arc<TokenRecord>| record.hash.matches(&hash);
        if let Some(record) = self.configured.as_ref().filter(|r| r.id == token.id() && fits(r)) {
            return Ok(Arc::clone(record));
        }
        let record = match self.get(token.id()) {
            Some(record) => Some(record),
            None if !may_look_up() => None,
            None => self.look_up(backend, clock, token.id()).await?,
        };
        let record = record.filter(fits).ok_or(Refused::Wrong)?;
        record.good(clock.now()).map_err(Refused::Stale)?;
        Ok(record)
    }

    /// Whether a token that was good before is good now, as far as is known here.
    pub(crate) fn still_good(&self, id: TokenId, now: UnixMs) -> Result<(), Stale> {
        self.get(id).map_or(Ok(()), |record| record.good(now))
    }

    fn get(&self, id: TokenId) -> Option<Arc<TokenRecord>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// One that this process has not seen yet: another may have made it a moment ago. Whatever keeps it from looking, it
    /// never says that a token is wrong that it did not look at.
    async fn look_up(
        &self,
        backend: &Backend,
        clock: &dyn Clock,
        id: TokenId,
    ) -> Result<Option<Arc<TokenRecord>>, Refused> {
        if self.away.load(Ordering::Relaxed) {
            return Err(unreachable("it did not answer at the last look"));
        }
        if !self.take_look_up(clock.mono()) {
            return Err(unreachable("too many tokens that are not known here were looked up this second"));
        }
        let found = match tokio::time::timeout(LOOKUP, backend.tokens.get(id)).await {
            Ok(found) => found.map_err(Refused::Unreachable)?,
            Err(_) => return Err(unreachable(&too_slow())),
        };
        let Some(record) = found else { return Ok(None) };
        self.learn([record]);
        Ok(self.get(id))
    }

    fn take_look_up(&self, now: Duration) -> bool {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(lookups.0) >= Duration::from_secs(1) {
            *lookups = (now, 0);
        }
        lookups.1 = lookups.1.saturating_add(1);
        lookups.1 <= LOOKUPS_MAX
    }

    /// Takes records over. Tokens are never deleted, and a list may have been read before a revocation here: what is newer
    /// stays.
    pub(crate) fn learn(&self, records: impl IntoIterator<Item = TokenRecord>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if known.get(&record.id).is_none_or(|old| old.version < record.version) {
                known.insert(record.id, Arc::new(record));
            }
        }
    }

    /// Reads the whole table, within a time: one that does not answer keeps nobody from starting, nor the next look.
    pub(crate) async fn refresh(&self, backend: &Backend) {
        let away = match tokio::time::timeout(LOOKUP, backend.tokens.list()).await {
            Ok(Ok(records)) => {
                self.learn(records);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(too_slow()),
        };
        let was_away = self.away.swap(away.is_some(), Ordering::Relaxed);
        // Each change once, and not each look.
        match (was_away, away) {
            (false, Some(error)) => {
                tracing::warn!(
                    error,
                    "the table of tokens can't be read: known tokens stay good, also revoked ones"
                );
            }
            (true, None) => tracing::info!("the table of tokens is back"),
            _ => {}
        }
    }

    /// Reads it again and again, until shutdown.
    pub(crate) async fn keep_fresh(&self, backend: &Backend, shutdown: CancellationToken) {
        let again = async {
            loop {
                tokio::time::sleep(EVERY).await;
                self.refresh(backend).await;
            }
        };
        shutdown.run_until_cancelled(again).await;
    }
}
