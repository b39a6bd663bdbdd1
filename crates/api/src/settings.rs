//! The configuration of the `api` binary.

use api::access::AccessConfig;
use api::{ApiConfig, ApiLimits, WebhookConfig};
use aws::AwsConfig;
use serde::{Deserialize, Serialize};
use service::{Findings, Settings, check};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use telemetry::TelemetryConfig;

/// Everything that the API service needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ApiSettings {
    /// Where the API listens, health and metrics included.
    pub(crate) listen: SocketAddr,
    pub(crate) aws: AwsConfig,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) access: AccessConfig,
    pub(crate) webhooks: WebhookConfig,
    pub(crate) api: Api,
}

/// Section `[api]`; what the keys mean is said at [`ApiConfig`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    allow_public: bool,
    allowed_hosts: Vec<String>,
    press_hold_ms: u64,
    limits: ApiLimits,
}

impl Default for Api {
    fn default() -> Self {
        let usual = ApiConfig::default();
        Self {
            allow_public: usual.allow_public,
            allowed_hosts: usual.allowed_hosts,
            press_hold_ms: usual.press_hold_ms,
            limits: usual.limits,
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            aws: AwsConfig::default(),
            telemetry: TelemetryConfig::default(),
            access: AccessConfig::default(),
            webhooks: WebhookConfig::default(),
            api: Api::default(),
        }
    }
}

impl ApiSettings {
    pub(crate) fn config(&self) -> ApiConfig {
        ApiConfig {
            listen: self.listen,
            allow_public: self.api.allow_public,
            allowed_hosts: self.api.allowed_hosts.clone(),
            access: self.access.clone(),
            webhooks: self.webhooks,
            press_hold_ms: self.api.press_hold_ms,
            limits: self.api.limits.clone(),
        }
    }
}

impl Settings for ApiSettings {
    const SECRETS: &'static [&'static str] = &["access.admin_token"];

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
        for (key, why) in self.config().faults() {
            let own = key == "listen" || key.starts_with("access.");
            let key = if own { key } else { format!("api.{key}") };
            findings.add(key, why);
        }
        let limits = &self.api.limits;
        check::drain(findings, "api.limits.drain_ms", limits.drain_ms, Duration::ZERO);
        // A press is one conditional write and a few calls to the queue: time for one whole call, repetitions included.
        findings.check(
            limits.request_timeout_ms >= self.aws.operation_timeout_ms,
            "api.limits.request_timeout_ms",
            || {
                let call = self.aws.operation_timeout_ms;
                format!("is {}: at least aws.operation_timeout_ms ({call})", limits.request_timeout_ms)
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::config::sample;

    const SAMPLE: &str = include_str!("../../../deploy/config/api.toml");
    const DOCS: &str = include_str!("../../../docs/config.md");

    #[test]
    fn the_sample_is_good_and_has_the_defaults() {
        let sample = sample::read::<ApiSettings>(SAMPLE, &[]).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(sample.api.limits, ApiLimits::default());
        assert_eq!(sample.telemetry, TelemetryConfig::default());
        assert_eq!(sample.access, AccessConfig::default());
        assert_eq!(sample.webhooks, WebhookConfig::default());
        let aws = AwsConfig { region: None, cluster: None, ..sample.aws };
        assert_eq!(aws, AwsConfig::default());
    }

    #[test]
    fn no_key_is_missing_in_sample_and_documentation() {
        assert_eq!(sample::drift::<ApiSettings>(SAMPLE, DOCS), Vec::<String>::new());
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let env = [
            ("OWL_API__LIMITS__DRAIN_MS", "21000"),
            ("OWL_API__LIMITS__REQUEST_TIMEOUT_MS", "9000"),
            ("OWL_API__ALLOW_PUBLIC", "false"),
            ("OWL_API__ALLOWED_HOSTS", "owl.example.com, a b"),
            ("OWL_API__LIMITS__ARMS_MAX", "0"),
            ("OWL_ACCESS__ADMIN_TOKEN", "owl_short"),
        ];
        let faults = sample::read::<ApiSettings>(SAMPLE, &env).expect_err("it should be refused");
        let mut keys: Vec<_> = faults.iter().map(|f| f.key.as_str()).collect();
        keys.sort_unstable();
        let expected = [
            "access.admin_token",
            "api.allowed_hosts",
            "api.limits.arms_max",
            "api.limits.drain_ms",
            "api.limits.request_timeout_ms",
            "listen",
        ];
        assert_eq!(keys, expected, "{faults:#?}");
        assert!(!format!("{faults:?}").contains("owl_short"), "a secret is quoted");
    }

    #[test]
    fn access_is_read_from_the_environment_and_its_secret_from_nowhere_else() {
        let token = "owl_0ad41000_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let env = [
            ("OWL_ACCESS__ADMIN_TOKEN", token),
            ("OWL_ACCESS__TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8"),
            ("OWL_ACCESS__SECOND_PERSON", "true"),
            ("OWL_API__ALLOW_PUBLIC", "false"),
        ];
        let settings =
            sample::read::<ApiSettings>(SAMPLE, &env).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(settings.access.trusted_proxies.len(), 2);
        assert!(settings.access.second_person);
        let shown = format!("{settings:?}{}", serde_json::to_string(&settings).unwrap());
        assert!(!shown.contains(token), "{shown}");
        let in_file = SAMPLE.replacen("[access]", &format!("[access]\nadmin_token = \"{token}\""), 1);
        let faults = sample::read::<ApiSettings>(&in_file, &[]);
        assert!(faults.is_err(), "a secret in a file");
    }
}
