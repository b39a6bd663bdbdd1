//! What the API is told at start: where it listens, under which names, and its limits. Units stand in the names.

use crate::access::AccessConfig;
use crate::server::ApiError;
use common::limits::{JSON_BODY_BYTES_MAX, UPLOAD_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;
use webhooks::WebhookConfig;

/// Configuration of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Address to listen on. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Listen beyond loopback in the clear, with no balancer before it: whoever can listen in has people's tokens.
    pub allow_public: bool,
    /// Names in a `Host` header that are answered besides `localhost` and the address itself. `name` or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Tokens, balancers, certificates.
    pub access: AccessConfig,
    /// Where webhooks may go.
    pub webhooks: WebhookConfig,
    /// How long the console's button is held for a press, in milliseconds.
    pub press_hold_ms: u64,
    /// Limits.
    pub limits: ApiLimits,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allow_public: false,
            allowed_hosts: Vec::new(),
            access: AccessConfig::default(),
            webhooks: WebhookConfig::default(),
            press_hold_ms: PRESS_HOLD_MS_DEFAULT,
            limits: ApiLimits::default(),
        }
    }
}

/// How much the API takes on at once, and how long it waits for things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiLimits {
    /// Open connections; more wait in the system's backlog.
    pub connections_max: usize,
    /// People who watch live figures at once, each with a connection of their own; fewer than `connections_max`, so that
    /// they never keep a press out.
    pub live_watchers_max: usize,
    /// Presses worked on at once. More wait for their turn; a press is never shed.
    pub presses_max: usize,
    /// Aborts worked on at once. More wait for their turn, as presses do.
    pub aborts_max: usize,
    /// Armings that wait for the fleet at once; more are shed.
    pub arms_max: usize,
    /// Audience uploads and device imports at once; more are shed.
    pub uploads_max: usize,
    /// Requests at once that read much (reports, receipts, listings); more are shed.
    pub heavy_max: usize,
    /// All other requests at once; more are shed.
    pub requests_max: usize,
    /// Time for a request's head, and of silence between two requests of a connection, in milliseconds.
    pub head_timeout_ms: u64,
    /// Time for a JSON body to arrive, and then for the answer, in milliseconds each.
    pub request_timeout_ms: u64,
    /// Time for the answer to a request that reads much, in milliseconds.
    pub heavy_timeout_ms: u64,
    /// Longest silence within an upload, in milliseconds.
    pub upload_idle_timeout_ms: u64,
    /// Longest time that a client takes no byte of an answer, in milliseconds.
    pub write_timeout_ms: u64,
    /// Longest wait for the fleet that an arming may ask for, in milliseconds.
    pub arm_wait_max_ms: u64,
    /// Time for requests under way to end at shutdown, in milliseconds.
    pub drain_ms: u64,
    /// Largest JSON body, in bytes.
    pub json_body_bytes_max: usize,
    /// Largest upload as sent, in bytes.
    pub upload_bytes_max: u64,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            connections_max: 2_000,
            live_watchers_max: 1_000,
            presses_max: 64,
            aborts_max: 16,
            arms_max: 8,
            uploads_max: 4,
            heavy_max: 8,
            requests_max: 128,
            head_timeout_ms: 15_000,
            request_timeout_ms: 10_000,
            heavy_timeout_ms: 120_000,
            upload_idle_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            arm_wait_max_ms: 10 * 60_000,
            drain_ms: 10_000,
            json_body_bytes_max: JSON_BODY_BYTES_MAX,
            upload_bytes_max: UPLOAD_BYTES_MAX,
        }
    }
}

impl ApiLimits {
    pub(crate) fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn upload_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.upload_idle_timeout_ms)
    }

    /// Every name with its number, for the check that none is zero.
    fn numbers(&self) -> [(&'static str, u64); 16] {
        let count = |n: usize| n as u64;
        [
            ("connections_max", count(self.connections_max)),
            ("live_watchers_max", count(self.live_watchers_max)),
            ("presses_max", count(self.presses_max)),
            ("aborts_max", count(self.aborts_max)),
            ("arms_max", count(self.arms_max)),
            ("uploads_max", count(self.uploads_max)),
            ("heavy_max", count(self.heavy_max)),
            ("requests_max", count(self.requests_max)),
            ("head_timeout_ms", self.head_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("heavy_timeout_ms", self.heavy_timeout_ms),
            ("upload_idle_timeout_ms", self.upload_idle_timeout_ms),
            ("write_timeout_ms", self.write_timeout_ms),
            ("drain_ms", self.drain_ms),
            ("json_body_bytes_max", count(self.json_body_bytes_max)),
            ("upload_bytes_max", self.upload_bytes_max),
        ]
    }
}

/// Long enough for no cat, short enough for a marketer at the end of the match (ours).
const PRESS_HOLD_MS_DEFAULT: u64 = 400;
/// Shorter is a tap, longer a test of patience (ours).
const PRESS_HOLD_MS: RangeInclusive<u64> = 100..=5_000;
/// More permits than this would never be used, and a semaphore has its own bound.
const COUNT_MAX: u64 = 1 << 20;

impl ApiConfig {
    /// Everything that is wrong with it: the key, and why.
    #[must_use]
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = self.wrong();
        if !self.may_listen() {
            faults.push(("listen".to_owned(), ApiError::Public(self.listen).to_string()));
        }
        faults
    }

    /// Checks it; names every fault at once.
    ///
    /// # Errors
    /// What is wrong, for the person who started the service.
    pub fn check(&self) -> Result<(), ApiError> {
        let faults: Vec<_> = self.wrong().into_iter().map(|(key, why)| format!("{key}: {why}")).collect();
        if !faults.is_empty() {
            return Err(ApiError::Config(faults.join("; ")));
        }
        if self.may_listen() { Ok(()) } else { Err(ApiError::Public(self.listen)) }
    }

    fn may_listen(&self) -> bool {
        self.listen.ip().is_loopback() || self.allow_public || self.access.is_covered()
    }

    fn wrong(&self) -> Vec<(String, String)> {
        let mut faults = self.access.faults();
        for (name, n) in self.limits.numbers() {
            if n == 0 {
                faults.push((format!("limits.{name}"), "is 0; at least 1 is needed".to_owned()));
            }
            let is_count = !name.ends_with("_ms") && !name.contains("bytes");
            if is_count && n > COUNT_MAX {
                let why = format!("is {n}; at most {COUNT_MAX} are allowed");
                faults.push((format!("limits.{name}"), why));
            }
        }
        if self.limits.live_watchers_max >= self.limits.connections_max {
            let why = format!(
                "is {}: watchers would take all connections (limits.connections_max is {})",
                self.limits.live_watchers_max, self.limits.connections_max
            );
            faults.push(("limits.live_watchers_max".to_owned(), why));
        }
        if !PRESS_HOLD_MS.contains(&self.press_hold_ms) {
            let (min, max) = (PRESS_HOLD_MS.start(), PRESS_HOLD_MS.end());
            let why = format!("is {}, {min} to {max} are allowed", self.press_hold_ms);
            faults.push(("press_hold_ms".to_owned(), why));
        }
        for host in &self.allowed_hosts {
            if host.parse::<axum::http::uri::Authority>().is_err() || host.contains('@') {
                let why = format!("`{host}` is neither a name nor name:port");
                faults.push(("allowed_hosts".to_owned(), why));
            }
        }
        faults
    }
}
