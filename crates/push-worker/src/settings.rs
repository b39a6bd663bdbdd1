//! The configuration of the `push-worker` binary.

use aws::AwsConfig;
use common::limits::{CLAIM_LEASE, CLAIM_MARGIN};
use push_worker::PushConfig;
use push_worker::apns::ApnsConfig;
use push_worker::fcm::FcmConfig;
use push_worker::transport::Faults;
use serde::{Deserialize, Serialize};
use service::{Findings, Settings, check};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use telemetry::TelemetryConfig;

/// Everything that a push worker needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PushSettings {
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub(crate) listen: SocketAddr,
    pub(crate) aws: AwsConfig,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) push: Push,
    pub(crate) apns: Option<ApnsConfig>,
    pub(crate) fcm: Option<FcmConfig>,
}

/// Section `[push]`; what the keys mean is said at [`PushConfig`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Push {
    lanes: usize,
    devices_in_flight: usize,
    receivers: usize,
    receive_wait_ms: u64,
    patience_ms: u64,
    gather_ms: u64,
    drain_ms: u64,
    breaker_answers: u32,
    breaker_probe_every_ms: u64,
    fleet_trip_percent: u8,
    fleet_every_ms: u64,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            aws: AwsConfig::default(),
            telemetry: TelemetryConfig::default(),
            push: Push::default(),
            apns: None,
            fcm: None,
        }
    }
}

impl Default for Push {
    fn default() -> Self {
        let usual = PushConfig::default();
        Self {
            lanes: usual.lanes,
            devices_in_flight: usual.devices_in_flight,
            receivers: usual.receivers,
            receive_wait_ms: check::ms(usual.receive_wait),
            patience_ms: check::ms(usual.patience),
            gather_ms: check::ms(usual.gather),
            drain_ms: check::ms(usual.drain),
            breaker_answers: usual.breaker_answers,
            breaker_probe_every_ms: check::ms(usual.breaker_probe_every),
            fleet_trip_percent: usual.fleet_trip_percent,
            fleet_every_ms: check::ms(usual.fleet_every),
        }
    }
}

impl Push {
    pub(crate) fn config(&self) -> PushConfig {
        PushConfig {
            lanes: self.lanes,
            devices_in_flight: self.devices_in_flight,
            receivers: self.receivers,
            receive_wait: Duration::from_millis(self.receive_wait_ms),
            patience: Duration::from_millis(self.patience_ms),
            gather: Duration::from_millis(self.gather_ms),
            drain: Duration::from_millis(self.drain_ms),
            breaker_answers: self.breaker_answers,
            breaker_probe_every: Duration::from_millis(self.breaker_probe_every_ms),
            fleet_trip_percent: self.fleet_trip_percent,
            fleet_every: Duration::from_millis(self.fleet_every_ms),
        }
    }

    /// Every number with its key and what it may be.
    fn numbers(&self) -> [(&'static str, u64, std::ops::RangeInclusive<u64>); 9] {
        let n = |n: usize| n as u64;
        [
            ("push.lanes", n(self.lanes), 1..=256),
            // A batch of 100 users may have 2,000 devices, and one batch must always fit.
            ("push.devices_in_flight", n(self.devices_in_flight), 2_000..=1_000_000),
            ("push.receivers", n(self.receivers), 1..=64),
            // Google asks for at least 10 s; a rehearsal may have less patience.
            ("push.patience_ms", self.patience_ms, 1_000..=60_000),
            ("push.gather_ms", self.gather_ms, 0..=100),
            ("push.breaker_answers", self.breaker_answers.into(), 10..=1_000_000),
            ("push.breaker_probe_every_ms", self.breaker_probe_every_ms, 100..=60_000),
            ("push.fleet_trip_percent", self.fleet_trip_percent.into(), 1..=100),
            ("push.fleet_every_ms", self.fleet_every_ms, 500..=60_000),
        ]
    }
}

impl Settings for PushSettings {
    const SECRETS: &'static [&'static str] = &["apns.key", "fcm.service_account"];

    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn aws(&self) -> &AwsConfig {
        &self.aws
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn check(&self, findings: &mut Findings) {
        for (key, n, range) in self.push.numbers() {
            findings
                .check(range.contains(&n), key, || format!("is {n}: {} to {}", range.start(), range.end()));
        }
        check::receive_wait(findings, "push.receive_wait_ms", self.push.receive_wait_ms);
        check::drain(findings, "push.drain_ms", self.push.drain_ms, Duration::ZERO);
        // The lease is the right to send: a renewal that hangs is tried again before the margin begins.
        check::attempts(
            findings,
            &self.aws,
            "a batch's lease, margin taken off,",
            CLAIM_LEASE - CLAIM_MARGIN,
        );
        let faults = |faults: Faults| faults.0.into_iter().map(|fault| (fault.field, fault.why));
        let apns = self.apns.as_ref().and_then(|c| c.check().err()).into_iter().flat_map(faults);
        let fcm = self.fcm.as_ref().and_then(|c| c.check().err()).into_iter().flat_map(faults);
        apns.chain(fcm).for_each(|(key, why)| findings.add(key, why));
        let any = self.apns.is_some() || self.fcm.is_some();
        findings
            .check(any, "apns", || "neither [apns] nor [fcm] is there, so nothing could be sent".to_owned());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "helpers of tests may stop where something is not as they expect")]
mod tests {
    use super::*;
    use loadtest::gateways::{GatewayArgs, start};
    use service::config::sample;

    const SAMPLE: &str = include_str!("../../../deploy/config/push-worker.toml");
    const DOCS: &str = include_str!("../../../docs/config.md");

    /// A key and an account as the vendors give them, made for this test.
    async fn secrets() -> (String, String) {
        let gateways = start(GatewayArgs::default()).await.unwrap();
        let info = &gateways.info;
        let key = std::fs::read_to_string(&info.apns_key_file).unwrap();
        let account = std::fs::read_to_string(&info.fcm_service_account_file).unwrap();
        (key, account.replace(&info.token_uri, "https://oauth2.googleapis.com/token"))
    }

    #[tokio::test]
    async fn the_sample_is_good_with_the_secrets_and_shows_none() {
        let (key, account) = secrets().await;
        let env = [("OWL_APNS__KEY", key.as_str()), ("OWL_FCM__SERVICE_ACCOUNT", account.as_str())];
        let read = sample::read::<PushSettings>(SAMPLE, &env).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(read.push.config(), PushConfig::default());
        assert_eq!(read.telemetry, TelemetryConfig::default());
        let shown = serde_json::to_string(&read).unwrap();
        assert!(shown.contains("(hidden)") && !shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn without_secrets_both_are_asked_for() {
        let faults = sample::read::<PushSettings>(SAMPLE, &[]).unwrap_err();
        let keys: Vec<_> = faults.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["apns.key_file", "fcm.service_account_file"], "{faults:#?}");
    }

    #[test]
    fn no_key_is_missing_in_sample_and_documentation() {
        assert_eq!(sample::drift::<PushSettings>(SAMPLE, DOCS), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let env = [
            ("OWL_PUSH__DRAIN_MS", "21000"),
            ("OWL_PUSH__RECEIVE_WAIT_MS", "20000"),
            ("OWL_PUSH__FLEET_TRIP_PERCENT", "101"),
            ("OWL_PUSH__LANES", "0"),
            ("OWL_AWS__ATTEMPT_TIMEOUT_MS", "4000"),
            ("OWL_APNS__TOPIC", "nonsense"),
        ];
        let faults = sample::read::<PushSettings>(SAMPLE, &env).unwrap_err();
        let mut keys: Vec<_> = faults.iter().map(|f| f.key.as_str()).collect();
        keys.sort_unstable();
        let expected = [
            "apns.key_file",
            "apns.topic",
            "aws.attempt_timeout_ms",
            "fcm.service_account_file",
            "push.drain_ms",
            "push.fleet_trip_percent",
            "push.lanes",
            "push.receive_wait_ms",
        ];
        assert_eq!(keys, expected, "{faults:#?}");
    }
}
