//! What a client needs to know of running gateways.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ServerKind;

/// Where the gateways listen, and which credentials they take. `owl gateways` prints it as one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayInfo {
    /// Address of the APNs stand-in: `127.0.0.1:port`, or the host that was given.
    pub apns: String,
    /// Address of the FCM stand-in, likewise.
    pub fcm: String,
    /// The admin listener, likewise: `http://127.0.0.1:port`.
    pub admin: String,
    /// PEM file of the only CA that signed the gateways' certificate.
    pub ca_file: PathBuf,
    /// Name in the gateways' certificate (TLS SNI): `localhost`, or the host that was given.
    pub server_name: String,
    /// PEM file (PKCS #8) of the ES256 key that signs provider tokens.
    pub apns_key_file: PathBuf,
    /// `kid` of the provider token.
    pub apns_key_id: String,
    /// `iss` of the provider token.
    pub apns_team_id: String,
    /// The one `apns-topic` that is known.
    pub apns_topic: String,
    /// Google service-account file; its `token_uri` is [`Self::token_uri`].
    ///
    /// `fcm_v1::auth::Authenticator::service_account_from_file(path)` takes it as it is, since its HTTP client speaks
    /// plain HTTP too. That client panics if the machine has no root certificates at all, though it needs none here.
    pub fcm_service_account_file: PathBuf,
    /// The one Firebase project that is known.
    pub fcm_project: String,
    /// What answers.
    #[serde(default)]
    pub mode: ServerKind,
    /// The OAuth2 token endpoint (plain HTTP, on the admin listener).
    pub token_uri: String,
}

impl GatewayInfo {
    /// One of these addresses by the name in the certificate, where clients that look at it have to go; nothing if the address
    /// has no port.
    #[must_use]
    pub fn endpoint(&self, address: &str) -> Option<String> {
        let (_, port) = address.rsplit_once(':')?;
        let (name, port) = (&self.server_name, port.parse::<u16>().ok()?);
        Some(if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") })
    }
}
