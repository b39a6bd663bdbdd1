//! A configuration with everything that one may hold, for tests and the fuzz target `config`.
#![expect(missing_docs, reason = "it is read by tests only")]

use super::{Findings, Settings};
use aws::AwsConfig;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use telemetry::TelemetryConfig;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Example {
    pub(super) listen: SocketAddr,
    pub(super) aws: AwsConfig,
    pub(super) telemetry: TelemetryConfig,
    pub(super) part: Part,
    pub(super) gateway: Option<Gateway>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Part {
    pub(super) permits: u16,
    pub(super) on: bool,
    pub(super) hosts: Vec<String>,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub(super) kind: Kind,
    pub(super) topic: String,
    #[serde(default, skip_serializing)]
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) connections: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Production,
    Sandbox,
}

impl Default for Example {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            aws: AwsConfig::default(),
            telemetry: TelemetryConfig::default(),
            part: Part::default(),
            gateway: None,
        }
    }
}

impl Settings for Example {
    const SECRETS: &'static [&'static str] = &["gateway.key"];

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
        findings.check(self.part.permits < 100, "part.permits", || "at most 99".to_owned());
        if let Some(gateway) = &self.gateway {
            findings.check(gateway.topic.contains('.'), "gateway.topic", || "no bundle id".to_owned());
        }
    }
}
