//! What an operator may choose of AWS: section `[aws]` of the services' configuration.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Section `[aws]`. Credentials are not in it: they come from the SDK's default chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// The region; without it, what the SDK's default chain says.
    pub region: Option<String>,
    /// Only for stand-ins: all services are asked here, with credentials that are worth nothing anywhere else.
    pub endpoint: Option<String>,
    /// What the names of all queues and tables begin with.
    pub prefix: String,
    /// The one bucket.
    pub bucket: String,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout_ms: u64,
    /// Longest wait for the answer to one attempt. A long poll gets this on top of its wait.
    pub attempt_timeout_ms: u64,
    /// Longest wait for a call, repetitions and back-off included. A long poll gets its wait on top.
    pub operation_timeout_ms: u64,
    /// Attempts of one call, the first included.
    pub attempts_max: u32,
    /// The ECS cluster whose services are scaled (`<cluster>-interim-worker`, `<cluster>-push-worker`). Without it nothing
    /// is scaled from here.
    pub cluster: Option<String>,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            prefix: "owl".to_owned(),
            bucket: "owl-data".to_owned(),
            connect_timeout_ms: 1_000,
            attempt_timeout_ms: 3_000,
            operation_timeout_ms: 10_000,
            attempts_max: 4,
            cluster: None,
        }
    }
}

/// Longest name of an SQS queue, its `.fifo` included (AWS).
const QUEUE_NAME_MAX: usize = 80;
/// The longest of the endings: `-shards-dead.fifo`.
const ENDING_MAX: usize = 17;
/// Lengths of a bucket's name (AWS).
const BUCKET_NAME: std::ops::RangeInclusive<usize> = 3..=63;
/// A time-out beyond this is a slip of the pen.
const TIMEOUT_MS_MAX: u64 = 60_000;

impl AwsConfig {
    /// Every fault in it, each with what to do about it; empty when it is good.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut demand = |held: bool, fault: String| {
            if !held {
                faults.push(fault);
            }
        };
        let name = |text: &str, and: &[char]| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || and.contains(&c))
        };
        demand(
            name(&self.prefix, &['-', '_']) && self.prefix.len() + ENDING_MAX <= QUEUE_NAME_MAX,
            format!(
                "aws.prefix is {:?}: it must be 1 to {} letters, digits, - or _",
                self.prefix,
                QUEUE_NAME_MAX - ENDING_MAX
            ),
        );
        demand(
            name(&self.bucket, &['-', '.']) && BUCKET_NAME.contains(&self.bucket.len()),
            format!(
                "aws.bucket is {:?}: it must be the name of an S3 bucket, 3 to 63 characters",
                self.bucket
            ),
        );
        let url = |text: &String| text.starts_with("http://") || text.starts_with("https://");
        demand(
            self.endpoint.as_ref().is_none_or(url),
            "aws.endpoint must begin with http:// or https://; leave it out on AWS itself".to_owned(),
        );
        for (key, text) in [("region", &self.region), ("cluster", &self.cluster)] {
            demand(
                text.as_ref().is_none_or(|t| name(t, &['-', '_'])),
                format!("aws.{key} is {text:?}: it must be letters, digits, - or _; or leave it out"),
            );
        }
        self.check_times(&mut demand);
        faults
    }

    fn check_times(&self, demand: &mut impl FnMut(bool, String)) {
        for (key, ms) in [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("attempt_timeout_ms", self.attempt_timeout_ms),
            ("operation_timeout_ms", self.operation_timeout_ms),
        ] {
            let good = (1..=TIMEOUT_MS_MAX).contains(&ms);
            demand(good, format!("aws.{key} is {ms}: it must be 1 to {TIMEOUT_MS_MAX}"));
        }
        let ordered = self.connect_timeout_ms <= self.attempt_timeout_ms
            && self.attempt_timeout_ms <= self.operation_timeout_ms;
        demand(
            ordered,
            "aws: connect_timeout_ms <= attempt_timeout_ms <= operation_timeout_ms must hold".to_owned(),
        );
        let attempts = (1..=10).contains(&self.attempts_max);
        demand(attempts, format!("aws.attempts_max is {}: it must be 1 to 10", self.attempts_max));
    }

    /// Longest wait for a connection.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Longest wait for the answer to one attempt.
    #[must_use]
    pub fn attempt_timeout(&self) -> Duration {
        Duration::from_millis(self.attempt_timeout_ms)
    }

    /// Longest wait for a call.
    #[must_use]
    pub fn operation_timeout(&self) -> Duration {
        Duration::from_millis(self.operation_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(AwsConfig::default().check(), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let wrong = AwsConfig {
            region: Some("eu central".into()),
            endpoint: Some("localhost:4566".into()),
            prefix: "owl.shards".into(),
            bucket: "b".into(),
            connect_timeout_ms: 5_000,
            attempt_timeout_ms: 0,
            operation_timeout_ms: 100_000,
            attempts_max: 0,
            cluster: Some(String::new()),
        };
        let faults = wrong.check();
        for key in [
            "region",
            "endpoint",
            "prefix",
            "bucket",
            "cluster",
            "attempt_timeout_ms is",
            "operation_timeout_ms is",
            "connect_timeout_ms <=",
            "attempts_max",
        ] {
            assert!(faults.iter().any(|f| f.contains(key)), "nothing of {key} in {faults:?}");
        }
        assert_eq!(faults.len(), 9, "{faults:?}");
        let long = AwsConfig { prefix: "p".repeat(64), ..AwsConfig::default() };
        assert_eq!(long.check().len(), 1);
    }

    #[test]
    fn unknown_keys_are_refused_and_what_is_left_out_has_its_default() {
        let read = serde_json::from_str::<AwsConfig>(r#"{"prefix": "x", "attempts_max": 2}"#);
        assert_eq!(
            read.ok(),
            Some(AwsConfig { prefix: "x".into(), attempts_max: 2, ..AwsConfig::default() })
        );
        assert!(serde_json::from_str::<AwsConfig>(r#"{"prefx": "x"}"#).is_err());
    }
}
