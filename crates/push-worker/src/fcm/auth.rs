//! Access tokens of a service account, from `fcm_v1`'s authenticator: one for all lanes, one request at a time, renewed
//! long before it expires.
//!
//! The authenticator keeps its token until a minute before the end and can't be told to renew, so each renewal makes a new
//! one. It reads the system's roots (and panics where there are none), so it runs on a thread of its own.

use common::time::UnixMs;
use fcm_v1::auth::{Authenticator, ServiceAccountKey};
use http::HeaderValue;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// A token is renewed this long before it expires (ours; of one hour).
const RENEW_BEFORE: Duration = Duration::from_secs(10 * 60);
/// A token this close to its end is not used any more (ours: a request's patience and clocks that differ).
const UNUSABLE_BEFORE: Duration = Duration::from_secs(30);
/// A token that says nothing of its end lives this long (Google).
const LIFE_S: i64 = 3_600;
/// Longest wait for the token endpoint (ours).
const MINT_WITHIN: Duration = Duration::from_secs(10);
/// A refusal of a token that was itself minted after a refusal means more than an old token, for this long (ours).
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// Why there is no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The endpoint refused or could not be reached; the library does not say which.
    #[error(
        "no access token from `{token_uri}`: check that it can be reached, the service account's key and the clock"
    )]
    Refused {
        /// The endpoint.
        token_uri: String,
    },
    /// It took too long.
    #[error("`{token_uri}` gave no access token within {} s", MINT_WITHIN.as_secs())]
    TimedOut {
        /// The endpoint.
        token_uri: String,
    },
    /// The library gave up.
    #[error(
        "the authenticator can't start: this machine has no system certificates (install ca-certificates)"
    )]
    NoRoots,
}

/// Gets tokens; shared by the lanes of a process.
pub struct AccessTokens {
    key: ServiceAccountKey,
    newest: Mutex<Option<Minted>>,
    /// Held while one is being minted; why the last try failed, if it did.
    minting: tokio::sync::Mutex<Option<AuthError>>,
    /// How often that was tried.
    tries: AtomicU64,
}

#[derive(Clone)]
struct Minted {
    value: HeaderValue,
    number: u64,
    minted_at: UnixMs,
    until: UnixMs,
    after_refusal: bool,
    refused: bool,
}

/// What goes into the `authorization` header, and which one it is.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    /// Marked as sensitive, so that it is not shown.
    pub(super) value: HeaderValue,
    pub(super) number: u64,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens").field("token_uri", &self.key.token_uri).finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// For this account.
    #[must_use]
    pub fn new(key: ServiceAccountKey) -> Self {
        Self {
            key,
            newest: Mutex::default(),
            minting: tokio::sync::Mutex::new(None),
            tries: AtomicU64::new(0),
        }
    }

    /// The token, minted now only if there is none that can be used.
    pub(super) async fn bearer(&self, now: UnixMs) -> Result<Credential, AuthError> {
        match self.usable(now) {
            Some(credential) => Ok(credential),
            None => self.renew(now).await,
        }
    }

    /// A new token, unless somebody else got one, or was refused one, while we waited for our turn.
    pub(super) async fn renew(&self, now: UnixMs) -> Result<Credential, AuthError> {
        let tries = self.tries.load(Relaxed);
        let mut last_error = self.minting.lock().await;
        if self.tries.load(Relaxed) != tries {
            match (self.usable(now), &*last_error) {
                (Some(credential), _) => return Ok(credential),
                (None, Some(error)) => return Err(error.clone()),
                (None, None) => {}
            }
        }
        let minted = self.mint(now).await;
        self.tries.fetch_add(1, Relaxed);
        *last_error = minted.as_ref().err().cloned();
        minted.map(|(value, until)| self.keep(value, until, now))
    }

    fn keep(&self, value: HeaderValue, until: UnixMs, now: UnixMs) -> Credential {
        let mut newest = self.newest();
        let after_refusal = newest.as_ref().is_some_and(|m| m.refused);
        let number = newest.as_ref().map_or(0, |m| m.number) + 1;
        let credential = Credential { value: value.clone(), number };
        *newest = Some(Minted { value, number, minted_at: now, until, after_refusal, refused: false });
        credential
    }

    /// Google refused the token with this number. Answers whether a new one may help: not if this one was new.
    pub(super) fn refused(&self, number: u64, now: UnixMs) -> bool {
        match self.newest().as_mut() {
            Some(m) if m.number == number => {
                let hopeless = m.after_refusal && now.since(m.minted_at) < REFUSED_AGAIN;
                m.refused = !hopeless;
                !hopeless
            }
            _ => true,
        }
    }

    /// When the token expires; `None` if there is none.
    pub(super) fn until(&self) -> Option<UnixMs> {
        self.newest().as_ref().map(|m| m.until)
    }

    /// How long it is until the token should be renewed.
    pub(super) fn fresh_for(&self, now: UnixMs) -> Duration {
        self.until().map_or(Duration::ZERO, |until| until.minus(RENEW_BEFORE).since(now))
    }

    fn usable(&self, now: UnixMs) -> Option<Credential> {
        let newest = self.newest();
        let minted = newest.as_ref().filter(|m| !m.refused && m.until.minus(UNUSABLE_BEFORE) > now)?;
        Some(Credential { value: minted.value.clone(), number: minted.number })
    }

    async fn mint(&self, now: UnixMs) -> Result<(HeaderValue, UnixMs), AuthError> {
        let key = self.key.clone();
        let token_uri = || self.key.token_uri.clone();
        let minted = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async { tokio::time::timeout(MINT_WITHIN, ask(key, now)).await.ok() })
        });
        match minted.await {
            Ok(Some(Some(minted))) => Ok(minted),
            Ok(Some(None)) => Err(AuthError::Refused { token_uri: token_uri() }),
            Ok(None) => Err(AuthError::TimedOut { token_uri: token_uri() }),
            Err(_) => Err(AuthError::NoRoots),
        }
    }

    fn newest(&self) -> MutexGuard<'_, Option<Minted>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One token by way of the library.
async fn ask(key: ServiceAccountKey, now: UnixMs) -> Option<(HeaderValue, UnixMs)> {
    let token = Authenticator::service_account::<&str>(key).await.ok()?.token(&[SCOPE]).await.ok()?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.token()?)).ok()?;
    value.set_sensitive(true);
    let until_s = token.expiration_time().map_or(now.0 / 1000 + LIFE_S, |at| at.unix_timestamp());
    Some((value, UnixMs(until_s.saturating_mul(1000))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadtest::gateways::{Behaviour, GatewayArgs, Running, start};

    async fn stand() -> (Running, AccessTokens) {
        let running =
            start(GatewayArgs { behaviour: Behaviour::default(), ..GatewayArgs::default() }).await.unwrap();
        let json = std::fs::read(&running.info.fcm_service_account_file).unwrap();
        let tokens = AccessTokens::new(serde_json::from_slice(&json).unwrap());
        (running, tokens)
    }

    fn now() -> UnixMs {
        use common::time::Clock as _;
        common::time::SystemClock::default().now()
    }

    #[tokio::test]
    async fn all_who_ask_at_once_get_one_token_that_is_renewed_early() {
        let (_running, tokens) = stand().await;
        let now = now();
        let asked = futures::future::join_all((0..8).map(|_| tokens.bearer(now))).await;
        assert!(asked.iter().all(|credential| credential.as_ref().unwrap().number == 1));
        let fresh_s = tokens.fresh_for(now).as_secs();
        assert!((2_900..3_000).contains(&fresh_s), "{fresh_s}");
        // It goes on being used while it is renewed.
        let late = now.plus(Duration::from_secs(3_400));
        assert!(tokens.fresh_for(late).is_zero());
        assert_eq!(tokens.bearer(late).await.unwrap().number, 1);
        assert_eq!(tokens.renew(late).await.unwrap().number, 2);
        let shown = format!("{tokens:?} {:?}", tokens.bearer(late).await.unwrap());
        assert!(!shown.contains("ya29") && !shown.contains("PRIVATE"), "{shown}");
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_but_not_again_and_again() {
        let (_running, tokens) = stand().await;
        let now = now();
        let first = tokens.bearer(now).await.unwrap().number;
        assert!(tokens.refused(first, now));
        let second = tokens.bearer(now).await.unwrap().number;
        assert_ne!(first, second);
        // The rest of those that used the first one.
        assert!(tokens.refused(first, now));
        assert!(!tokens.refused(second, now));
        assert_eq!(tokens.bearer(now).await.unwrap().number, second);
        assert!(tokens.refused(second, now.plus(REFUSED_AGAIN)));
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_is_named() {
        let (_running, tokens) = stand().await;
        let key = ServiceAccountKey { token_uri: "http://127.0.0.1:1/token".to_owned(), ..tokens.key };
        let error = AccessTokens::new(key).bearer(now()).await.unwrap_err();
        assert_eq!(error, AuthError::Refused { token_uri: "http://127.0.0.1:1/token".to_owned() });
    }
}
