//! What an operator may choose.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Settings of a service's telemetry: the section `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Which log lines are written, such as `info` or `info,push_worker=debug`.
    pub log: String,
    /// Metrics go to standard output in Embedded Metric Format this often, in seconds; 0: never.
    pub metrics_emf_every_s: u32,
    /// A collector that takes OTLP over HTTP without TLS, such as `http://127.0.0.1:4318`; empty: no traces.
    pub otlp_endpoint: String,
    /// Of a press that is traced, one batch in so many is followed to the gateways; 0: none.
    pub trace_batches_one_in: u32,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            metrics_emf_every_s: 10,
            otlp_endpoint: String::new(),
            trace_batches_one_in: 100,
        }
    }
}

/// CloudWatch drops what is more than two weeks apart, and alarms look at minutes.
const EMF_EVERY_MAX_S: u32 = 60;

impl TelemetryConfig {
    /// Everything that is wrong with it, in words for a person; empty when it is good.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(error) = EnvFilter::try_new(&self.log) {
            faults.push(format!("telemetry.log: `{}` is no filter: {error}", self.log));
        }
        if self.metrics_emf_every_s > EMF_EVERY_MAX_S {
            let n = self.metrics_emf_every_s;
            faults.push(format!(
                "telemetry.metrics_emf_every_s: is {n}, at most {EMF_EVERY_MAX_S} are allowed"
            ));
        }
        if let Err(why) = self.endpoint() {
            faults.push(format!("telemetry.otlp_endpoint: {why}"));
        }
        faults
    }

    /// Where spans are sent to, if anywhere. A collector stands beside the service: TLS and credentials towards a
    /// backend are its business.
    pub(super) fn endpoint(&self) -> Result<Option<String>, String> {
        let text = self.otlp_endpoint.trim_end_matches('/');
        if text.is_empty() {
            return Ok(None);
        }
        let uri: http::Uri = text.parse().map_err(|e| format!("`{text}` is no address: {e}"))?;
        let plain =
            uri.scheme_str() == Some("http") && uri.authority().is_some_and(|a| !a.as_str().contains('@'));
        if !plain || uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return Err(format!("`{text}` must be http://HOST:PORT of a collector, without a path"));
        }
        Ok(Some(format!("{text}/v1/traces")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_told_at_once() {
        let bad = TelemetryConfig {
            log: "push_worker=loud=x".to_owned(),
            metrics_emf_every_s: 61,
            otlp_endpoint: "https://collector:4318".to_owned(),
            trace_batches_one_in: 0,
        };
        let faults = bad.faults();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(TelemetryConfig::default().faults(), Vec::<String>::new());
    }

    #[test]
    fn an_endpoint_is_a_plain_address() {
        let endpoint =
            |text: &str| TelemetryConfig { otlp_endpoint: text.to_owned(), ..Default::default() }.endpoint();
        assert_eq!(endpoint(""), Ok(None));
        assert_eq!(endpoint("http://c:4318/"), Ok(Some("http://c:4318/v1/traces".to_owned())));
        for bad in
            ["c:4318", "http://", "http://user:word@c", "http://c/v1/traces", "http://c?key=1", "nonsense\n"]
        {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
