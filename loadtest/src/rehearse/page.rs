//! The page: one HTML file that refers to nothing outside of itself.

use std::fmt::Write as _;

use super::{Judged, Passed, Pressed, Rehearsal, plot};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bad: #b00020; --good: #0a7a3c }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a95; --good: #6fd79a } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 58rem; padding: 1rem }
h1 { margin-bottom: 0 } h2 { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .9rem .2rem 0; text-align: left; vertical-align: top }
td.n, th.n { text-align: right }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 }
figure { margin: 1rem 0 } figure svg { background: #fff; height: auto; max-width: 100%; border-radius: 6px }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: .7rem }
@media print { figure, table { break-inside: avoid } pre { white-space: pre-wrap } .wide { overflow: visible } }";

/// The page of a rehearsal.
#[must_use]
pub fn page(r: &Rehearsal) -> String {
    let mut out = String::new();
    let name = escaped(&r.scenario);
    let failed = r
        .failed
        .as_ref()
        .map(|why| format!("<p class=bad>It could not go on to its end: {}</p>", escaped(why)));
    let verdict = if r.passed {
        "<p class=good>Passed: all objectives hold.</p>"
    } else {
        "<p class=bad>Failed: see what does not hold.</p>"
    };
    let m = &r.machine;
    // Writing into a String does not fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Rehearsal: {name}</title><style>{STYLE}</style></head><body><h1>Rehearsal: {name}</h1><p>{}</p>{verdict}\
         <p>{}{} cores of {}, {} GB, {}; owl {}. The gateways were stand-ins ({}){}: no phone was reached.</p>",
        escaped(&r.about),
        if r.server.is_some() { "Pressed and measured from: " } else { "" },
        m.cores,
        escaped(&m.cpu),
        m.memory_bytes / 1_000_000_000,
        escaped(&m.kernel),
        escaped(&m.version),
        escaped(&r.gateways),
        if r.server.is_some() { "" } else { ", on the same machine" },
    );
    out.push_str(&r.server.as_ref().map(super::Served::paragraph).unwrap_or_default());
    out.push_str(&failed.unwrap_or_default());
    if !r.growth.is_empty() {
        out.push_str("<h2>Over all presses</h2>");
        objectives(&mut out, &r.growth);
    }
    if r.presses.len() > 1 {
        overview(&mut out, &r.presses);
    }
    compared(&mut out, r);
    let shown = shown(&r.presses);
    for (number, pressed) in &shown {
        let title = if r.presses.len() > 1 { format!("Press {number}: ") } else { String::new() };
        let _ =
            write!(out, "<h2>{title}{} users, {} devices</h2>", count(pressed.users), count(pressed.devices));
        press(&mut out, pressed);
    }
    if shown.len() < r.presses.len() {
        let _ = write!(
            out,
            "<p>{} more presses are in the JSON file beside this page.</p>",
            r.presses.len() - shown.len()
        );
    }
    let _ = write!(out, "<h2>The scenario</h2><pre>{}</pre></body></html>", escaped(&r.text));
    out
}

/// Presses with a section of their own: all of a ramp; of a long row the first, the last, and those that failed.
fn shown(presses: &[Pressed]) -> Vec<(usize, &Pressed)> {
    const MOST: usize = 8;
    let all = || (1..).zip(presses);
    if presses.len() <= MOST {
        return all().collect();
    }
    let failed = |pressed: &Pressed| pressed.judged.iter().any(|judged| !judged.holds);
    all().filter(|(n, p)| *n == 1 || *n == presses.len() || failed(p)).take(MOST).collect()
}

fn overview(out: &mut String, presses: &[Pressed]) {
    out.push_str(
        "<h2>All presses</h2><div class=wide><table><tr><th class=n>press<th class=n>users<th class=n>p50, ms<th class=n>p99, ms<th class=n>last, ms\
         <th class=n>pushes/s<th class=n>CPU, us a push<th class=n>memory after, MB<th class=n>open files<th>objectives</tr>",
    );
    for (number, p) in (1..).zip(presses) {
        let times = &p.steps.accepted.times;
        let holds = p.judged.iter().all(|judged| judged.holds);
        let _ = write!(
            out,
            "<tr><td class=n>{number}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>{}</tr>",
            count(p.users),
            ms(times.p50_ms),
            ms(times.p99_ms),
            ms(times.last_ms),
            count(p.pushes_per_s()),
            measured(p.cpu_seconds > 0.0, || format!("{:.2}", p.cpu_us_per_push())),
            measured(p.rss_bytes > 0, || (p.rss_bytes / 1_000_000).to_string()),
            measured(p.open_files > 0, || p.open_files.to_string()),
            mark(holds)
        );
    }
    out.push_str("</table></div>");
}

fn compared(out: &mut String, r: &Rehearsal) {
    if r.compared.is_empty() {
        return;
    }
    out.push_str("<h2>Against the baseline</h2><p>All presses of a size: the median, or the most where it says at most.</p><div class=wide><table><tr><th class=n>users<th>figure<th class=n>before<th class=n>now<th class=n>change</tr>");
    for change in &r.compared {
        let _ = write!(
            out,
            "<tr><td class=n>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            count(change.users),
            escaped(&change.figure),
            escaped(&change.before.to_string()),
            escaped(&change.now.to_string()),
            change.verdict()
        );
    }
    out.push_str("</table></div>");
}

fn press(out: &mut String, p: &Pressed) {
    objectives(out, &p.judged);
    out.push_str("<h3>What limited it</h3><ul>");
    for sentence in &p.limits.sentences {
        let _ = write!(out, "<li>{}", escaped(sentence));
    }
    out.push_str("</ul>");
    figure(out, "From the press to the ledger: how much had passed each step", &plot::waterfall(p));
    steps(out, p);
    figure(out, "Accepted, a second", &plot::throughput(&p.steps.accepted));
    figure(out, "When they were accepted, on a logarithmic scale", &plot::latencies(&p.steps.accepted));
    if p.samples.len() > 1 {
        figure(out, "Queues", &plot::queues(&p.samples));
    }
    outcomes(out, p);
    happened(out, p);
    late(out, p);
    workers(out, p);
}

fn objectives(out: &mut String, judged: &[Judged]) {
    out.push_str("<div class=wide><table><tr><th>objective<th class=n>at most<th class=n>measured<th></tr>");
    for j in judged {
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td>{}</tr>",
            escaped(&j.objective),
            escaped(&j.at_most),
            escaped(&j.measured),
            mark(j.holds)
        );
    }
    out.push_str("</table></div>");
}

fn steps(out: &mut String, p: &Pressed) {
    out.push_str("<div class=wide><table><tr><th>step<th class=n>first, ms<th class=n>half<th class=n>95 %<th class=n>99 %<th class=n>last<th class=n>mean</tr>");
    for (name, Passed { times: t, .. }) in p.steps.all() {
        let _ = write!(
            out,
            "<tr><td>{name}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            ms(t.first_ms),
            ms(t.p50_ms),
            ms(t.p95_ms),
            ms(t.p99_ms),
            ms(t.last_ms),
            ms(t.mean_ms)
        );
    }
    let _ = write!(
        out,
        "</table></div><p>Receipt after {} ms; {} pushes/s; {}; {}; snapshot built in {} ms, loaded in {} ms.</p>",
        p.receipt_ms,
        count(p.pushes_per_s()),
        cpu(p),
        match p.peak_rss_bytes {
            0 => "memory: not measured".to_owned(),
            bytes => format!("peak memory {} MB", bytes / 1_000_000),
        },
        p.build_ms,
        p.preload_ms
    );
}

fn cpu(p: &Pressed) -> String {
    if p.cpu_seconds > 0.0 {
        let (us, ours, gateways) = (p.cpu_us_per_push(), p.cpu_seconds, p.gateway_cpu_seconds);
        format!("{us:.2} us of our CPU a push ({ours:.1} s; the gateways: {gateways:.1} s)")
    } else {
        "CPU: not measured".to_owned()
    }
}

/// A figure in a table, if there is one.
fn measured(is: bool, figure: impl FnOnce() -> String) -> String {
    if is { figure() } else { "–".to_owned() }
}

fn outcomes(out: &mut String, p: &Pressed) {
    let c = &p.counted;
    out.push_str(
        "<h3>Outcomes</h3><div class=wide><table><tr><th>gateway<th>outcome<th class=n>devices</tr>",
    );
    for (gateway, outcomes) in &p.by_outcome {
        for (outcome, n) in outcomes {
            let _ = write!(
                out,
                "<tr><td>{}<td>{}<td class=n>{}</tr>",
                escaped(gateway),
                escaped(outcome),
                count(*n)
            );
        }
    }
    out.push_str("</table></div>");
    if p.by_books {
        let _ = write!(
            out,
            "<p>The gateways' journal was not looked at. By the ledger's books at most {} devices were accepted twice, and {} have no outcome.</p>",
            count(c.doubled_at_most),
            count(c.pending)
        );
        return;
    }
    let _ = write!(
        out,
        "<p>By the gateways' own journal {} devices were accepted, {} of them twice (the ledger says: at most {}); about {} devices ledger and journal differ.</p>",
        count(c.seen),
        count(c.doubled),
        count(c.doubled_at_most),
        count(c.lost)
    );
}

fn happened(out: &mut String, p: &Pressed) {
    if p.happened.is_empty() {
        return;
    }
    out.push_str("<h3>What broke</h3><table>");
    for h in &p.happened {
        let _ = write!(out, "<tr><td class=n>{} ms<td>{}</tr>", h.ms, escaped(&h.what));
    }
    out.push_str("</table>");
}

fn late(out: &mut String, p: &Pressed) {
    let l = &p.late;
    if l.devices == 0 {
        out.push_str("<h3>Late</h3><p>Nobody was accepted later than five seconds after the press.</p>");
        return;
    }
    let _ = write!(
        out,
        "<h3>Late</h3><p>{} devices were accepted later than five seconds after the press: {} because their batch waited on a queue or for a quota, {} because we sent late, {} because the gateway took that long, {} because they came in a later turn of their batch (tried again, or put off by a quota).</p><details><summary>The latest</summary><ul>",
        count(l.devices),
        count(l.waited_on_queue),
        count(l.left_late),
        count(l.slow_gateway),
        count(l.tried_again)
    );
    for example in &l.examples {
        let _ = write!(out, "<li>{}", escaped(example));
    }
    out.push_str("</ul></details>");
}

fn workers(out: &mut String, p: &Pressed) {
    if p.workers.is_empty() {
        return;
    }
    out.push_str("<h3>Push workers, slowest first</h3><div class=wide><table><tr><th>worker<th class=n>devices<th class=n>batches<th class=n>half within, ms<th class=n>99 % within, ms</tr>");
    for w in &p.workers {
        let about = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("about {}", count(ms)));
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
            escaped(&w.worker),
            count(w.devices),
            count(w.batches),
            about(w.p50_ms),
            about(w.p99_ms)
        );
    }
    out.push_str("</table></div>");
    figure(out, "Who was at work when: push workers, the slowest on top", &plot::workers(&p.workers));
}

fn figure(out: &mut String, caption: &str, svg: &str) {
    let _ = write!(
        out,
        "<figure><figcaption>{caption}</figcaption>{}</figure>",
        svg.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{caption}\""), 1)
    );
}

fn mark(holds: bool) -> &'static str {
    if holds { "<span class=good>holds</span>" } else { "<span class=bad>does not hold</span>" }
}

fn ms(ms: Option<i64>) -> String {
    ms.map_or_else(|| "–".to_owned(), |ms| if ms < 0 { ms.to_string() } else { count(ms.unsigned_abs()) })
}

/// A number as people read it: `4,000,000`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Text as it stands in HTML, in attributes too.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Change, Figure, Happened, Late, WorkerDid};

    #[test]
    fn the_page_refers_to_nothing_outside_and_escapes_what_it_is_told() {
        let evil = "<script>alert(1)</script>".to_owned();
        let pressed = Pressed {
            happened: vec![Happened { ms: 5, what: evil.clone() }],
            workers: vec![WorkerDid { worker: evil.clone(), ..WorkerDid::default() }],
            ..Pressed::default()
        };
        let all = Rehearsal {
            scenario: evil.clone(),
            about: evil.clone(),
            text: evil.clone(),
            server: Some(crate::rehearse::Served {
                url: evil.clone(),
                notes: vec![evil],
                ..Default::default()
            }),
            presses: vec![pressed; 2],
            ..Rehearsal::default()
        };
        let html = page(&all);
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("://"));
    }

    #[test]
    fn a_figure_that_is_gone_is_a_dash_and_worse() {
        let (figure, before) = ("p50, ms".to_owned(), Figure::Number(900.0));
        let change = Change { users: 1_000, figure, before, now: Figure::Nothing };
        let html = page(&Rehearsal { compared: vec![change], ..Rehearsal::default() });
        let row = "<tr><td class=n>1,000<td>p50, ms<td class=n>900<td class=n>–<td class=n>worse</tr>";
        assert!(html.contains(row), "{html}");
    }

    #[test]
    fn who_was_late_is_counted_under_each_reason() {
        let late = Late {
            devices: 10,
            waited_on_queue: 1,
            left_late: 2,
            slow_gateway: 3,
            tried_again: 4,
            examples: Vec::new(),
        };
        let pressed = Pressed { late, ..Pressed::default() };
        let html = page(&Rehearsal { presses: vec![pressed], ..Rehearsal::default() });
        for reason in [
            "1 because their batch waited on a queue",
            "2 because we sent late",
            "3 because the gateway",
            "4 because they came in a later turn",
        ] {
            assert!(html.contains(reason), "{reason}");
        }
    }

    #[test]
    fn of_a_long_row_the_ends_and_the_failures_are_shown() {
        let mut presses = vec![Pressed::default(); 20];
        presses[9].judged = vec![Judged {
            objective: String::new(),
            at_most: String::new(),
            measured: String::new(),
            holds: false,
        }];
        assert_eq!(shown(&presses).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 10, 20]);
    }
}
