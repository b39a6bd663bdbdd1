//! The flags of `owl gateways`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Behaviour;

/// What answers requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// Validates each request and keeps a journal, on `wire`'s server.
    #[default]
    Validating,
    /// The same on the `h2` crate: an independent witness, and several times as slow.
    Witness,
    /// Answers 200 to everything, on `wire`'s server: looks at nothing, proves nothing, costs little.
    Sink,
}

/// How to start the stand-in gateways. The default listens on ports picked by the system, on loopback.
#[derive(clap::Args, Clone, Debug)]
pub struct GatewayArgs {
    /// Where to write the CA, keys and gateways.json; a fresh directory, removed at the end, if not given.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Address of the APNs stand-in.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub apns_listen: SocketAddr,
    /// Address of the FCM stand-in.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub fcm_listen: SocketAddr,
    /// Address of the journal, the behaviour switches and the OAuth2 token endpoint (plain HTTP).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub admin_listen: SocketAddr,
    /// Threads that serve connections; one more accepts them.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// What answers.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = ServerKind::Validating)]
    pub mode: ServerKind,
    /// The app's topic (bundle id) that APNs tokens belong to.
    #[arg(long, value_name = "TOPIC", default_value = DEFAULT_TOPIC)]
    pub apns_topic: String,
    /// The Firebase project that FCM tokens belong to.
    #[arg(long, value_name = "ID", default_value = DEFAULT_PROJECT)]
    pub fcm_project: String,
    /// A further name in the gateways' certificate, for clients whose host cannot be changed; may be repeated. Such a client
    /// has to be led here, and to trust the CA of this run.
    #[arg(long = "certificate-name", value_name = "NAME")]
    pub certificate_names: Vec<String>,
    /// End when standard input reaches its end, so that a killed parent leaves no orphan.
    #[arg(long)]
    pub exit_on_stdin_close: bool,
    /// How the gateways behave at first.
    #[command(flatten)]
    pub behaviour: Behaviour,
}

const DEFAULT_TOPIC: &str = "com.example.superb-owl";
const DEFAULT_PROJECT: &str = "superb-owl-rehearsal";

impl Default for GatewayArgs {
    fn default() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            dir: None,
            apns_listen: anywhere,
            fcm_listen: anywhere,
            admin_listen: anywhere,
            threads: 1,
            mode: ServerKind::default(),
            apns_topic: DEFAULT_TOPIC.to_owned(),
            fcm_project: DEFAULT_PROJECT.to_owned(),
            certificate_names: Vec::new(),
            exit_on_stdin_close: false,
            behaviour: Behaviour::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    #[test]
    fn no_flags_mean_the_default() {
        let command = GatewayArgs::augment_args(clap::Command::new("gateways"));
        let matches = command.try_get_matches_from(["gateways"]).expect("no flag is required");
        let args = GatewayArgs::from_arg_matches(&matches).expect("flags match");
        assert_eq!(format!("{args:?}"), format!("{:?}", GatewayArgs::default()));
    }
}
