//! The configuration of `owl up`: a TOML file, flags on top, every fault reported at once.

use anyhow::{Context, anyhow, bail};
use api::WebhookConfig;
use api::access::AccessConfig;
use common::access::Token;
use common::secret::Secret;
use loadtest::gateways::GatewayInfo;
use push_worker::PushConfig;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that one process with all roles needs to know.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where the API listens.
    pub(crate) listen: SocketAddr,
    /// Allow listening beyond loopback in the clear, with no balancer before it: whoever listens in has people's tokens.
    pub(crate) allow_public: bool,
    /// Names that may stand in a request's Host header, besides loopback's.
    pub(crate) allowed_hosts: Vec<String>,
    /// Tokens, balancers, certificates.
    pub(crate) access: AccessConfig,
    /// Where webhooks may go; when left out, to public addresses, and to this machine while the API listens only there.
    pub(crate) webhooks: Option<WebhookConfig>,
    /// How long the console's button is held for a press, in milliseconds.
    pub(crate) press_hold_ms: u64,
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// Survive power loss, not only `kill -9`: every acknowledged write is on the disk.
    pub(crate) fsync: bool,
    /// Lanes of the push worker: OS threads with connections of their own. All cores when left out.
    pub(crate) lanes: Option<usize>,
    /// Devices of the batches that a lane holds at once; 4,000 when left out.
    pub(crate) devices_in_flight: Option<usize>,
    /// How to reach APNs; without it, APNs devices can't be sent to.
    pub(crate) apns: Option<push_worker::apns::ApnsConfig>,
    /// How to reach FCM; without it, FCM devices can't be sent to.
    pub(crate) fcm: Option<push_worker::fcm::FcmConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_public: false,
            allowed_hosts: Vec::new(),
            access: AccessConfig::default(),
            webhooks: None,
            press_hold_ms: api::ApiConfig::default().press_hold_ms,
            data_dir: PathBuf::from("owl-data"),
            fsync: false,
            lanes: None,
            devices_in_flight: None,
            apns: None,
            fcm: None,
        }
    }
}

impl Config {
    /// Reads a file. Unknown keys are refused, with their place.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).map_err(|e| {
            let before = text.get(..e.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let (path, why) = (path.display(), unquoted(e.message()));
            anyhow!("{path} is not a configuration: line {line}: {why}")
        })
    }

    /// A token that needs no table, from the environment: it wins over the file's.
    pub(crate) fn use_admin_token(&mut self) {
        if let Some(text) = std::env::var("OWL_ADMIN_TOKEN").ok().filter(|text| !text.is_empty()) {
            self.access.admin_token = Some(Secret::new(text.trim().to_owned()));
        }
    }

    /// Gateways that cannot reach a phone: the ones that `owl gateways` describes in this file.
    pub(crate) fn use_stand_ins(&mut self, file: &Path) -> anyhow::Result<()> {
        if self.apns.is_some() || self.fcm.is_some() {
            bail!("both real gateways (in the configuration) and stand-ins were given: leave one out");
        }
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let info = serde_json::from_str(&text)
            .with_context(|| format!("{} does not describe gateways", file.display()))?;
        self.stand_ins(&info)
    }

    fn stand_ins(&mut self, info: &GatewayInfo) -> anyhow::Result<()> {
        let endpoint = |address: &str| {
            info.endpoint(address)
                .with_context(|| format!("`{address}` is no address of a gateway such as 127.0.0.1:8443"))
        };
        let apns = serde_json::json!({
            "kind": "rehearsal",
            "endpoint": endpoint(&info.apns)?,
            "ca_file": info.ca_file,
            "key_file": info.apns_key_file,
            "key_id": info.apns_key_id,
            "team_id": info.apns_team_id,
            "topic": info.apns_topic,
        });
        let fcm = serde_json::json!({
            "kind": "rehearsal",
            "endpoint": endpoint(&info.fcm)?,
            "ca_file": info.ca_file,
            "service_account_file": info.fcm_service_account_file,
            "project": info.fcm_project,
        });
        self.apns =
            Some(serde_json::from_value(apns).context("the stand-in APNs is described in another way")?);
        self.fcm = Some(serde_json::from_value(fcm).context("the stand-in FCM is described in another way")?);
        Ok(())
    }

    /// For the demo: stand-ins, a port picked by the system, and a token of its own that is never stored.
    pub(crate) fn for_stand_ins(info: &GatewayInfo, data_dir: &Path, token: &Token) -> anyhow::Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let access =
            AccessConfig { admin_token: Some(Secret::new(token.expose())), ..AccessConfig::default() };
        let mut config = Self { listen, access, data_dir: data_dir.to_owned(), ..Self::default() };
        config.stand_ins(info)?;
        Ok(config)
    }

    /// Holds and opens as much as it takes to send a million pushes a second to gateways that answer after so long.
    pub(crate) fn for_round_trip(mut self, round_trip: Duration) -> Self {
        let defaults = PushConfig::default();
        let lanes = self.lanes.unwrap_or(defaults.lanes).max(1);
        let devices =
            usize::try_from(round_trip.as_millis()).unwrap_or(usize::MAX).saturating_mul(1_000) / lanes;
        let devices =
            *self.devices_in_flight.get_or_insert(devices.clamp(defaults.devices_in_flight, IN_FLIGHT_MAX));
        // Each platform has about half of them; Apple allows 1,000 streams a connection, Google 100.
        let at_least = |connections: &mut u16, streams: usize| {
            *connections = (*connections)
                .max(u16::try_from(devices / 2 / streams).unwrap_or(u16::MAX).min(CONNECTIONS_MAX));
        };
        self.apns.iter_mut().for_each(|apns| at_least(&mut apns.connections, 1_000));
        self.fcm.iter_mut().for_each(|fcm| at_least(&mut fcm.connections, 100));
        self
    }
}

/// The parser's words, without the line that it would show: a token may stand there.
fn unquoted(why: &str) -> &str {
    if why.contains("owl_") { "what stands there is not shown: it may hold a token" } else { why }
}

/// Devices that a demo's lane holds at most: what a process that dies may leave in doubt.
const IN_FLIGHT_MAX: usize = 50_000;
/// Connections that a demo's lane opens at most to a gateway.
const CONNECTIONS_MAX: u16 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As `owl gateways` writes it.
    fn described(server_name: &str, address: &str) -> GatewayInfo {
        let info = json!({
            "apns": address, "fcm": address, "admin": format!("http://{address}"), "ca_file": "ca.pem",
            "server_name": server_name, "apns_key_file": "apns-key.p8", "apns_key_id": "OWLKEY0001",
            "apns_team_id": "OWLTEAM001", "apns_topic": "com.example.owl",
            "fcm_service_account_file": "fcm.json", "fcm_project": "owl", "token_uri": "http://localhost/token",
        });
        serde_json::from_value(info).unwrap()
    }

    /// What `owl up --stand-ins` makes of it: where APNs is, and FCM.
    fn endpoints(info: &GatewayInfo) -> anyhow::Result<[Option<String>; 2]> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("gateways.json");
        std::fs::write(&file, serde_json::to_vec(info)?)?;
        let mut config = Config::default();
        config.use_stand_ins(&file)?;
        Ok([config.apns.and_then(|apns| apns.endpoint), config.fcm.and_then(|fcm| fcm.endpoint)])
    }

    #[test]
    fn stand_ins_are_reached_by_the_name_in_their_certificate() {
        for (name, address, endpoint) in [
            ("localhost", "127.0.0.1:4711", "localhost:4711"),
            ("gateways.internal", "gateways.internal:8443", "gateways.internal:8443"),
            ("::1", "[::1]:8443", "[::1]:8443"),
        ] {
            let found = endpoints(&described(name, address)).unwrap();
            assert_eq!(found, [Some(endpoint.to_owned()), Some(endpoint.to_owned())]);
        }
        for wrong in ["gateways.internal", "gateways.internal:", "[::1]", "localhost:70000"] {
            let why = endpoints(&described("localhost", wrong)).unwrap_err().to_string();
            assert!(why.contains(&format!("`{wrong}` is no address of a gateway")), "{why}");
        }
    }
}
