//! `owl testers`: named lists of devices; and `owl campaign test`: a test send to one, or a dry run.

use super::campaign::resolve;
use crate::client::{Client, Kind};
use crate::output;
use crate::output::outln;
use anyhow::{Context, bail};
use api::views::{Nothing, TestersList};
use clap::{Args, Subcommand};
use common::limits::{TEST_DONE_WITHIN, TEST_TAKEN_WITHIN};
use control::{DeviceReport, TestReport, TestersView};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a test is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The server's own time limits end first; this is for one that does not answer sense.
const PATIENCE: Duration =
    TEST_TAKEN_WITHIN.saturating_add(TEST_DONE_WITHIN).saturating_add(Duration::from_secs(15));

#[derive(Subcommand, Debug)]
pub(crate) enum TestersCommand {
    /// Make a list, or replace one: one JSON object a line with person, platform (apns or fcm), token, and where wanted
    /// locale, app, environment (production or sandbox), target_kind (token or fid). At most 100 devices.
    Put {
        /// The list's name: letters, digits, `-` and `_`.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// Every list.
    List,
    /// One list, with its tokens hashed.
    Show {
        /// The list's name.
        name: String,
    },
    /// Remove a list.
    Remove {
        /// The list's name.
        name: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl campaign test evening --list marketing              the real notification, on these phones only
  owl campaign test evening --list marketing --dry-run    nothing reaches a phone: Google looks at each message, Apple can't
  owl campaign test evening --dry-run                     every text rendered and measured, no gateway asked
Nothing of it counts: the press later reaches these devices too, once.")]
pub(crate) struct TestArgs {
    /// Id, beginning of the id, or name.
    campaign: String,
    /// To this list of testers.
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    list: Option<String>,
    /// Nothing reaches a phone.
    #[arg(long)]
    dry_run: bool,
}

fn path(name: &str) -> String {
    format!("/v1/testers/{}", crate::client::segment(name))
}

pub(crate) fn run(client: &Client, command: &TestersCommand, json: bool) -> anyhow::Result<bool> {
    match command {
        TestersCommand::Put { name, file } => put(client, name, file, json),
        TestersCommand::List => {
            let all: TestersList = client.get("/v1/testers")?;
            if json {
                output::json(&all)?;
            } else if all.lists.is_empty() {
                outln!("no list of testers yet; `owl testers put NAME FILE.jsonl` makes one");
            }
            for list in all.lists.iter().filter(|_| !json) {
                let changed = &list.changed;
                outln!(
                    "{}  {} devices  (by {} at {})",
                    list.name,
                    list.devices,
                    changed.by,
                    changed.at.rfc3339()
                );
            }
            Ok(true)
        }
        TestersCommand::Show { name } => show(&client.get(&path(name))?, json),
        TestersCommand::Remove { name } => {
            let gone: Nothing = client.delete(&path(name))?;
            if json {
                output::json(&gone)?;
            } else {
                outln!("`{name}` is removed");
            }
            Ok(true)
        }
    }
}

fn put(client: &Client, name: &str, file: &Path, json: bool) -> anyhow::Result<bool> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let kind = Kind { content_type: "application/x-ndjson", encoding: None };
    show(&client.put_stream(&path(name), kind, bytes.as_slice())?, json)
}

fn show(list: &TestersView, json: bool) -> anyhow::Result<bool> {
    if json {
        output::json(list)?;
        return Ok(true);
    }
    outln!(
        "{}: {} devices (by {} at {})",
        list.name,
        list.devices.len(),
        list.changed.by,
        list.changed.at.rfc3339()
    );
    for d in &list.devices {
        let locale = if d.locale.is_empty() { "no locale" } else { &d.locale };
        outln!("  {:24} {:4} #{} {locale}", d.person, d.platform.label(), d.token_hash);
    }
    Ok(true)
}

/// False where not every device is as it should be.
pub(crate) fn test(client: &Client, args: &TestArgs, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, &args.campaign)?;
    let body = json!({ "list": args.list, "dry_run": args.dry_run });
    let begun: TestReport = client.post(&format!("/v1/campaigns/{id}/test"), &body)?;
    let report = over(client, begun)?;
    if json {
        output::json(&report)?;
    } else {
        print(&report);
    }
    Ok(report.good == report.devices.len() && report.rendered.iter().all(|r| r.fits))
}

/// Waits until nothing more will be known.
fn over(client: &Client, mut report: TestReport) -> anyhow::Result<TestReport> {
    let bar = output::progress("testing", None);
    let end = Instant::now() + PATIENCE;
    while let (false, Some(test)) = (report.is_over(), report.test) {
        if Instant::now() > end {
            bail!(
                "the test has no end: {}; ask for it again at /v1/campaigns/{}/test/{test}",
                report.sentence,
                report.campaign
            );
        }
        std::thread::sleep(LOOK);
        let path = format!("/v1/campaigns/{}/test/{test}", report.campaign);
        match client.get(&path) {
            Ok(news) => report = news,
            // It goes on whether it is seen or not: whoever asked again would reach people twice.
            Err(_) if Instant::now() < end => {}
            Err(error) => {
                return Err(error.context(format!("the test may have gone out; ask again at {path}")));
            }
        }
    }
    bar.finish_and_clear();
    Ok(report)
}

fn print(report: &TestReport) {
    outln!("{}", report.sentence);
    if report.rehearsal {
        outln!("  the gateways are stand-ins: no phone was within reach");
    }
    report.devices.iter().for_each(device);
    for r in &report.rendered {
        let word = if r.fits { "fits" } else { "TOO LARGE" };
        outln!("  {:4} {:8} {} of {} bytes: {word}", r.platform.label(), r.locale, r.bytes, r.max_bytes);
    }
}

fn device(report: &DeviceReport) {
    let d = &report.device;
    let mark = if report.verdict.is_some_and(common::test_send::Verdict::is_good) { "ok " } else { "NO " };
    let ms = report.ms.map_or_else(String::new, |ms| format!(" in {ms} ms"));
    let said: Vec<String> = [
        report.status.map(|status| status.to_string()),
        report.reason.clone(),
        report.gateway_id.as_ref().map(|id| format!("id {id}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let said = if said.is_empty() { String::new() } else { format!(" [{}]", said.join(" ")) };
    outln!("  {mark}{:24} {:4} {:5} {}{ms}{said}", d.person, d.platform.label(), d.text, report.sentence);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(path("a/b"), "/v1/testers/a%2Fb");
        let value = json!({ "list": None::<String>, "dry_run": true });
        assert!(serde_json::from_value::<control::TestRequest>(value).is_ok());
    }
}
