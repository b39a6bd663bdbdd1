//! The configuration of the `interim-worker` binary.

use aws::AwsConfig;
use common::limits::SHARD_VISIBILITY;
use interim_worker::InterimConfig;
use serde::{Deserialize, Serialize};
use service::{Findings, Settings, check};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use telemetry::TelemetryConfig;

/// Everything that an interim worker needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InterimSettings {
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub(crate) listen: SocketAddr,
    pub(crate) aws: AwsConfig,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) interim: Interim,
}

/// Section `[interim]`; what the keys mean is said at [`InterimConfig`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Interim {
    permits: usize,
    sends_in_flight: usize,
    loads_in_flight: usize,
    part_bytes: u64,
    snapshot_bytes_max: u64,
    receive_wait_ms: u64,
    drain_ms: u64,
}

impl Default for InterimSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            aws: AwsConfig::default(),
            telemetry: TelemetryConfig::default(),
            interim: Interim::default(),
        }
    }
}

impl Default for Interim {
    fn default() -> Self {
        let usual = InterimConfig::default();
        Self {
            permits: usual.permits,
            sends_in_flight: usual.sends_in_flight,
            loads_in_flight: usual.loads_in_flight,
            part_bytes: usual.part_bytes,
            snapshot_bytes_max: usual.snapshot_bytes_max,
            receive_wait_ms: check::ms(usual.receive_wait),
            drain_ms: check::ms(usual.drain),
        }
    }
}

impl Interim {
    pub(crate) fn config(&self) -> InterimConfig {
        InterimConfig {
            permits: self.permits,
            sends_in_flight: self.sends_in_flight,
            loads_in_flight: self.loads_in_flight,
            part_bytes: self.part_bytes,
            snapshot_bytes_max: self.snapshot_bytes_max,
            receive_wait: Duration::from_millis(self.receive_wait_ms),
            drain: Duration::from_millis(self.drain_ms),
        }
    }
}

/// More of anything at once is a slip of the pen.
const COUNT_MAX: usize = 1_000;

impl Settings for InterimSettings {
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
        let i = &self.interim;
        for (key, n) in [
            ("interim.permits", i.permits),
            ("interim.sends_in_flight", i.sends_in_flight),
            ("interim.loads_in_flight", i.loads_in_flight),
        ] {
            findings.check((1..=COUNT_MAX).contains(&n), key, || format!("is {n}: 1 to {COUNT_MAX}"));
        }
        let part = (1 << 16..=1 << 30).contains(&i.part_bytes);
        findings.check(part, "interim.part_bytes", || format!("is {}: 65536 to 1073741824", i.part_bytes));
        findings.check(i.snapshot_bytes_max >= i.part_bytes, "interim.snapshot_bytes_max", || {
            "is less than interim.part_bytes".to_owned()
        });
        check::receive_wait(findings, "interim.receive_wait_ms", i.receive_wait_ms);
        // After the drain time, what is still in hand gets one more visibility to be given back.
        check::drain(findings, "interim.drain_ms", i.drain_ms, SHARD_VISIBILITY);
        check::attempts(findings, &self.aws, "a shard envelope's visibility", SHARD_VISIBILITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::config::sample;

    const SAMPLE: &str = include_str!("../../../deploy/config/interim-worker.toml");
    const DOCS: &str = include_str!("../../../docs/config.md");

    #[test]
    fn the_sample_is_good_and_has_the_defaults() {
        let sample =
            sample::read::<InterimSettings>(SAMPLE, &[]).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(sample.interim.config(), InterimConfig::default());
        assert_eq!(sample.telemetry, TelemetryConfig::default());
    }

    #[test]
    fn no_key_is_missing_in_sample_and_documentation() {
        assert_eq!(sample::drift::<InterimSettings>(SAMPLE, DOCS), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let env = [
            ("OWL_INTERIM__DRAIN_MS", "11000"),
            ("OWL_INTERIM__RECEIVE_WAIT_MS", "20000"),
            ("OWL_INTERIM__SNAPSHOT_BYTES_MAX", "65536"),
            ("OWL_INTERIM__PERMITS", "0"),
            ("OWL_AWS__ATTEMPT_TIMEOUT_MS", "6000"),
        ];
        let faults = sample::read::<InterimSettings>(SAMPLE, &env).expect_err("it should be refused");
        let mut keys: Vec<_> = faults.iter().map(|f| f.key.as_str()).collect();
        keys.sort_unstable();
        let expected = [
            "aws.attempt_timeout_ms",
            "interim.drain_ms",
            "interim.permits",
            "interim.receive_wait_ms",
            "interim.snapshot_bytes_max",
        ];
        assert_eq!(keys, expected, "{faults:#?}");
    }
}
