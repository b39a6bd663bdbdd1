//! What all threads of the gateways share, and the clock that a pass over a connection reads once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::apns::ProviderTokens;
use super::fcm::Quota;
use super::journal::Store;
use super::keys::PublicKeys;
use super::oauth::TokenEndpoint;
use super::{Behaviour, GatewayInfo};

/// One reading of both clocks.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    /// Milliseconds since the Unix epoch.
    pub(super) unix_ms: u64,
}

impl Moment {
    #[expect(
        clippy::disallowed_methods,
        reason = "the far side of the wire: its clock is not the system's under test"
    )]
    pub(super) fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Tokio's, so that tests can stop it; without its test-util it is the standard library's.
        let instant = tokio::time::Instant::now().into_std();
        Self { instant, unix_ms: since_epoch.as_millis() as u64 }
    }

    /// Seconds since the Unix epoch.
    pub(super) fn unix_s(self) -> i64 {
        (self.unix_ms / 1000) as i64
    }
}

/// The gateways' state.
pub(super) struct Shared {
    pub(super) info: GatewayInfo,
    pub(super) journal: Store,
    pub(super) provider_tokens: ProviderTokens,
    pub(super) token_endpoint: TokenEndpoint,
    pub(super) quota: Quota,
    pub(super) connections_opened: AtomicU64,
    pub(super) open_connections: AtomicU64,
    /// Connections that have a seat, of APNs and of FCM, handshakes among them.
    pub(super) connections: [AtomicU64; 2],
    /// Dead tokens are dead since the gateways started, in milliseconds since the Unix epoch.
    pub(super) dead_since_unix_ms: u64,
    behaviour: watch::Sender<Arc<Behaviour>>,
    request_number: AtomicU64,
    round_trip_number: AtomicU64,
    retry_number: AtomicU64,
    id_number: AtomicU64,
    expire_jwt: AtomicBool,
    expire_bearer: AtomicBool,
}

impl Shared {
    pub(super) fn new(info: GatewayInfo, keys: PublicKeys, behaviour: Behaviour) -> Self {
        let provider_tokens =
            ProviderTokens::new(keys.apns, info.apns_key_id.clone(), info.apns_team_id.clone());
        let token_endpoint = TokenEndpoint::new(keys.fcm, keys.client_email, info.token_uri.clone());
        let shared = Self {
            info,
            journal: Store::new(),
            provider_tokens,
            token_endpoint,
            quota: Quota::default(),
            connections_opened: AtomicU64::new(0),
            open_connections: AtomicU64::new(0),
            dead_since_unix_ms: Moment::now().unix_ms,
            behaviour: watch::Sender::new(Arc::default()),
            request_number: AtomicU64::new(0),
            round_trip_number: AtomicU64::new(0),
            retry_number: AtomicU64::new(0),
            connections: Default::default(),
            id_number: AtomicU64::new(0),
            expire_jwt: AtomicBool::new(false),
            expire_bearer: AtomicBool::new(false),
        };
        shared.set_behaviour(behaviour);
        shared
    }

    /// Changes how the gateways behave, at once and on all connections.
    pub(super) fn set_behaviour(&self, behaviour: Behaviour) {
        self.expire_jwt.store(behaviour.expired_jwt_once, Relaxed);
        self.expire_bearer.store(behaviour.expired_bearer_once, Relaxed);
        self.behaviour.send_replace(Arc::new(behaviour));
    }

    pub(super) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&self.behaviour.borrow())
    }

    pub(super) fn watch_behaviour(&self) -> watch::Receiver<Arc<Behaviour>> {
        self.behaviour.subscribe()
    }

    /// The number of one more request, which decides what befalls it.
    pub(super) fn next_request(&self) -> u64 {
        self.request_number.fetch_add(1, Relaxed)
    }

    /// The number of one more answer whose round trip is drawn.
    pub(super) fn next_round_trip(&self) -> u64 {
        self.round_trip_number.fetch_add(1, Relaxed)
    }

    /// The number of one more answer that may say when to come again.
    pub(super) fn next_retry(&self) -> u64 {
        self.retry_number.fetch_add(1, Relaxed)
    }

    /// Forgets devices, JWTs and the used quota, and counts time and requests from now: the same requests meet the same faults
    /// again. Behaviour and access tokens stay.
    pub(super) fn reset(&self) {
        self.journal.reset();
        self.provider_tokens.reset();
        self.quota.reset();
        for number in [&self.request_number, &self.round_trip_number, &self.retry_number] {
            number.store(0, Relaxed);
        }
    }

    /// A number for an id that is made up.
    pub(super) fn next_id(&self) -> u64 {
        self.id_number.fetch_add(1, Relaxed)
    }

    /// Whether the one request is this one that has to be told that its JWT expired.
    pub(super) fn take_expired_jwt(&self) -> bool {
        self.expire_jwt.load(Relaxed) && self.expire_jwt.swap(false, Relaxed)
    }

    /// The same for FCM's access token.
    pub(super) fn take_expired_bearer(&self) -> bool {
        self.expire_bearer.load(Relaxed) && self.expire_bearer.swap(false, Relaxed)
    }
}

#[cfg(test)]
impl Shared {
    /// State without keys: nothing that is signed is taken.
    pub(super) fn for_tests(mode: super::ServerKind, behaviour: Behaviour) -> Arc<Self> {
        let info = GatewayInfo {
            apns: String::new(),
            fcm: String::new(),
            admin: String::new(),
            ca_file: std::path::PathBuf::new(),
            server_name: String::new(),
            apns_key_file: std::path::PathBuf::new(),
            apns_key_id: String::new(),
            apns_team_id: String::new(),
            apns_topic: "com.example.owl".to_owned(),
            fcm_service_account_file: std::path::PathBuf::new(),
            fcm_project: "owl".to_owned(),
            mode,
            token_uri: String::new(),
        };
        Arc::new(Self::new(info, PublicKeys::default(), behaviour))
    }
}
