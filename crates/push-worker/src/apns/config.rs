//! What an operator says about APNs, and what is left once it is checked.

use super::auth::ProviderTokens;
use crate::transport::fault::Finder;
use crate::transport::{Faults, Origin, limits};
use common::secret::Secret;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which APNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApnsKind {
    /// Apps from the store.
    Production,
    /// Development builds.
    Sandbox,
    /// A stand-in that can't reach a phone.
    Rehearsal,
}

/// The `apns` section. Which fields a kind takes is checked by [`ApnsConfig::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApnsConfig {
    /// Which APNs.
    pub kind: ApnsKind,
    /// `host:port` of the stand-in; for a rehearsal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// PEM file of the one CA that is trusted; for a rehearsal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The `.p8` file with the signing key; or else `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The text of such a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Its key id, ten letters and digits.
    pub key_id: String,
    /// The team's id, ten letters and digits.
    pub team_id: String,
    /// The app's bundle id.
    pub topic: String,
    /// Connections of each lane.
    #[serde(default = "connections")]
    pub connections: u16,
}

fn connections() -> u16 {
    4
}

/// A checked configuration, shared by all lanes of a process.
#[derive(Debug)]
pub struct ApnsSetup {
    pub(super) origin: Origin,
    pub(super) tokens: ProviderTokens,
    pub(super) topic: HeaderValue,
    pub(super) connections: u16,
}

impl ApnsConfig {
    /// Reads the files and checks everything.
    ///
    /// # Errors
    /// All faults together.
    pub fn check(&self) -> Result<ApnsSetup, Faults> {
        let mut finder = Finder::new("apns");
        let is_id = |id: &str| id.len() == 10 && id.bytes().all(|b| b.is_ascii_alphanumeric());
        finder.check(is_id(&self.key_id), "key_id", "a key id is ten letters and digits");
        finder.check(is_id(&self.team_id), "team_id", "a team id is ten letters and digits");
        let topic_like = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let topic = self.topic.contains('.') && self.topic.bytes().all(topic_like);
        finder.check(topic, "topic", "a topic is a bundle id, such as com.example.app");
        let range = (1..=limits::CONNECTIONS_MAX).contains(&self.connections);
        finder.check(range, "connections", "1 to 1000 are allowed");
        let origin = self.origin(&mut finder);
        let pem = finder.secret(["key_file", "key"], self.key_file.as_deref(), self.key.as_ref());
        let tokens = pem.and_then(|(field, pem)| {
            finder.take(field, ProviderTokens::new(&pem, &self.key_id, &self.team_id))
        });
        let topic = finder.take("topic", HeaderValue::from_str(&self.topic));
        let setup = origin.zip(tokens).zip(topic).map(|((origin, tokens), topic)| ApnsSetup {
            origin,
            tokens,
            topic,
            connections: self.connections,
        });
        finder.finish(setup)
    }

    fn origin(&self, finder: &mut Finder) -> Option<Origin> {
        let vendors = match self.kind {
            ApnsKind::Production => Origin::apns_production(),
            ApnsKind::Sandbox => Origin::apns_sandbox(),
            ApnsKind::Rehearsal => {
                return finder.rehearsal(self.endpoint.as_deref(), self.ca_file.as_deref());
            }
        };
        finder.nothing_but_fixed(self.endpoint.is_some(), self.ca_file.is_some());
        finder.take("kind", vendors)
    }
}
