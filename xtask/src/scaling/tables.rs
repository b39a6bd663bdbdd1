//! Tables in Markdown.

use super::measure::{Compared, Measured, Run};
use super::scenarios::CALIBRATION;
use crate::pairs::half_interval;
use scale::Figures;
use serde_json::Value;
use std::fmt::Write as _;

/// One figure of a run.
type Pick = fn(&Run) -> f64;

/// Measured beside predicted.
pub(super) fn compared(all: &[Compared], measured: &Measured) -> String {
    let mut text = format!("Machine: {}, {} cores.", measured.machine, measured.cores);
    let figures = measured.figures();
    let _ = write!(
        text,
        " CPU of a push: ours {:.2} us, the stand-ins' {:.2} us, on cores that are busy for {:.0} % ({}).\n\n",
        figures.push_cpu_us.value,
        figures.gateway_us_grouped.value,
        figures.one_machine_busy.value * 100.0,
        figures.push_cpu_us.source
    );
    text.push_str("| scenario | runs | half, ms: measured (95 %) | predicted | error | 99 %, ms: measured (95 %) | predicted | error | last, ms: measured (95 %) | predicted | error | cores busy | the model's limit |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for c in all {
        let p = &c.predicted.accepted;
        let is = if c.scenario.name == CALIBRATION { " (calibrated by it)" } else { "" };
        let _ = write!(text, "| {}{is}: {} | {} |", c.scenario.name, c.scenario.about(), c.runs.len());
        let picks: [(Pick, u64); 3] =
            [(|r| r.p50_ms, p.p50_ms), (|r| r.p99_ms, p.p99_ms), (|r| r.last_ms, p.last_ms)];
        for (pick, predicted) in picks {
            let values: Vec<f64> = c.runs.iter().map(pick).collect();
            let _ = write!(
                text,
                " {} | {predicted} | {} |",
                around(&values),
                error(predicted as f64, mean(&values))
            );
        }
        let busy = mean(&c.runs.iter().map(|r| r.busy).collect::<Vec<_>>()) * 100.0;
        let _ = writeln!(text, " {busy:.0} % | {} |", c.predicted.limit_name);
    }
    text
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn around(values: &[f64]) -> String {
    match half_interval(values) {
        Some(half) => format!("{:.0} ± {half:.0}", mean(values)),
        None => format!("{:.0}", mean(values)),
    }
}

fn error(predicted: f64, measured: f64) -> String {
    if measured > 0.0 { format!("{:+.0} %", (predicted / measured - 1.0) * 100.0) } else { "-".to_owned() }
}

/// Of one audience, one row for each fleet.
pub(super) fn fleets(predicted: &Value) -> String {
    let mut text = "| push workers | half, s | 99 %, s | last, s | APNs 99 %, s | expired | USD | limit | then | CPU busy | most in flight |\n|---|---|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for fleet in predicted["fleets"].as_array().into_iter().flatten() {
        let s = |part: &str, key: &str| seconds(&fleet[part][key]);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.2} | {} | {} | {:.0} % | {} |",
            fleet["push_workers"],
            s("accepted", "p50_ms"),
            s("accepted", "p99_ms"),
            s("accepted", "last_ms"),
            s("apns", "p99_ms"),
            fleet["expired"],
            number(&fleet["usd_event"]),
            word(&fleet["limit_name"]),
            word(&fleet["next"]),
            number(&fleet["cpu_use"]) * 100.0,
            fleet["most_in_flight"]
        );
    }
    text
}

/// Audiences by fleets: 99 % and what limits; and what a user costs.
pub(super) fn audiences(all: &[Value]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let workers: Vec<String> =
        first["fleets"].as_array().into_iter().flatten().map(|f| f["push_workers"].to_string()).collect();
    let mut text = "| users |".to_owned();
    workers
        .iter()
        .for_each(|n| text.push_str(&format!(" {n} workers: 99 %, s; USD a million users; limit |")));
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(workers.len()));
    for predicted in all {
        let users = number(&predicted["users"]);
        let _ = write!(text, "| {} |", millions(users));
        for fleet in predicted["fleets"].as_array().into_iter().flatten() {
            let each = number(&fleet["usd_event"]) / users * 1e6;
            let p99 = seconds(&fleet["accepted"]["p99_ms"]);
            let late = number(&fleet["expired"]) / number(&fleet["devices"]) * 100.0;
            let late = if late > 0.0 { format!(" ({late:.0} % expired)") } else { String::new() };
            let _ = write!(text, " {p99}{late}; {each:.2}; {} |", word(&fleet["limit_name"]));
        }
        text.push('\n');
    }
    text
}

/// The limit that follows FCM's quota.
const BY_FCMS_QUOTA: &str = "FCM messages within";

/// From where on each limit binds, by arithmetic. FCM's is there twice: with the quota that was granted, and with Google's default.
pub(super) fn limits(predicted: &Value) -> String {
    let mut text = "| limit | there is | binds from | what to change then |\n|---|---|---|---|\n".to_owned();
    let granted = number(&predicted["figures"]["fcm_quota_per_min"]["value"]);
    let default = Figures::default().fcm_quota_per_min.value;
    for check in predicted["fleets"][0]["checks"].as_array().into_iter().flatten() {
        let mut row = |what: &str, share: f64| {
            let _ = writeln!(
                text,
                "| {what} | {:.0} {} | {:.0} {} | {} |",
                number(&check["limit"]) * share,
                word(&check["unit"]),
                number(&check["binds_from"]) * share,
                word(&check["of"]),
                word(&check["change"])
            );
        };
        let what = word(&check["what"]);
        if what.starts_with(BY_FCMS_QUOTA) {
            row(&format!("{what}, {} a minute granted", millions(granted)), 1.0);
            row(&format!("{what}, Google's default of {} a minute", millions(default)), default / granted);
        } else {
            row(what, 1.0);
        }
    }
    text
}

pub(super) fn millions(users: f64) -> String {
    let users = users.round();
    if users >= 1e6 { format!("{} M", users / 1e6) } else { format!("{} k", users / 1e3) }
}

fn seconds(ms: &Value) -> String {
    format!("{:.2}", number(ms) / 1_000.0)
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use scale::{Blast, Fleet, checks};
    use serde_json::json;

    /// The limits of two push workers for four million users, with so many FCM messages a minute, as `owl fleet predict` says them.
    fn predicted(quota: f64) -> Value {
        let mut figures = Figures::default();
        figures.fcm_quota_per_min.value = quota;
        let fleet = Fleet { push_workers: 2, ..Fleet::default() };
        json!({ "figures": figures, "fleets": [{ "checks": checks(&figures, &Blast::default(), &fleet) }] })
    }

    #[test]
    fn googles_default_binds_where_it_does_when_it_is_all_there_is() {
        let table = limits(&predicted(25_000_000.0));
        let row = |what: &str| table.lines().find(|line| line.contains(what)).unwrap_or_default();
        assert!(row("25 M a minute granted").contains("| 2291667 messages | 5456349 users |"), "{table}");
        let alone = predicted(Figures::default().fcm_quota_per_min.value);
        let check = &alone["fleets"][0]["checks"][0];
        let (there, from) = (number(&check["limit"]), number(&check["binds_from"]));
        let default = row("default of 600 k a minute");
        assert!(default.contains(&format!("| {there:.0} messages | {from:.0} users |")), "{table}");
    }

    /// It is written by `cargo xtask scaling`, and by hand where nobody has an hour for that.
    #[test]
    fn the_document_shows_the_limits_as_they_are() {
        let text = include_str!("../../../docs/scaling.md");
        let (_, after) = text.split_once("<!-- limits: made by `cargo xtask scaling` -->").unwrap();
        let (shown, _) = after.split_once("<!-- end of limits -->").unwrap();
        assert_eq!(shown.trim(), limits(&predicted(25_000_000.0)).trim());
    }
}
