//! `owl campaign`: from creation to report.

mod args;
mod dropped;
mod report;

use super::create::{ContentArgs, OptionArgs};
use super::print;
use crate::client::{Client, Kind};
use crate::output;
use crate::output::outln;
use anyhow::{Context, bail};
pub(crate) use args::{ArmArgs, CampaignCommand, Id, PreflightArgs, PressArgs};
use common::campaign::{Campaign, State};
use common::fleet::Expected;
use control::{ArmRequest, Preflight, Receipt, Resumed, Status};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How often a command that waits looks again.
const LOOK: Duration = Duration::from_millis(250);

pub(crate) fn run(client: &Client, command: CampaignCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        CampaignCommand::Create { name, content, options } => create(client, &name, &content, &options, json),
        CampaignCommand::Edit { campaign, name, content, options } => {
            edit(client, &campaign, name, &content, &options, json)
        }
        CampaignCommand::Upload { campaign, file, no_wait } => {
            upload(client, &campaign, &file, !no_wait, json)
        }
        CampaignCommand::Arm(args) => arm(client, &args, json),
        CampaignCommand::Disarm(id) => act(client, &id, "disarm", json),
        CampaignCommand::Canary(id) => act(client, &id, "canary", json),
        CampaignCommand::Abort(id) => act(client, &id, "abort", json),
        CampaignCommand::Resume(id) => resume(client, &id, json),
        CampaignCommand::Press(args) => press(client, &args, json),
        CampaignCommand::Status { campaign, watch } => status(client, &campaign, watch, json),
        CampaignCommand::Dropped(args) => dropped::run(client, &args, json),
        CampaignCommand::Report(args) => report::run(client, &args, json),
        CampaignCommand::Clone { campaign, name } => {
            let body = name.map_or_else(|| json!({}), |name| json!({ "name": name }));
            show(client, &format!("/v1/campaigns/{}/clone", resolve(client, &campaign)?), &body, json)
        }
        CampaignCommand::Test(args) => super::testers::test(client, &args, json),
        CampaignCommand::List => list(client, json),
        CampaignCommand::Preview(id) => {
            raw(client, &format!("/v1/campaigns/{}/preview", resolve(client, &id.campaign)?), json)
        }
        CampaignCommand::Snapshot { campaign, shard, batch } => {
            let base = format!("/v1/campaigns/{}/snapshot", resolve(client, &campaign)?);
            raw(client, &shard.map_or(base.clone(), |s| format!("{base}/shards/{s}/batches/{batch}")), json)
        }
    }
}

/// Finds a campaign by its id, the beginning of its id, or its name.
pub(crate) fn resolve(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.parse::<common::ids::CampaignId>().is_ok() {
        return Ok(given.to_owned());
    }
    let all: Campaigns = client.get("/v1/campaigns?limit=1000")?;
    let fits = |c: &&Campaign| c.name == given || (given.len() >= 4 && c.id.to_string().starts_with(given));
    let found: Vec<_> = all.campaigns.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one.id.to_string()),
        [] => bail!("there is no campaign `{given}`; `owl campaign list` shows them"),
        several => {
            let ids: Vec<_> = several.iter().map(|c| c.id.to_string()).collect();
            bail!("`{given}` may mean {}; give an id", ids.join(" or "))
        }
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Campaigns {
    campaigns: Vec<Campaign>,
}

fn list(client: &Client, json: bool) -> anyhow::Result<bool> {
    let all: Campaigns = client.get("/v1/campaigns?limit=100")?;
    if json {
        output::json(&all)?;
    } else if all.campaigns.is_empty() {
        outln!("no campaign yet; `owl campaign create --help` shows how to make one");
    } else {
        all.campaigns.iter().for_each(print::campaign_line);
    }
    Ok(true)
}

fn show(client: &Client, path: &str, body: &Value, json: bool) -> anyhow::Result<bool> {
    let campaign: Campaign = client.post(path, body)?;
    print_campaign(&campaign, json)?;
    Ok(true)
}

fn print_campaign(campaign: &Campaign, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(campaign);
    }
    print::campaign(campaign);
    if let Some(next) = print::next_step(campaign) {
        outln!("  next: {next}");
    }
    Ok(())
}

fn raw(client: &Client, path: &str, json: bool) -> anyhow::Result<bool> {
    let value: Value = client.get(path)?;
    if json {
        output::json(&value)?;
    } else {
        outln!("{}", serde_json::to_string_pretty(&value)?);
    }
    Ok(true)
}

fn act(client: &Client, id: &Id, action: &str, json: bool) -> anyhow::Result<bool> {
    show(client, &format!("/v1/campaigns/{}/{action}", resolve(client, &id.campaign)?), &json!({}), json)
}

fn resume(client: &Client, id: &Id, json: bool) -> anyhow::Result<bool> {
    let path = format!("/v1/campaigns/{}/resume", resolve(client, &id.campaign)?);
    let resumed: Resumed = client.post(&path, &json!({}))?;
    if json {
        output::json(&resumed)?;
        return Ok(true);
    }
    print_campaign(&resumed.campaign, false)?;
    if let Some(warning) = &resumed.warning {
        outln!("  warning: {warning}");
    }
    Ok(true)
}

fn create(
    client: &Client,
    name: &str,
    content: &ContentArgs,
    options: &OptionArgs,
    json: bool,
) -> anyhow::Result<bool> {
    let Some(content) = content.read()? else {
        bail!("nothing to send: give --title and --body, or --content FILE, or --silent");
    };
    let options = options.onto(common::campaign::Options::default());
    let body = json!({ "name": name, "content": content, "options": options });
    print_campaign(&client.post_once("/v1/campaigns", &body)?, json)?;
    Ok(true)
}

fn edit(
    client: &Client,
    campaign: &str,
    name: Option<String>,
    content: &ContentArgs,
    options: &OptionArgs,
    json: bool,
) -> anyhow::Result<bool> {
    let path = format!("/v1/campaigns/{}", resolve(client, campaign)?);
    let mut body = serde_json::Map::new();
    if let Some(name) = name {
        body.insert("name".into(), json!(name));
    }
    let now: Campaign = client.get(&path)?;
    if let Some(content) = content.onto(&now.content)? {
        body.insert("content".into(), json!(content));
    }
    if options.any() {
        body.insert("options".into(), json!(options.onto(now.options)));
    }
    if body.is_empty() {
        bail!(
            "nothing to change: give --name, --title, --body, --content, --silent, --deadline or another option"
        );
    }
    let campaign: Campaign = client.patch(&path, &body)?;
    print_campaign(&campaign, json)?;
    Ok(true)
}

fn upload(client: &Client, campaign: &str, path: &Path, wait: bool, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, campaign)?;
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let size = file.metadata()?.len();
    let bar = output::progress("uploading", Some(size));
    let url = format!("/v1/campaigns/{id}/audience");
    let facts = client.put_stream::<Value>(&url, Kind::of(path), bar.wrap_read(file))?["facts"].take();
    bar.finish_and_clear();
    if !json {
        print::uploaded(path, size);
        dropped::print_bad_lines(&facts);
    }
    let campaign = if wait { built(client, &id)? } else { client.get(&format!("/v1/campaigns/{id}"))? };
    if json {
        let mut whole = serde_json::to_value(&campaign)?;
        whole["facts"] = facts;
        output::json(&whole)?;
    } else {
        print_campaign(&campaign, false)?;
    }
    let nobody = campaign.snapshot.as_ref().is_some_and(|s| s.users == 0);
    if nobody {
        bail!(
            "nobody is left in the snapshot: import devices for these users (`owl devices import`), then upload again"
        );
    }
    Ok(campaign.state != State::Failed)
}

/// Waits until the snapshot is built, or has failed.
pub(crate) fn built(client: &Client, id: &str) -> anyhow::Result<Campaign> {
    let bar = output::progress("building snapshot", None);
    loop {
        let campaign: Campaign = client.get(&format!("/v1/campaigns/{id}"))?;
        if campaign.state != State::Building {
            bar.finish_and_clear();
            return Ok(campaign);
        }
        if let Some(build) = &campaign.build {
            bar.set_message(build.stage.clone());
            bar.set_position(build.done);
        }
        std::thread::sleep(LOOK);
    }
}

fn arm(client: &Client, args: &ArmArgs, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, &args.campaign)?;
    let expect = Expected { interim: args.interim, push: args.push, percent: args.percent };
    let mut request = ArmRequest { expect, ..ArmRequest::default() };
    request.wait_ms = u64::try_from(args.wait.as_millis()).unwrap_or(u64::MAX);
    for text in &args.overrides {
        let (check, reason) =
            text.split_once('=').with_context(|| format!("`{text}` is not CHECK=REASON"))?;
        request.overrides.insert(check.to_owned(), reason.to_owned());
    }
    show(client, &format!("/v1/campaigns/{id}/arm"), &json!(request), json)
}

pub(crate) fn preflight(client: &Client, args: &PreflightArgs, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, &args.campaign)?;
    let mut query: Vec<String> = Vec::new();
    query.extend(args.interim.map(|n| format!("interim={n}")));
    query.extend(args.push.map(|n| format!("push={n}")));
    let checks: Preflight = client.get(&format!("/v1/campaigns/{id}/preflight?{}", query.join("&")))?;
    if json {
        output::json(&checks)?;
    } else {
        print::preflight(&checks);
    }
    Ok(checks.go)
}

fn press(client: &Client, args: &PressArgs, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, &args.campaign)?;
    let receipt: Receipt = client.post(&format!("/v1/campaigns/{id}/press"), &json!({}))?;
    if json && !args.wait {
        output::json(&receipt)?;
    } else if !json {
        outln!("{}", receipt.sentence);
    }
    if !args.wait {
        if !json {
            let checks: Preflight = client.get(&format!("/v1/campaigns/{id}/preflight"))?;
            checks.warnings().iter().for_each(|w| outln!("warning: {w}"));
        }
        return Ok(true);
    }
    watch(client, &id)?;
    report::show(client, &id, json)
}

fn status(client: &Client, campaign: &str, keep_on: bool, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, campaign)?;
    if keep_on {
        super::watch::follow(client, &id, json)?;
        if json {
            return Ok(true);
        }
    }
    let status: Status = client.get(&format!("/v1/campaigns/{id}/status"))?;
    if json {
        output::json(&status)?;
    } else {
        print::status(&status);
        for trouble in super::fleet::troubles(client)? {
            outln!("  TROUBLE: {trouble}");
        }
    }
    Ok(true)
}

/// Follows a campaign until nothing more happens by itself.
fn watch(client: &Client, id: &str) -> anyhow::Result<()> {
    let mut bar = None;
    loop {
        let status: Status = client.get(&format!("/v1/campaigns/{id}/status"))?;
        let bar = bar.get_or_insert_with(|| output::progress("settled so far", Some(status.devices)));
        bar.set_position(status.so_far.settled().min(status.devices));
        if matches!(status.campaign.state, State::Done | State::Stopped | State::Failed) {
            bar.finish_and_clear();
            return Ok(());
        }
        std::thread::sleep(LOOK * 4);
    }
}
