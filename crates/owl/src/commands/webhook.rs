//! `owl webhook`: who is told what happens to campaigns.

use crate::client::Client;
use crate::output;
use crate::output::outln;
use api::views::{
    DeliveryList, DeliveryView, NewWebhook, WebhookList, WebhookMade, WebhookTested, WebhookView,
};
use clap::{Args, Subcommand};
use common::webhook::{Event, HookId};
use serde_json::json;

#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  owl webhook add https://example.com/hook                    every event; the secret is shown this once
  owl webhook add https://example.com/hook --events pressed,done --name 'ops chat'
  owl webhook test 0123456789abcdef                           sends a message now, and shows what came
  owl webhook log 0123456789abcdef                            what was sent, what is tried again, and when

How to receive and verify a message: docs/webhooks.md.")]
pub(crate) enum WebhookCommand {
    /// Tell this URL what happens to campaigns. The secret that messages are signed with is shown once.
    Add(AddArgs),
    /// Every webhook, without its secret.
    List,
    /// Remove a webhook. What was waiting for it is not sent.
    Remove {
        /// Its id, as `owl webhook list` shows it.
        id: HookId,
    },
    /// What a webhook was told, the newest first: attempts, the last answer, when it is tried again.
    Log {
        /// Its id, as `owl webhook list` shows it.
        id: HookId,
        /// How many messages, the newest.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Send a test message now, and show what came. Exit status 1 when it was not taken.
    Test {
        /// Its id, as `owl webhook list` shows it.
        id: HookId,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Where messages go: https://…
    url: String,
    /// armed, pressed, half, done, aborted; all when left out.
    #[arg(long, value_delimiter = ',', value_name = "EVENTS")]
    events: Vec<Event>,
    /// Its name, for people; scheme and host when left out.
    #[arg(long)]
    name: Option<String>,
}

/// Runs a command. False is "done, and the answer is no".
pub(crate) fn run(client: &Client, command: WebhookCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        WebhookCommand::Add(args) => add(client, args, json),
        WebhookCommand::List => list(client, json),
        WebhookCommand::Remove { id } => remove(client, id, json),
        WebhookCommand::Log { id, limit } => log(client, id, limit, json),
        WebhookCommand::Test { id } => test(client, id, json),
    }
}

fn add(client: &Client, args: AddArgs, json: bool) -> anyhow::Result<bool> {
    let events = Some(args.events).filter(|events| !events.is_empty());
    let new = NewWebhook { url: args.url, events, name: args.name };
    let made: WebhookMade = client.post("/v1/webhooks", &new)?;
    if json {
        output::json(&made)?;
        return Ok(true);
    }
    outln!("{}", made.secret);
    outln!("  signs what goes to `{}` (id {}); it is shown this once", made.webhook.name, made.webhook.id);
    outln!("  try it: owl webhook test {}", made.webhook.id);
    Ok(true)
}

fn list(client: &Client, json: bool) -> anyhow::Result<bool> {
    let all: WebhookList = client.get("/v1/webhooks")?;
    if json {
        output::json(&all)?;
    } else {
        all.webhooks.iter().for_each(line);
    }
    Ok(true)
}

fn line(hook: &WebhookView) {
    let events: Vec<_> =
        hook.events.iter().map(|event| event.label().trim_start_matches("campaign.")).collect();
    outln!("{}  {:24} {} ({}; made by {})", hook.id, hook.name, hook.url, events.join(", "), hook.created.by);
    if let Some(off) = &hook.disabled {
        outln!("  disabled at {}: {}", off.at.rfc3339(), off.why);
    }
}

fn remove(client: &Client, id: HookId, json: bool) -> anyhow::Result<bool> {
    let gone: WebhookView = client.delete(&format!("/v1/webhooks/{id}"))?;
    if json {
        output::json(&json!({ "removed": gone }))?;
    } else {
        outln!("`{}` ({id}) is removed", gone.name);
    }
    Ok(true)
}

fn log(client: &Client, id: HookId, limit: u16, json: bool) -> anyhow::Result<bool> {
    let log: DeliveryList = client.get(&format!("/v1/webhooks/{id}/deliveries?limit={limit}"))?;
    if json {
        output::json(&log)?;
    } else {
        log.deliveries.iter().for_each(delivery);
    }
    Ok(true)
}

fn delivery(row: &DeliveryView) {
    let stands = match (row.delivered_at, row.given_up_at, row.next_at) {
        (Some(at), ..) => format!("delivered at {}", at.rfc3339()),
        (_, Some(at), _) => format!("given up at {}", at.rfc3339()),
        (.., Some(at)) => format!("next try at {}", at.rfc3339()),
        _ => "waiting".to_owned(),
    };
    let attempts = if row.attempts == 1 { "attempt" } else { "attempts" };
    outln!(
        "{}  {:17} {} {attempts}, {stands}  {}",
        row.at.rfc3339(),
        row.event.label(),
        row.attempts,
        row.message
    );
    if let Some(why) = row.last.as_ref().and_then(|last| last.error.as_ref()) {
        outln!("  {why}");
    }
}

fn test(client: &Client, id: HookId, json: bool) -> anyhow::Result<bool> {
    let tested: WebhookTested = client.post(&format!("/v1/webhooks/{id}/test"), &json!({}))?;
    if json {
        output::json(&tested)?;
        return Ok(tested.delivered);
    }
    delivery(&tested.delivery);
    if let Some(answer) = tested.answer.as_ref().filter(|answer| !answer.is_empty()) {
        outln!("  it said: {answer}");
    }
    Ok(tested.delivered)
}
