//! `owl campaign report`: the whole report in words, as JSON or as CSV.

use super::args::ReportArgs;
use super::resolve;
use crate::client::Client;
use crate::commands::print;
use crate::output::{self, count, outln};
use anyhow::{Context, bail};
use common::campaign::RunKind;
use common::time::UnixMs;
use control::{LateUsers, Report};
use std::io::Write;
use std::path::Path;

/// Newest acts that are shown in words.
const ACTS_SHOWN: usize = 20;
/// Late users that are shown in words.
const LATE_SHOWN: usize = 10;
/// Workers that are shown in words.
const WORKERS_SHOWN: usize = 5;

pub(super) fn run(client: &Client, args: &ReportArgs, json: bool) -> anyhow::Result<bool> {
    if json && args.csv.is_some() {
        bail!("--json or --csv: one of the two");
    }
    let id = resolve(client, &args.campaign)?;
    match &args.csv {
        Some(file) => csv(client, &id, file),
        None => show(client, &id, json),
    }
}

fn csv(client: &Client, id: &str, file: &Path) -> anyhow::Result<bool> {
    let bytes = client.bytes(&format!("/v1/campaigns/{id}/report?format=csv"))?;
    if file == Path::new("-") {
        // A reader that has gone (`owl … | head`) is no error.
        let _ = std::io::stdout().lock().write_all(&bytes);
        return Ok(true);
    }
    std::fs::write(file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    outln!("{} ({})", file.display(), output::bytes(bytes.len() as u64));
    Ok(true)
}

/// Asks for the report and prints it. False when its books do not balance.
pub(super) fn show(client: &Client, id: &str, json: bool) -> anyhow::Result<bool> {
    let report: Report = client.get(&format!("/v1/campaigns/{id}/report"))?;
    if json {
        output::json(&report)?;
    } else {
        print::campaign(&report.campaign);
        print::report(&report);
        late(client, &report);
        timeline(&report);
        workers(&report);
        who_did_what(&report);
    }
    Ok(report.books.balance())
}

/// The latest by name, for those who may see users; the report itself has named their places.
fn late(client: &Client, report: &Report) {
    if report.books.late.devices == 0 {
        return;
    }
    match client.get::<LateUsers>(&format!("/v1/campaigns/{}/late", report.campaign.id)) {
        Ok(late) => {
            let named = late.latest.iter().filter_map(|one| Some((one, one.user.as_ref()?)));
            for (one, user) in named.take(LATE_SHOWN) {
                outln!("  {user}: {} ms, {} (batch {} place {})", one.ms, one.why, one.batch, one.place);
            }
        }
        Err(why) => outln!("  who they are is not shown: {why}"),
    }
}

fn timeline(report: &Report) {
    let c = &report.campaign;
    let mut steps: Vec<(UnixMs, String)> = vec![(c.created.at, format!("created by {}", c.created.by))];
    let mut add = |at, what: String| steps.push((at, what));
    if let Some(upload) = &c.upload {
        add(upload.stamp.at, format!("audience uploaded by {}", upload.stamp.by));
    }
    if let Some(snapshot) = &c.snapshot {
        add(snapshot.built_at, "snapshot built".to_owned());
    }
    if let Some(armed) = &c.armed {
        add(armed.stamp.at, format!("armed by {}", armed.stamp.by));
    }
    for run in &c.runs {
        let what = match run.kind {
            RunKind::Canary => "canary sent",
            RunKind::Press => "pressed",
            RunKind::Resume => "resumed",
        };
        add(run.stamp.at, format!("{what} by {}", run.stamp.by));
    }
    for stop in &c.stops {
        add(stop.stamp.at, format!("stop asked for by {}", stop.stamp.by));
        if let Some(at) = stop.stopped_at {
            add(at, "stopped".to_owned());
        }
    }
    if let Some(at) = c.done_at {
        add(at, "every device has its outcome".to_owned());
    }
    steps.sort_by_key(|(at, _)| *at);
    outln!("timeline");
    for (at, what) in steps {
        outln!("  {}  {:>12}  {what}", at.rfc3339(), from_press(c.pressed_at(), at));
    }
}

fn from_press(pressed: Option<UnixMs>, at: UnixMs) -> String {
    match pressed {
        Some(pressed) if at > pressed => format!("+ {} ms", output::count((at.0 - pressed.0).unsigned_abs())),
        _ => String::new(),
    }
}

fn workers(report: &Report) {
    if report.workers.is_empty() {
        return;
    }
    outln!("slowest workers (times from the press, about)");
    let ms = |t: Option<u64>| t.map_or_else(|| "-".to_owned(), |t| format!("{} ms", count(t)));
    for w in report.workers.iter().take(WORKERS_SHOWN) {
        let (half, most) = (ms(w.p50_ms), ms(w.p99_ms));
        outln!("  {}  {} devices; half within {half}, 99 % within {most}", w.worker, count(w.devices));
    }
}

fn who_did_what(report: &Report) {
    let (trail, id) = (&report.trail, report.campaign.id);
    outln!("who did what");
    if let Some(why) = &trail.unreadable {
        outln!("  UNKNOWN: {why}");
        return;
    }
    for e in trail.entries.iter().take(ACTS_SHOWN) {
        outln!("  {}  {} from {}: {}: {}", e.at.rfc3339(), e.by, e.from, e.action, e.result);
    }
    let more = trail.entries.len().saturating_sub(ACTS_SHOWN);
    if more > 0 {
        outln!("  and {more} before: `owl audit --campaign {id} --limit 1000`");
    }
    if let Some(cut) = &trail.cut {
        outln!("  known are {cut}");
    }
}
