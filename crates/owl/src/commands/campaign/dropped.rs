//! Who is not in a snapshot: the bad lines that an upload answers with, and `owl campaign dropped`.

use super::args::DroppedArgs;
use super::resolve;
use crate::client::Client;
use crate::output::{count, outln};
use anyhow::Context;
use common::campaign::{Campaign, DropReason};
use serde::Deserialize;
use serde_json::Value;
use std::io::BufRead;

/// Bad lines that are named after an upload.
const BAD_LINES_SHOWN: usize = 10;
/// Lines that are listed for people who did not say how many.
const LISTED: u64 = 100;

/// Names the first lines of an upload that can't be used.
pub(super) fn print_bad_lines(facts: &Value) {
    let bad = facts["bad"].as_u64().unwrap_or(0);
    if bad == 0 {
        return;
    }
    let lines = facts["lines"].as_u64().unwrap_or(0);
    outln!("  {} of {} lines can't be used; the others are:", count(bad), count(lines));
    let named = facts["bad_lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = &named[..named.len().min(BAD_LINES_SHOWN)];
    for line in named {
        let text = |key: &str| plain(line[key].as_str().unwrap_or_default());
        outln!("    line {}: `{}`: {}", line["line"], text("text"), text("why"));
    }
    let more = bad.saturating_sub(named.len() as u64);
    if more > 0 {
        outln!("    and {} more: `owl campaign dropped NAME --reason bad_line` lists them", count(more));
    }
}

/// What a line of somebody's file says, without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// One line of the answer.
#[derive(Deserialize)]
struct Line {
    line: u64,
    user: String,
    reason: DropReason,
    #[serde(default)]
    detail: Option<String>,
}

pub(super) fn run(client: &Client, args: &DroppedArgs, json: bool) -> anyhow::Result<bool> {
    let id = resolve(client, &args.campaign)?;
    let mut query = Vec::new();
    query.extend(args.reason.map(|reason| format!("reason={}", reason.label())));
    query.extend(args.limit.or((!json).then_some(LISTED)).map(|limit| format!("limit={limit}")));
    let mut listed = 0;
    for line in client.lines(&format!("/v1/campaigns/{id}/dropped?{}", query.join("&")))?.lines() {
        let line = line.context("the list broke off")?;
        listed += 1;
        if json {
            outln!("{line}");
        } else {
            print_line(&line)?;
        }
    }
    if !json {
        print_sum(&client.get(&format!("/v1/campaigns/{id}"))?, args.reason, listed);
    }
    Ok(true)
}

fn print_line(line: &str) -> anyhow::Result<()> {
    let line: Line =
        serde_json::from_str(line).context("the answer is not what this version of owl expects")?;
    let words = match line.reason {
        DropReason::BadLine => "is no user id",
        DropReason::Duplicate => "stood on an earlier line too",
        DropReason::Unknown => "nobody with this id has a device",
        DropReason::OptedOut => "wants no notifications",
        DropReason::NoDevice => "has no device left",
    };
    let why = match line.detail.as_deref().map(plain) {
        // Says where, and with it what.
        Some(detail) if line.reason == DropReason::Duplicate => detail,
        Some(detail) => format!("{words} ({detail})"),
        None => words.to_owned(),
    };
    outln!("line {:>9}  {:10} {}: {why}", count(line.line), line.reason.label(), plain(&line.user));
    Ok(())
}

/// How many there are of each reason, and how many of them were not listed.
fn print_sum(campaign: &Campaign, wanted: Option<DropReason>, listed: u64) {
    let all = campaign.snapshot.as_ref().map(|snapshot| &snapshot.dropped).into_iter().flatten();
    let wanted: Vec<_> = all.filter(|(r, n)| **n > 0 && wanted.is_none_or(|w| w == **r)).collect();
    let total: u64 = wanted.iter().map(|(_, n)| **n).sum();
    if total == 0 {
        outln!("nobody was left out");
        return;
    }
    let each: Vec<_> = wanted.iter().map(|(r, n)| format!("{} {}", count(**n), r.label())).collect();
    outln!("left out: {} ({})", count(total), each.join(", "));
    if total > listed {
        outln!("{} of them are not listed here: --limit {total} lists all", count(total - listed));
    }
}
