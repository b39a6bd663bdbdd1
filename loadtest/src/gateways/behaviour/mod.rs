//! How the gateways misbehave, and the arithmetic that makes it repeatable.
//!
//! Which token is dead or bad is a pure function of the token. Which request is refused, reset or never answered is a
//! pure function of the seed and of the request's number.

mod burst;
mod check;
mod draw;
mod round_trip;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journal::Platform;
use super::limits;

pub use burst::{Burst, BurstKind};
pub use check::SettingFault;
use draw::draw;
pub(super) use draw::{mix, unit};
pub use round_trip::{Lognormal, RoundTrip, Uniform};

/// How the gateways answer; the default is polite and at once. Shares are between 0 and 1.
///
/// Each field is a flag, a setting of a profile and a field of `PUT /v1/behaviour`; its text is what `--help`, `--print-profile`
/// and docs/gateways.md say of it.
#[derive(clap::Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Seed of the per-request shares and of round trips.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Milliseconds between a request's last byte and its answer, always the same; excludes round_trip.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub round_trip_ms: u32,
    /// The same as a distribution: constant:30, uniform:10,50, lognormal:30,120 (median, 99th percentile) or
    /// quantiles:0=5,0.5=30,0.99=120,1=900; answers may overtake each other.
    #[arg(long, value_name = "KIND:MS")]
    pub round_trip: Option<RoundTrip>,
    /// A distribution for FCM alone.
    #[arg(long, value_name = "KIND:MS")]
    pub fcm_round_trip: Option<RoundTrip>,
    /// Write each answer by itself, in a TLS record and a segment of its own, instead of all that are ready together (not
    /// by the witness).
    #[arg(long)]
    pub answer_singly: bool,
    /// Share of all tokens that are dead: 410 Unregistered, 404 UNREGISTERED.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub dead_share: f64,
    /// Share of APNs' dead tokens whose 410 says ExpiredToken.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub expired_token_share: f64,
    /// Seconds before the gateways' start within which dead tokens died, each at a time of its own: the timestamp of a 410.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub dead_within_s: u32,
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
    /// Share of those answers that would have a `retry-after` header, FCM's quota included, and do have it.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub retry_after_share: f64,
    /// Share of requests whose stream is reset (INTERNAL_ERROR) instead of answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub reset_share: f64,
    /// Share of requests that are never answered.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub stall_share: f64,
    /// Share of good requests without an answer (their stream was reset, they were never answered, or their connection ended while
    /// they waited) that are accepted all the same.
    #[arg(long, value_name = "SHARE", default_value_t = limits::LOST_ANSWER_ACCEPTED_SHARE)]
    pub lost_answer_accepted_share: f64,
    /// Streams at once on a new APNs connection until its first 200 (new connections only).
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub apns_streams_until_proven: u32,
    /// Streams at once on an APNs connection after its first 200 (new connections only).
    #[arg(long, value_name = "N", default_value_t = limits::APNS_STREAMS)]
    pub apns_streams: u32,
    /// Streams at once on an APNs connection from a refused notification (4xx but 429) to its next 200; 0: as many as before
    /// (not by the witness).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub apns_streams_after_reject: u32,
    /// Requests a second that one APNs connection takes; those beyond wait their turn, so that its latency climbs; 0: any number
    /// (not by the witness).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub apns_requests_per_s: u32,
    /// Streams at once on an FCM connection (new connections only).
    #[arg(long, value_name = "N", default_value_t = limits::FCM_STREAMS)]
    pub fcm_streams: u32,
    /// Answer a stream beyond the limit with GOAWAY (ENHANCE_YOUR_CALM) for the connection instead of RST_STREAM for the stream
    /// (not by the witness).
    #[arg(long)]
    pub goaway_on_excess: bool,
    /// Requests of a connection before a graceful GOAWAY; 0: never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub goaway_every: u64,
    /// Seconds that a connection lives before a graceful GOAWAY; 0: for ever (not by the witness).
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub goaway_after_s: f64,
    /// What APNs' GOAWAY says as {"reason":"..."}, such as Shutdown; it says nothing if not given (not by the witness).
    #[arg(long, value_name = "REASON")]
    pub apns_goaway_reason: Option<String>,
    /// Requests of a connection before it is cut without a word; 0: never.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub close_every: u64,
    /// Requests of a connection before it is half open: nothing is read, written or closed any more; 0: never (not by the
    /// witness).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub half_open_every: u64,
    /// Seconds that a connection lives before it is half open; 0: for ever (not by the witness).
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub half_open_after_s: f64,
    /// Share of 4xx (without 410 and 429; BadDeviceToken counts twice) among about the last 100 answers of an APNs connection
    /// from which on it is slowed down; never if not given (not by the witness).
    #[arg(long, value_name = "SHARE")]
    pub apns_slowdown_share: Option<f64>,
    /// Milliseconds by which each answer of a connection that is slowed down comes later.
    #[arg(long, value_name = "MS", default_value_t = limits::SLOWDOWN_MS)]
    pub apns_slowdown_ms: u32,
    /// The same share, from which on the connection gets a GOAWAY; never if not given (not by the witness).
    #[arg(long, value_name = "SHARE")]
    pub apns_disconnect_share: Option<f64>,
    /// Milliseconds before a TLS handshake is answered.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub tls_handshake_ms: u32,
    /// Connections at once, for each of both gateways; 0: any number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub connections_max: u32,
    /// What becomes of connections beyond that.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Beyond::Silence)]
    pub connections_beyond: Beyond,
    /// FCM messages a minute before 429 QUOTA_EXCEEDED; no quota if not given.
    #[arg(long, value_name = "N")]
    pub fcm_quota_per_minute: Option<u64>,
    /// Different JWTs within 20 minutes before 429 TooManyProviderTokenUpdates.
    #[arg(long, value_name = "N", default_value_t = limits::JWT_UPDATES)]
    pub apns_jwt_limit: u32,
    /// Seconds after its `iat` from which on a JWT is answered 403 ExpiredProviderToken.
    #[arg(long, value_name = "S", default_value_t = limits::JWT_LIFE_S)]
    pub apns_jwt_life_s: u32,
    /// Answer one APNs request, once, with 403 ExpiredProviderToken.
    #[arg(long)]
    pub expired_jwt_once: bool,
    /// Seconds that a new OAuth2 access token lives; a request with an older one is answered 401.
    #[arg(long, value_name = "S", default_value_t = limits::ACCESS_TOKEN_LIFE_S)]
    pub access_token_life_s: u32,
    /// Answer one FCM request, once, with 401 UNAUTHENTICATED.
    #[arg(long)]
    pub expired_bearer_once: bool,
    /// Read and write nothing on connections that are open: a gateway that stopped listening.
    #[arg(long)]
    pub pause: bool,
    /// Faults that come for a while and go again; their time counts from the gateways' start or their journal's reset.
    #[arg(skip)]
    pub burst: Vec<Burst>,
}

/// What becomes of connections beyond the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// The kernel takes them, nobody answers: as with a server whose queue is full, or a firewall that drops.
    #[default]
    Silence,
    /// They are reset at once.
    Reset,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 0,
            round_trip_ms: 0,
            round_trip: None,
            fcm_round_trip: None,
            answer_singly: false,
            dead_share: 0.0,
            expired_token_share: 0.0,
            dead_within_s: 0,
            bad_share: 0.0,
            mismatched_share: 0.0,
            unavailable_share: 0.0,
            internal_error_share: 0.0,
            throttle_share: 0.0,
            retry_after_s: None,
            retry_after_share: 1.0,
            reset_share: 0.0,
            stall_share: 0.0,
            lost_answer_accepted_share: limits::LOST_ANSWER_ACCEPTED_SHARE,
            apns_streams_until_proven: 1,
            apns_streams: limits::APNS_STREAMS,
            apns_streams_after_reject: 0,
            apns_requests_per_s: 0,
            fcm_streams: limits::FCM_STREAMS,
            goaway_on_excess: false,
            goaway_every: 0,
            goaway_after_s: 0.0,
            apns_goaway_reason: None,
            close_every: 0,
            half_open_every: 0,
            half_open_after_s: 0.0,
            apns_slowdown_share: None,
            apns_slowdown_ms: limits::SLOWDOWN_MS,
            apns_disconnect_share: None,
            tls_handshake_ms: 0,
            connections_max: 0,
            connections_beyond: Beyond::Silence,
            fcm_quota_per_minute: None,
            apns_jwt_limit: limits::JWT_UPDATES,
            apns_jwt_life_s: limits::JWT_LIFE_S,
            expired_jwt_once: false,
            access_token_life_s: limits::ACCESS_TOKEN_LIFE_S,
            expired_bearer_once: false,
            pause: false,
            burst: Vec::new(),
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
    fn fault(&self, number: u64) -> Option<Fault> {
        let faults = [
            (self.unavailable_share, Fault::Unavailable),
            (self.internal_error_share, Fault::InternalError),
            (self.throttle_share, Fault::Throttle),
            (self.reset_share, Fault::Reset),
            (self.stall_share, Fault::Stall),
        ];
        draw(mix(mix(self.seed) ^ number), &faults)
    }

    /// The fault, if any, that hits the request with this number, so many milliseconds after the start.
    pub(super) fn fault_at(
        &self,
        number: u64,
        platform: Platform,
        since_ms: impl FnOnce() -> u32,
    ) -> Option<Fault> {
        if !self.burst.is_empty() {
            let bits = mix(self.seed ^ BURST_SALT) ^ number;
            if let Some(fault) = burst::hit(&self.burst, bits, platform, since_ms()) {
                return Some(fault);
            }
        }
        self.fault(number)
    }

    /// Whether the good request with this number is accepted although its answer gets lost.
    pub(super) fn accepts_unheard(&self, number: u64) -> bool {
        unit(mix(mix(self.seed ^ LOST_SALT) ^ number)) < self.lost_answer_accepted_share
    }

    /// How long the answer takes that `number` names; it is asked for a number only if that plays a part.
    pub(super) fn takes(&self, platform: Platform, number: impl FnOnce() -> u64) -> Duration {
        let own = self.fcm_round_trip.as_ref().filter(|_| platform == Platform::Fcm);
        match own.or(self.round_trip.as_ref()) {
            None => Duration::from_millis(u64::from(self.round_trip_ms)),
            Some(round_trip) => {
                let place = unit(mix(mix(self.seed ^ ROUND_TRIP_SALT) ^ number()));
                Duration::from_secs_f64(round_trip.at_ms(place) / 1000.0)
            }
        }
    }

    /// Whether something befalls connections at a certain age.
    pub(super) fn ages(&self) -> bool {
        self.goaway_after_s > 0.0 || self.half_open_after_s > 0.0
    }

    /// Whether connections may come to an end while they are used (after some requests or some time, for many refusals, because too
    /// much on them stays unanswered), so that senders open others.
    pub(crate) fn ends_connections(&self) -> bool {
        let after_requests = [self.goaway_every, self.close_every, self.half_open_every];
        let is_given_up = self.apns_disconnect_share.is_some() || self.stall_share > 0.0;
        self.ages() || is_given_up || after_requests.iter().any(|every| *every > 0)
    }

    /// Whether the setting of this name says how connections are opened, and nothing to those that are open.
    pub(crate) fn is_for_new_connections(setting: &str) -> bool {
        FOR_NEW_CONNECTIONS.contains(&setting)
    }

    /// Since how many milliseconds before the gateways' start a dead token is dead, and whether it expired.
    pub(super) fn death(&self, token_hash: u64) -> (u64, bool) {
        let before = match u64::from(self.dead_within_s) * 1000 {
            0 => 0,
            within => mix(token_hash ^ DEATH_SALT) % within,
        };
        let expired =
            self.expired_token_share > 0.0 && unit(mix(token_hash ^ EXPIRED_SALT)) < self.expired_token_share;
        (before, expired)
    }

    /// Seconds of `retry-after` of the answer that `number` names.
    pub(super) fn retry_after(
        &self,
        status: u16,
        quota_s: Option<u32>,
        number: impl FnOnce() -> u64,
    ) -> Option<u32> {
        let seconds = quota_s.or(self.retry_after_s.filter(|_| matches!(status, 429 | 503)))?;
        let told = self.retry_after_share >= 1.0
            || unit(mix(mix(self.seed ^ RETRY_SALT) ^ number())) < self.retry_after_share;
        told.then_some(seconds)
    }
}

/// Looked at when a connection is opened, and never again.
const FOR_NEW_CONNECTIONS: [&str; 6] = [
    "apns_streams_until_proven",
    "apns_streams",
    "fcm_streams",
    "tls_handshake_ms",
    "connections_max",
    "connections_beyond",
];

/// Each keeps its use of a number apart from the others.
const FATE_SALT: u64 = 0x5eed_fa7e;
const BURST_SALT: u64 = 0x5eed_b025;
const ROUND_TRIP_SALT: u64 = 0x5eed_2077;
const DEATH_SALT: u64 = 0x5eed_dead;
const EXPIRED_SALT: u64 = 0x5eed_0410;
const RETRY_SALT: u64 = 0x5eed_0429;
const LOST_SALT: u64 = 0x5eed_1057;

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
    fn a_lost_answer_is_an_acceptance_in_its_share() {
        let accepts = |share: f64, number: u64| {
            let lost = Behaviour { lost_answer_accepted_share: share, ..Behaviour::default() };
            lost.accepts_unheard(number)
        };
        let half = (0..10_000).filter(|&n| accepts(0.5, n)).count();
        assert!((4_800..5_200).contains(&half), "{half}");
        assert!((0..1_000).all(|n| accepts(1.0, n) && !accepts(0.0, n)));
        let other = Behaviour { seed: 1, ..Behaviour::default() };
        assert!((0..1_000).any(|n| other.accepts_unheard(n) != accepts(0.5, n)), "the seed plays a part");
    }

    #[test]
    fn what_is_for_new_connections_is_a_setting() {
        let settings = super::super::profile::settings();
        let known = |name: &&str| settings.iter().any(|setting| setting.name == **name);
        assert!(FOR_NEW_CONNECTIONS.iter().all(known));
        assert!(!Behaviour::is_for_new_connections("close_every"));
        assert!(!Behaviour::default().ends_connections());
        let ending = [
            Behaviour { goaway_after_s: 1.0, ..Behaviour::default() },
            Behaviour { close_every: 1, ..Behaviour::default() },
            Behaviour { half_open_every: 1, ..Behaviour::default() },
        ];
        assert!(ending.iter().all(Behaviour::ends_connections));
    }

    #[test]
    fn numbers_pick_round_trips_and_only_a_distribution_asks_for_one() {
        let constant = Behaviour { round_trip_ms: 30, ..Behaviour::default() };
        let takes = |behaviour: &Behaviour, number: u64| behaviour.takes(Platform::Apns, || number);
        assert_eq!(constant.takes(Platform::Fcm, || unreachable!()), Duration::from_millis(30));
        let uniform = Behaviour { round_trip: "uniform:10,20".parse().ok(), ..Behaviour::default() };
        let range = Duration::from_millis(10)..Duration::from_millis(20);
        assert!((0..1000).all(|n| range.contains(&takes(&uniform, n))));
        assert_eq!(takes(&uniform, 7), takes(&uniform.clone(), 7));
        assert_ne!(takes(&uniform, 7), takes(&Behaviour { seed: 1, ..uniform.clone() }, 7));
        let own = Behaviour { fcm_round_trip: "constant:5".parse().ok(), ..uniform };
        assert_eq!(own.takes(Platform::Fcm, || 0), Duration::from_millis(5));
        assert!(takes(&own, 7) >= range.start);
    }

    #[test]
    fn a_share_of_answers_says_when_to_come_again() {
        let behaviour = Behaviour { retry_after_s: Some(7), retry_after_share: 0.25, ..Behaviour::default() };
        let told = (0..10_000).filter(|&n| behaviour.retry_after(429, None, || n) == Some(7)).count();
        assert!((2_300..2_700).contains(&told), "{told}");
        let always = Behaviour { retry_after_share: 1.0, ..behaviour };
        let told = [(429, None), (503, None), (500, None), (429, Some(45))];
        let told = told.map(|(status, quota)| always.retry_after(status, quota, || unreachable!()));
        assert_eq!(told, [Some(7), Some(7), None, Some(45)]);
    }
}
