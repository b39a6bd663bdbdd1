//! One module for each group of commands. Each prints for people, or JSON with `--json`.

pub(crate) mod access;
pub(crate) mod campaign;
pub(crate) mod create;
pub(crate) mod devices;
pub(crate) mod fleet;
pub(crate) mod print;
pub(crate) mod testers;
mod watch;
pub(crate) mod webhook;

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::{credentials, demo, output, rehearse, up};

/// Runs a command. False is "done, and the answer is no".
pub(crate) fn run(cli: Cli) -> anyhow::Result<bool> {
    let server = cli.server();
    match cli.command {
        Command::Demo(args) => demo::run(&args, cli.json),
        Command::Rehearse(args) => rehearse::run(&args, &server, cli.json),
        Command::Up(args) => up::run(&args, cli.json),
        Command::Gateways(args) => loadtest::gateways::run_blocking(*args).map(|()| true).map_err(Into::into),
        Command::Crowd => loadtest::crowd::run_blocking().map(|()| true).map_err(Into::into),
        Command::Login(args) => access::login(&args, &cli.server, cli.json),
        Command::Logout => access::logout(&cli.server, cli.json),
        command => {
            let token = credentials::find(cli.token_file.as_deref(), &cli.server)?;
            ask(&Client::new(&cli.server, token), command, cli.json)
        }
    }
}

/// Runs a command that asks a server.
fn ask(client: &Client, command: Command, json: bool) -> anyhow::Result<bool> {
    match command {
        Command::Whoami => access::whoami(client, json),
        Command::Token(command) => access::token(client, &command, json),
        Command::Audit(args) => access::audit(client, &args, json),
        Command::Devices(command) => devices::run(client, command, json),
        Command::Testers(command) => testers::run(client, &command, json),
        Command::Campaign(command) => campaign::run(client, command, json),
        Command::Preflight(args) => campaign::preflight(client, &args, json),
        Command::Receipts { campaign, user } => receipts(client, &campaign, &user, json),
        Command::Fleet(command) => fleet::run(client, &command, json),
        Command::Webhook(command) => webhook::run(client, command, json),
        Command::Redrive(args) => fleet::redrive(client, &args, json),
        // The others were handled by whoever calls this.
        other => anyhow::bail!("`{other:?}` asks no server"),
    }
}

fn receipts(client: &Client, campaign: &str, user: &str, json: bool) -> anyhow::Result<bool> {
    let id = campaign::resolve(client, campaign)?;
    let user = crate::client::segment(user);
    let receipt: control::UserReceipt = client.get(&format!("/v1/campaigns/{id}/receipts/{user}"))?;
    if json {
        output::json(&receipt)?;
    } else {
        print::receipt(&receipt);
    }
    Ok(true)
}
