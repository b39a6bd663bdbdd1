//! What people type.

use crate::commands::{access, campaign, devices, fleet, testers, webhook};
use crate::demo::DemoArgs;
use crate::rehearse::RehearseArgs;
use crate::up::UpArgs;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;

/// Where `owl up` is, unless somebody says otherwise.
pub(crate) const USUAL_SERVER: &str = "http://127.0.0.1:8080";

/// Superb Owl: one press, millions of phones, within seconds.
#[derive(Parser, Debug)]
#[command(name = "owl", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// Print the result as JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The API to talk to.
    #[arg(
        long,
        global = true,
        env = "OWL_SERVER",
        default_value = USUAL_SERVER,
        value_name = "URL"
    )]
    pub(crate) server: String,
    /// A file that holds your token [default: OWL_TOKEN, else what `owl login` stored].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Whether --server was typed, and not only set or left as it is.
    #[arg(skip)]
    pub(crate) server_typed: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server a command was told of.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    /// On the command line itself.
    pub(crate) typed: bool,
    pub(crate) token_file: Option<PathBuf>,
}

impl Cli {
    /// What was typed; ends the process where it is wrong, or asks for help.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let typed = matches.value_source("server") == Some(ValueSource::CommandLine);
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self { server_typed: typed, ..cli }
    }

    /// Which server.
    pub(crate) fn server(&self) -> Server {
        let (url, token_file) = (self.server.clone(), self.token_file.clone());
        Server { url, typed: self.server_typed, token_file }
    }
}

const EXAMPLES: &str = "Examples:
  owl demo                                     the whole way, against gateways that cannot reach a phone
  owl rehearse superbowl-4m                    the night itself, measured: pass or fail, and what limited it
  owl up --data-dir ./owl-data                 all roles in one process, API on http://127.0.0.1:8080
  owl login http://127.0.0.1:8080 CODE         the code that `owl up` printed: you are the first administrator
  owl token create --name Bea --role marketer  who may do what: docs/access.md
  owl devices import devices.csv               who has which devices
  owl campaign create --name finale --title 'Superb Owl' --body 'Do your lesson'
  owl campaign upload finale users.csv         who is to get it; waits until the snapshot is built
  owl campaign arm finale && owl campaign press finale
  owl receipts finale user42                   why did this user (not) get it?

A campaign is named by its id, the beginning of its id, or its name.
Exit status: 0 done, 1 failed, 2 usage.";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Go the whole way in one process against stand-in gateways, and prove that nobody was missed or doubled.
    Demo(Box<DemoArgs>),
    /// Rehearse a night: a full press with measurements and faults, a report, pass or fail.
    Rehearse(RehearseArgs),
    /// Run all roles in one process until stopped.
    Up(UpArgs),
    /// Sign in: with a token, a one-time code, or a sign-in link. The token is stored for this server.
    Login(access::LoginArgs),
    /// Forget the token for this server.
    Logout,
    /// Whose token is used, and what it may do.
    Whoami,
    /// Tokens: who has which role. For administrators.
    #[command(subcommand)]
    Token(access::TokenCommand),
    /// Who did what, when, from where; the newest first.
    Audit(access::AuditArgs),
    /// The device table: who has which devices.
    #[command(subcommand)]
    Devices(devices::DevicesCommand),
    /// Lists of testers: who gets a campaign's test sends.
    #[command(subcommand)]
    Testers(testers::TestersCommand),
    /// Campaigns: what is sent to whom.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Why did this user (not) get it?
    Receipts {
        /// Id, beginning of the id, or name.
        campaign: String,
        /// The user's id.
        user: String,
    },
    /// The list of checks that must be green before arming.
    Preflight(campaign::PreflightArgs),
    /// The workers.
    #[command(subcommand)]
    Fleet(fleet::FleetCommand),
    /// Put dead letters back on their queue, and remove those whose campaign is over.
    Redrive(fleet::RedriveArgs),
    /// Webhooks: who is told what happens to campaigns.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Run stand-in APNs and FCM gateways (they cannot reach a phone).
    Gateways(Box<loadtest::gateways::GatewayArgs>),
    /// People who press and watch; for `owl demo`'s own use.
    #[command(hide = true)]
    Crowd,
}
