//! How the gateways misbehave, and the arithmetic that makes it repeatable.
//!
//! Which token is dead or bad is a pure function of the token. Which request is refused, reset or never answered is a
//! pure function of the seed and of the request's number.

use serde::{Deserialize, Serialize};

use super::limits;

/// How the gateways answer; the default is polite and at once. Shares are between 0 and 1.
#[derive(clap::Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Seed of the per-request shares.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Milliseconds between a request's last byte and its answer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub round_trip_ms: u32,
    /// Share of all tokens that are dead: 410 Unregistered, 404 UNREGISTERED.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub dead_share: f64,
    /// Share of all tokens that are bad: 400 BadDeviceToken, 400 INVALID_ARGUMENT.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub bad_share: f64,
    /// Share of all tokens of another app or sender: 400 DeviceTokenNotForTopic, 403 SENDER_ID_MISMATCH.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub mismatched_share: f64,
    /// Share of requests answered 503.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub unavailable_share: f64,
    /// Share of requests answered 500.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub internal_error_share: f64,
    /// Share of requests answered 429.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub throttle_share: f64,
    /// Seconds in the `retry-after` header of 429 and 503; no header if not given.
    #[arg(long, value_name = "S")]
    pub retry_after_s: Option<u32>,
    /// Share of requests whose stream is reset (INTERNAL_ERROR) instead of answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub reset_share: f64,
    /// Share of requests that are never answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub stall_share: f64,
    /// Requests of a connection before a graceful GOAWAY; 0: never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub goaway_every: u64,
    /// Requests of a connection before it is cut without a word; 0: never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub close_every: u64,
    /// FCM messages a minute before 429 QUOTA_EXCEEDED; no quota if not given.
    #[arg(long, value_name = "N")]
    pub fcm_quota_per_minute: Option<u64>,
    /// Different JWTs within 20 minutes before 429 TooManyProviderTokenUpdates.
    #[arg(long, value_name = "N", default_value_t = limits::JWT_UPDATES)]
    pub apns_jwt_limit: u32,
    /// Streams at once on a new APNs connection until its first 200 (new connections only).
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub apns_streams_until_proven: u32,
    /// Seconds that a new OAuth2 access token lives.
    #[arg(long, value_name = "S", default_value_t = limits::ACCESS_TOKEN_LIFE_S)]
    pub access_token_life_s: u32,
    /// Answer one APNs request, once, with 403 ExpiredProviderToken.
    #[arg(long)]
    pub expired_jwt_once: bool,
    /// Answer one FCM request, once, with 401 UNAUTHENTICATED.
    #[arg(long)]
    pub expired_bearer_once: bool,
    /// Write each answer by itself, in a TLS record and a segment of its own, instead of all that are ready together (not
    /// by the witness).
    #[arg(long)]
    pub answer_singly: bool,
    /// Read and write nothing on connections that are open: a gateway that stopped listening.
    #[arg(long)]
    pub pause: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 0,
            round_trip_ms: 0,
            dead_share: 0.0,
            bad_share: 0.0,
            mismatched_share: 0.0,
            unavailable_share: 0.0,
            internal_error_share: 0.0,
            throttle_share: 0.0,
            retry_after_s: None,
            reset_share: 0.0,
            stall_share: 0.0,
            goaway_every: 0,
            close_every: 0,
            fcm_quota_per_minute: None,
            apns_jwt_limit: limits::JWT_UPDATES,
            apns_streams_until_proven: 1,
            access_token_life_s: limits::ACCESS_TOKEN_LIFE_S,
            expired_jwt_once: false,
            expired_bearer_once: false,
            answer_singly: false,
            pause: false,
        }
    }
}

/// What becomes of a token, whoever asks and however often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The device takes notifications.
    Alive,
    /// The app was removed from the device.
    Dead,
    /// The token was never one.
    Bad,
    /// The token belongs to another app or sender.
    Mismatched,
}

/// A fault that hits one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unavailable,
    InternalError,
    Throttle,
    Reset,
    Stall,
}

impl Behaviour {
    /// What becomes of the token with this hash (xxh3_64 of its ASCII bytes; APNs in lower case).
    #[must_use]
    pub fn fate(&self, token_hash: u64) -> Fate {
        let fates = [
            (self.dead_share, Fate::Dead),
            (self.bad_share, Fate::Bad),
            (self.mismatched_share, Fate::Mismatched),
        ];
        draw(mix(token_hash ^ FATE_SALT), &fates).unwrap_or(Fate::Alive)
    }

    /// The fault, if any, that hits the request with this number.
    pub(super) fn fault(&self, number: u64) -> Option<Fault> {
        let faults = [
            (self.unavailable_share, Fault::Unavailable),
            (self.internal_error_share, Fault::InternalError),
            (self.throttle_share, Fault::Throttle),
            (self.reset_share, Fault::Reset),
            (self.stall_share, Fault::Stall),
        ];
        draw(mix(mix(self.seed) ^ number), &faults)
    }

    /// All faults of these settings, or nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        let shares = [
            ("dead_share", self.dead_share),
            ("bad_share", self.bad_share),
            ("mismatched_share", self.mismatched_share),
            ("unavailable_share", self.unavailable_share),
            ("internal_error_share", self.internal_error_share),
            ("throttle_share", self.throttle_share),
            ("reset_share", self.reset_share),
            ("stall_share", self.stall_share),
        ];
        let mut faults: Vec<String> = shares
            .iter()
            .filter(|(_, share)| !(0.0..=1.0).contains(share))
            .map(|(name, share)| format!("{name} must lie between 0 and 1, not {share}"))
            .collect();
        for (what, group) in [("tokens", &shares[..3]), ("requests", &shares[3..])] {
            let sum: f64 = group.iter().map(|(_, share)| share).sum();
            if sum > 1.0 + SUM_TOLERANCE {
                faults.push(format!("the shares of {what} must not add up to more than 1, not {sum}"));
            }
        }
        if self.apns_streams_until_proven == 0 {
            faults.push("apns_streams_until_proven must be at least 1".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}

/// Keeps fates apart from other uses of the same token hash.
const FATE_SALT: u64 = 0x5eed_fa7e;
/// Ten shares of a tenth do not add up to exactly one.
const SUM_TOLERANCE: f64 = 1e-9;

/// Picks the entry into whose part of 0..1 the number falls.
fn draw<T: Copy>(bits: u64, parts: &[(f64, T)]) -> Option<T> {
    let mut point = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    for &(share, value) in parts {
        if point < share {
            return Some(value);
        }
        point -= share;
    }
    None
}

/// SplitMix64's finalizer: every bit of the result depends on every bit of `x`.
pub(super) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_in_the_shares_asked_for_and_stay() {
        let behaviour = Behaviour { dead_share: 0.1, bad_share: 0.05, ..Behaviour::default() };
        let fates: Vec<Fate> = (0..100_000).map(|i| behaviour.fate(mix(i))).collect();
        let count = |fate| fates.iter().filter(|&&f| f == fate).count() as f64 / fates.len() as f64;
        assert!((count(Fate::Dead) - 0.1).abs() < 0.01);
        assert!((count(Fate::Bad) - 0.05).abs() < 0.01);
        assert_eq!(count(Fate::Mismatched), 0.0);
        assert_eq!(behaviour.fate(42), Behaviour { seed: 7, ..behaviour.clone() }.fate(42));
    }

    #[test]
    fn a_share_of_one_hits_every_request_and_none_hits_no_request() {
        let all = Behaviour { reset_share: 1.0, ..Behaviour::default() };
        let none = Behaviour::default();
        assert!((0..1000).all(|n| all.fault(n) == Some(Fault::Reset) && none.fault(n).is_none()));
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        let wrong = Behaviour {
            dead_share: 1.5,
            stall_share: -0.1,
            apns_streams_until_proven: 0,
            ..Behaviour::default()
        };
        let message = wrong.check().expect_err("out of range");
        for name in ["dead_share", "stall_share", "apns_streams_until_proven", "tokens"] {
            assert!(message.contains(name), "{name} is missing in {message}");
        }
        assert_eq!(Behaviour::default().check(), Ok(()));
    }
}
