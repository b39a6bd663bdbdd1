//! What an operator says about access: the first token, who may stand in between, certificates.

use common::access::Token;
use common::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The `access` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// A token that is good without standing in the table: for the first administrator, and for when the table is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<Secret>,
    /// Arming takes a second person to confirm it.
    pub second_person: bool,
    /// Balancers whose word about a request's source and scheme is taken (`X-Forwarded-For`, `X-Forwarded-Proto`).
    pub trusted_proxies: Vec<IpNet>,
    /// How many balancers a request comes through: the client's address is this entry of `X-Forwarded-For`, from the right.
    pub proxies: u8,
    /// Certificate and key; without them it speaks plain HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self { admin_token: None, second_person: false, trusted_proxies: Vec::new(), proxies: 1, tls: None }
    }
}

/// PEM files, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate and what leads to its root, leaf first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl AccessConfig {
    /// The token of the configuration, if it is one.
    pub(crate) fn admin(&self) -> Option<Token> {
        self.admin_token.as_ref().and_then(|text| text.expose().parse().ok())
    }

    /// Everything that is wrong with it: the key, and why.
    pub(crate) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        if let Some(Err(why)) = self.admin_token.as_ref().map(|text| text.expose().parse::<Token>()) {
            faults.push(("access.admin_token".to_owned(), why.to_string()));
        }
        if self.proxies == 0 {
            let why = "is 0; where there is no balancer, leave access.trusted_proxies empty".to_owned();
            faults.push(("access.proxies".to_owned(), why));
        }
        faults
    }

    /// Whether what passes between a person and this process is hidden from others, as far as one can tell from here.
    pub(crate) fn is_covered(&self) -> bool {
        self.tls.is_some() || !self.trusted_proxies.is_empty()
    }
}
