//! The report as CSV, for a spreadsheet: one fact a row, in four columns, so that nothing is hidden in a wide line.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use common::limits::LATE_MS;
use control::{LateUser, Report};
use std::fmt::{Display, Write};

/// Rows of `section,gateway,name,value`.
struct Rows(String);

impl Rows {
    fn row(&mut self, section: &str, gateway: &str, name: &str, value: &(impl Display + ?Sized)) {
        let cells = [section, gateway, name, &value.to_string()].map(cell);
        // Writing to a string can't fail.
        let _ = write!(self.0, "{}\r\n", cells.join(","));
    }

    fn maybe(&mut self, section: &str, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.row(section, "", name, &value);
        }
    }
}

/// What a formula begins with, in some spreadsheet or other; full-width signs are taken for the usual ones.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Quoted where it must be. Text that a spreadsheet would take for a formula gets an apostrophe in front.
fn cell(text: &str) -> String {
    let begins = text.trim_start().starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n']);
    let formula = begins && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// The report as a file to keep.
pub(super) fn answer(report: &Report, late: &[LateUser]) -> Response {
    let name = format!("attachment; filename=\"report-{}.csv\"", report.campaign.id);
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, text(report, late)).into_response()
}

fn text(report: &Report, late: &[LateUser]) -> String {
    // Excel takes a file for another encoding unless it begins like this.
    let mut rows = Rows("\u{feff}section,gateway,name,value\r\n".to_owned());
    let (c, books) = (&report.campaign, &report.books);
    rows.row("campaign", "", "id", &c.id);
    rows.row("campaign", "", "name", &c.name);
    rows.row("campaign", "", "state", c.state.label());
    rows.row("campaign", "", "made_at", &report.at.rfc3339());
    rows.row("campaign", "", "is_final", &report.is_final);
    timeline(&mut rows, report);
    for (name, n) in [("uploaded", report.uploaded), ("in_snapshot", report.users)] {
        rows.row("users", "", name, &n);
    }
    for (reason, n) in &report.dropped {
        rows.row("users_left_out", "", reason, n);
    }
    let sums = [
        ("devices", books.devices),
        ("accepted", books.accepted),
        ("rejected", books.rejected),
        ("expired", books.expired),
        ("aborted", books.aborted),
        ("ambiguous", books.ambiguous),
        ("pending", books.pending),
        ("doubled_at_most", books.doubled_at_most),
        ("accepted_before_press", books.before_press),
        ("dead_tokens", books.dead_tokens()),
    ];
    for (name, n) in sums {
        rows.row("devices", "", name, &n);
    }
    rows.maybe("devices", "tokens_removed", c.tokens_removed);
    for (gateway, labels) in &books.by_outcome {
        for (label, n) in labels {
            rows.row("outcome", gateway, label, n);
        }
    }
    times(&mut rows, report);
    late_devices(&mut rows, late);
    who_did_what(&mut rows, report);
    rows.0
}

fn timeline(rows: &mut Rows, report: &Report) {
    let c = &report.campaign;
    let mut stamp = |name: &str, by: &str, at: common::time::UnixMs| {
        rows.row("timeline", "", name, &format!("{} {by}", at.rfc3339()));
    };
    stamp("created", &c.created.by, c.created.at);
    if let Some(upload) = &c.upload {
        stamp("uploaded", &upload.stamp.by, upload.stamp.at);
    }
    if let Some(armed) = &c.armed {
        stamp("armed", &armed.stamp.by, armed.stamp.at);
    }
    for run in &c.runs {
        let name = match run.kind {
            common::campaign::RunKind::Canary => "canary",
            common::campaign::RunKind::Press => "pressed",
            common::campaign::RunKind::Resume => "resumed",
        };
        stamp(name, &run.stamp.by, run.stamp.at);
    }
    for stop in &c.stops {
        stamp("abort", &stop.stamp.by, stop.stamp.at);
        if let Some(at) = stop.stopped_at {
            stamp("stopped", "", at);
        }
    }
    if let Some(at) = c.done_at {
        stamp("done", "", at);
    }
}

/// The latest, latest first. Without their users for whoever may not see these.
fn late_devices(rows: &mut Rows, late: &[LateUser]) {
    for one in late {
        // Not with slashes: a spreadsheet takes that for a date.
        let (shard, batch) = (one.batch.shard, one.batch.number);
        let (gateway, at) = (
            one.gateway.as_deref().unwrap_or_default(),
            format!("shard {shard} batch {batch} place {}", one.place),
        );
        rows.row(
            "late_device",
            gateway,
            &at,
            &format!("accepted {} ms after the press, {} ms late", one.ms, one.ms - LATE_MS),
        );
        if let Some(user) = &one.user {
            rows.row("late_device_user", gateway, &at, user);
        }
        rows.row("late_device_why", gateway, &at, &one.why);
    }
}

fn who_did_what(rows: &mut Rows, report: &Report) {
    for (check, reason) in report.campaign.armed.iter().flat_map(|armed| &armed.overrides) {
        rows.row("overridden", "", check, reason);
    }
    let trail = &report.trail;
    rows.maybe("who_did_what", "unreadable", trail.unreadable.as_ref());
    rows.maybe("who_did_what", "cut", trail.cut.as_ref());
    for entry in &trail.entries {
        let (at, by, from, result) = (entry.at.rfc3339(), &entry.by, &entry.from, &entry.result);
        rows.row("who_did_what", "", &entry.action, &format!("{at} {by} from {from}: {result}"));
    }
}

fn times(rows: &mut Rows, report: &Report) {
    let (books, times) = (&report.books, &report.books.times);
    for (name, ms) in [
        ("first_ms", times.first_ms),
        ("p50_ms", times.p50_ms),
        ("p95_ms", times.p95_ms),
        ("p99_ms", times.p99_ms),
        ("last_ms", times.last_ms),
    ] {
        rows.maybe("from_press", name, ms);
    }
    for (from, n) in &books.accepted_by_ms {
        rows.row("accepted_from_ms", "", &from.to_string(), n);
    }
    for (second, n) in &report.per_second {
        rows.row("outcomes_in_second", "", &second.to_string(), n);
    }
    let late = &books.late;
    for (name, n) in [
        ("devices", late.devices),
        ("waited_on_queue", late.waited_on_queue),
        ("tried_again", late.tried_again),
        ("slow_gateway", late.slow_gateway),
        ("left_late", late.left_late),
    ] {
        rows.row("late", "", name, &n);
    }
    for w in &report.workers {
        let at = format!("worker_{}", w.worker);
        rows.row("worker_devices", "", &at, &w.devices);
        rows.maybe("worker_p99_ms_about", &at, w.p99_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        let cells = ["plain", "a,b", "say \"hi\"", "=1+1", "-5", "@x", "two\nlines", "+a,b"].map(cell);
        let wanted =
            ["plain", "\"a,b\"", "\"say \"\"hi\"\"\"", "'=1+1", "-5", "'@x", "\"two\nlines\"", "\"'+a,b\""];
        assert_eq!(cells, wanted);
        assert_eq!(
            ["  =1", "\u{3000}@x", "＝1+1", " a=1"].map(cell),
            ["'  =1", "'\u{3000}@x", "'＝1+1", " a=1"]
        );
    }
}
