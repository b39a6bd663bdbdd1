//! One module for each group of commands. Each prints for people, or JSON with `--json`.

pub(crate) mod campaign;
pub(crate) mod create;
pub(crate) mod devices;
pub(crate) mod fleet;
pub(crate) mod print;
mod watch;

use crate::args::{Cli, Command};
use crate::client::Client;
use crate::{demo, output, up};

/// Runs a command. False is "done, and the answer is no".
pub(crate) fn run(cli: Cli) -> anyhow::Result<bool> {
    let client = Client::new(&cli.server, &cli.user);
    match cli.command {
        Command::Demo(args) => demo::run(&args, cli.json),
        Command::Up(args) => up::run(&args, cli.json),
        Command::Devices(command) => devices::run(&client, command, cli.json),
        Command::Campaign(command) => campaign::run(&client, command, cli.json),
        Command::Preflight(args) => campaign::preflight(&client, &args, cli.json),
        Command::Receipts { campaign, user } => receipts(&client, &campaign, &user, cli.json),
        Command::Fleet(command) => fleet::run(&client, &command, cli.json),
        Command::Redrive(args) => fleet::redrive(&client, &args, cli.json),
        Command::Gateways(args) => loadtest::gateways::run_blocking(*args).map(|()| true).map_err(Into::into),
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
