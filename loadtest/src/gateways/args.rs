//! The flags of `owl gateways`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use serde::{Deserialize, Serialize};

use super::{Behaviour, GatewayError, profile};

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
    /// A profile, over which flags win. It stands first: it has to see which flags were typed before others take them.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where to write the CA, keys and gateways.json; a fresh directory, removed at the end, if not given. What an earlier run
    /// left there is taken again: CA, keys, and ports that are free.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Name or address under which services on other machines reach the gateways, such as gateways.internal: it stands in
    /// gateways.json, in the certificate and in the service account. Needs --dir, where those find what they have to trust and to
    /// sign with. Unless told below, the gateways then listen on all addresses (of IPv6 if it is such an address), and their
    /// ports are fixed. Anyone who reaches the admin listener may change it all.
    #[arg(long, value_name = "NAME", value_parser = host_name, requires = "dir")]
    pub host: Option<String>,
    /// Address of the APNs stand-in [default: 127.0.0.1:0; with --host 0.0.0.0:8443].
    #[arg(long, value_name = "ADDR")]
    pub apns_listen: Option<SocketAddr>,
    /// Address of the FCM stand-in [default: 127.0.0.1:0; with --host 0.0.0.0:8444].
    #[arg(long, value_name = "ADDR")]
    pub fcm_listen: Option<SocketAddr>,
    /// Address of the journal, the behaviour switches and the OAuth2 token endpoint (plain HTTP) [default: 127.0.0.1:0; with
    /// --host 0.0.0.0:8445].
    #[arg(long, value_name = "ADDR")]
    pub admin_listen: Option<SocketAddr>,
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

/// Where gateways that have a host name listen unless told.
const HOST_PORTS: [u16; 3] = [8443, 8444, 8445];

impl GatewayArgs {
    /// Where to listen: APNs, FCM, admin.
    pub(super) fn addresses(&self) -> [SocketAddr; 3] {
        let default = |port| match &self.host {
            Some(host) if host.contains(':') => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            Some(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let given = [self.apns_listen, self.fcm_listen, self.admin_listen];
        std::array::from_fn(|i| given[i].unwrap_or_else(|| default(HOST_PORTS[i])))
    }

    /// How others say `address`.
    pub(super) fn authority(&self, address: SocketAddr) -> String {
        match &self.host {
            None => address.to_string(),
            Some(host) if host.contains(':') => format!("[{host}]:{}", address.port()),
            Some(host) => format!("{host}:{}", address.port()),
        }
    }

    /// All names beyond loopback's that the certificate has.
    pub(super) fn names(&self) -> Vec<String> {
        self.host.iter().chain(&self.certificate_names).cloned().collect()
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let good = text.parse::<IpAddr>().is_ok() || text.split('.').all(label);
    good.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        "it is a name or an address without scheme and port, such as gateways.internal".to_owned()
    })
}

const DEFAULT_TOPIC: &str = "com.example.superb-owl";
const DEFAULT_PROJECT: &str = "superb-owl-rehearsal";

/// Which profile to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileArgs {
    /// The name of a ready profile, or a file.
    pub profile: Option<String>,
    /// Print the whole profile, flags and all, and do nothing else.
    pub print_profile: bool,
    /// Flags that were typed.
    typed: BTreeSet<String>,
}

impl clap::Args for ProfileArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let ready = profile::READY.map(|ready| format!("{} ({})", ready.name, ready.about)).join(", ");
        let help = format!(
            "How the gateways behave: a TOML file, or one of {ready}; without it `polite`. Flags win over it"
        );
        command.arg(Arg::new("profile").long("profile").value_name("NAME|FILE").help(help)).arg(
            Arg::new("print_profile")
                .long("print-profile")
                .action(ArgAction::SetTrue)
                .help("Print the whole profile as TOML, every setting with its meaning, and end"),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for ProfileArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_typed = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        Ok(Self {
            profile: matches.get_one("profile").cloned(),
            print_profile: matches.get_flag("print_profile"),
            typed: matches.ids().filter(is_typed).map(ToString::to_string).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// All say how long answers take: a flag among them puts the profile's out of force.
const ROUND_TRIPS: [&str; 3] = ["round_trip_ms", "round_trip", "fcm_round_trip"];

impl GatewayArgs {
    /// How the gateways behave: the profile, and over it the flags that were typed.
    pub fn effective_behaviour(&self) -> Result<Behaviour, GatewayError> {
        let Some(name) = &self.profile.profile else { return Ok(self.behaviour.clone()) };
        let typed = &self.profile.typed;
        let mut profile = profile::fields(&profile::find(name)?);
        if typed.contains("round_trip_ms") || typed.contains("round_trip") {
            profile.retain(|(setting, _)| !ROUND_TRIPS.contains(&setting.as_str()));
        }
        let flags = profile::fields(&self.behaviour);
        let over = flags.into_iter().filter(|(setting, _)| typed.contains(setting));
        let both: serde_json::Map<String, serde_json::Value> = profile.into_iter().chain(over).collect();
        serde_json::from_value(both.into()).map_err(|error| GatewayError::Setting(error.to_string()))
    }
}

impl Default for GatewayArgs {
    fn default() -> Self {
        Self {
            profile: ProfileArgs::default(),
            dir: None,
            host: None,
            apns_listen: None,
            fcm_listen: None,
            admin_listen: None,
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

    use super::super::RoundTrip;
    use super::*;

    fn parsed(flags: &[&str]) -> GatewayArgs {
        let command = GatewayArgs::augment_args(clap::Command::new("gateways"));
        let matches = command.try_get_matches_from([&["gateways"], flags].concat()).expect("good flags");
        GatewayArgs::from_arg_matches(&matches).expect("flags match")
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for good in ["gateways.internal", "10.0.0.5", "::1", "LOCALHOST"] {
            assert_eq!(host_name(good), Ok(good.to_ascii_lowercase()));
        }
        for bad in ["", "gateways:8443", "https://gateways", "a..b", "-a", "a b", "gateways.internal/"] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        let named = parsed(&["--dir", "gw", "--host", "::1", "--fcm-listen", "127.0.0.1:9"]);
        assert_eq!(named.addresses().map(|a| a.to_string()), ["[::]:8443", "127.0.0.1:9", "[::]:8445"]);
        assert_eq!(named.authority(named.addresses()[0]), "[::1]:8443");
    }

    #[test]
    fn a_host_needs_a_directory_that_stays() {
        let command = GatewayArgs::augment_args(clap::Command::new("gateways"));
        let refused = command.try_get_matches_from(["gateways", "--host", "gateways.internal"]);
        let refused = refused.expect_err("a directory is missing");
        assert_eq!(refused.kind(), clap::error::ErrorKind::MissingRequiredArgument);
        assert!(refused.to_string().contains("--dir <DIR>"), "{refused}");
    }

    #[test]
    fn no_flags_mean_the_default() {
        assert_eq!(format!("{:?}", parsed(&[])), format!("{:?}", GatewayArgs::default()));
    }

    #[test]
    fn flags_win_over_the_profile() {
        let profile = profile::find("apple-google").expect("ready");
        let effective = |flags: &[&str]| {
            parsed(&[&["--profile", "apple-google"], flags].concat()).effective_behaviour().expect("good")
        };
        assert_eq!(effective(&[]), profile);
        assert_eq!(effective(&["--dead-share", "0"]), Behaviour { dead_share: 0.0, ..profile.clone() });
        // Even where a flag says what is the default anyway.
        let constant = effective(&["--round-trip-ms", "0", "--pause"]);
        assert_eq!(constant, Behaviour { round_trip: None, pause: true, ..profile.clone() });
        let other = effective(&["--round-trip", "constant:5"]);
        assert_eq!(other, Behaviour { round_trip: Some(RoundTrip::ConstantMs(5.0)), ..profile });
        assert_eq!(parsed(&["--seed", "5"]).effective_behaviour().expect("good").seed, 5);
    }

    #[test]
    fn the_help_lists_all_ready_profiles() {
        let help = GatewayArgs::augment_args(clap::Command::new("gateways")).render_help().to_string();
        for ready in profile::READY {
            assert!(help.contains(ready.name), "{help}");
        }
    }
}
