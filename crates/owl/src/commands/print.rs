//! Answers in words.

use crate::output::outln;
use crate::output::{bytes, count};
use common::campaign::{Campaign, State};
use common::outcome::Outcome;
use control::{Light, Preflight, Report, Status, UserReceipt};
use std::time::Duration;

/// One line for a list.
pub(crate) fn campaign_line(c: &Campaign) {
    let devices =
        c.snapshot.as_ref().map_or_else(String::new, |s| format!("{} devices", count(s.device_count())));
    outln!("{}  {:9} {:>18}  {}", c.id, c.state.label(), devices, c.name);
}

/// A campaign in a few lines.
pub(crate) fn campaign(c: &Campaign) {
    outln!("{}  `{}` is {}", c.id, c.name, c.state.label());
    if let Some(why) = &c.failure {
        outln!("  failed: {why}");
    }
    if let Some(build) = c.build.as_ref().filter(|_| c.state == State::Building) {
        outln!("  building: {} ({} of {})", build.stage, count(build.done), count(build.total));
    }
    if let Some(s) = &c.snapshot {
        let devices: Vec<_> = s.devices.iter().map(|(g, n)| format!("{} {g}", count(*n))).collect();
        outln!("  snapshot {:.12}: {} users, {}", s.id.to_string(), count(s.users), devices.join(", "));
        let dropped: Vec<_> = s.dropped.iter().map(|(r, n)| format!("{} {}", count(*n), r.label())).collect();
        outln!("  {} uploaded; dropped: {}", count(s.uploaded), or_none(&dropped));
    }
    if let Some(armed) = &c.armed {
        let deadline = humantime::format_duration(Duration::from_millis(c.options.deadline_ms));
        let (by, at) = (&armed.stamp.by, armed.stamp.at.rfc3339());
        outln!("  armed by {by} at {at}; nothing is sent later than {deadline} after the press");
        for (check, reason) in &armed.overrides {
            outln!("  overridden: {check}: {reason}");
        }
    }
    if let Some(p) = &c.pressed {
        outln!("  pressed by {} at {}", p.by, p.at.rfc3339());
    }
    if let Some(books) = c.books.as_ref().filter(|_| c.state == State::Stopped) {
        let sent = books.accepted + books.rejected + books.ambiguous;
        outln!("  stopped: {} sent, {} not", count(sent), count(books.devices.saturating_sub(sent)));
    }
}

/// What a person would do next, in this state.
pub(crate) fn next_step(c: &Campaign) -> Option<String> {
    let name = &c.name;
    match c.state {
        State::Draft | State::Failed => Some(format!("owl campaign upload '{name}' FILE")),
        State::Ready => Some(format!("owl preflight '{name}', then owl campaign arm '{name}'")),
        State::Armed => Some(format!("owl campaign press '{name}'")),
        State::Sending | State::Stopping => Some(format!("owl campaign status '{name}' --watch")),
        State::Stopped => Some(format!("owl campaign resume '{name}' sends the rest")),
        State::Done => Some(format!("owl campaign report '{name}'")),
        State::Building => None,
    }
}

fn or_none(parts: &[String]) -> String {
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// The checks, one line each.
pub(crate) fn preflight(p: &Preflight) {
    for check in &p.checks {
        let light = match check.light {
            Light::Green => "green",
            Light::Amber => "AMBER",
            Light::Red => "RED  ",
        };
        let by = check.overridden.as_ref().map_or_else(String::new, |r| format!(" (overridden: {r})"));
        outln!("  {light}  {:16} {}{by}", check.name, check.sentence);
    }
    match p.state {
        State::Ready if p.go => outln!("go: it can be armed"),
        State::Ready => outln!("no go: a red light hinders arming"),
        State::Armed => outln!("armed: the button works, whatever the lights say"),
        other => outln!("it is {}: this is a look at the fleet", other.label()),
    }
}

/// Figures so far.
pub(crate) fn status(s: &Status) {
    campaign(&s.campaign);
    if s.campaign.runs.is_empty() {
        return;
    }
    outln!("  so far: {}", so_far(s));
    outln!(
        "  shards: {} of {} on their way or done, {} expanded",
        s.shards_dispatched,
        shards(s),
        s.shards_expanded
    );
    let queue = |(waiting, in_flight): (u64, u64)| {
        format!("{} waiting, {} in flight", count(waiting), count(in_flight))
    };
    outln!("  queues: shards {}; batches {}", queue(s.shard_queue), queue(s.batch_queue));
}

fn shards(s: &Status) -> u16 {
    s.campaign.frozen().map_or(0, |f| f.shards)
}

/// One line of figures: nothing that goes wrong is left out.
pub(crate) fn so_far(s: &Status) -> String {
    let accepted: Vec<_> = s.so_far.accepted.iter().map(|(g, n)| format!("{} by {g}", count(*n))).collect();
    let mut line = format!(
        "accepted {}; {} of {} devices settled",
        or_none(&accepted),
        count(s.so_far.settled()),
        count(s.devices)
    );
    let reasons: Vec<_> = s.so_far.by_reason.iter().map(|(r, n)| format!("{} {r}", count(*n))).collect();
    if !reasons.is_empty() {
        line = format!("{line}; NOT accepted: {}", reasons.join(", "));
    }
    line
}

/// The after-action report.
pub(crate) fn report(r: &Report) {
    let b = &r.books;
    outln!("users       {} of {} uploaded", count(r.users), count(r.uploaded));
    let dropped: Vec<_> = r.dropped.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect();
    outln!("  dropped   {}", or_none(&dropped));
    outln!("devices     {}", count(b.devices));
    for (gateway, outcomes) in &b.by_outcome {
        for (outcome, n) in outcomes {
            outln!("  {gateway:5}     {outcome:26} {:>12}", count(*n));
        }
    }
    let sum =
        [("accepted", b.accepted), ("rejected", b.rejected), ("expired", b.expired), ("aborted", b.aborted)];
    let rest = [("ambiguous", b.ambiguous), ("pending", b.pending)];
    let terms: Vec<_> = sum.iter().chain(&rest).map(|(name, n)| format!("{} {name}", count(*n))).collect();
    outln!("  sum       {} = {}", count(b.devices), terms.join(" + "));
    outln!(
        "  doubled   {} at most (sent again after a worker died; a phone shows it once)",
        count(b.doubled_at_most)
    );
    if b.before_press > 0 {
        outln!("  canary    {} accepted before the press", count(b.before_press));
    }
    outln!("  dead      {} tokens, {} taken out of the table", count(b.dead_tokens()), removed(r));
    let ms = |t: Option<i64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t} ms"));
    let t = &b.times;
    outln!(
        "press to    first {}, 50 % {}, 95 % {}, 99 % {}, last {}",
        ms(t.first_ms),
        ms(t.p50_ms),
        ms(t.p95_ms),
        ms(t.p99_ms),
        ms(t.last_ms)
    );
    late(r);
}

fn removed(r: &Report) -> String {
    r.campaign.tokens_removed.map_or_else(|| "not yet".to_owned(), count)
}

fn late(r: &Report) {
    let late = &r.books.late;
    if late.devices == 0 {
        let text = if r.books.accepted == 0 { "nobody was reached" } else { "nobody was later than 5 s" };
        outln!("late        {text}");
        return;
    }
    outln!(
        "late        {} later than 5 s: {} waited on a queue or for a quota, {} left us late, {} waited for the gateway, {} came in a later turn",
        count(late.devices),
        count(late.waited_on_queue),
        count(late.left_late),
        count(late.slow_gateway),
        count(late.tried_again)
    );
    for l in late.examples.iter().take(3) {
        outln!("  batch {} place {}: {} ms, {}", l.batch, l.place, l.ms, l.why);
    }
}

/// Why a user did or did not get it.
pub(crate) fn receipt(r: &UserReceipt) {
    outln!("{}: {}", r.user, r.sentence);
    if let Some(batch) = r.batch {
        outln!("  shard {}, batch {}", batch.shard, batch.number);
    }
    for d in &r.devices {
        let when = d.ms.map_or_else(String::new, |ms| format!(", {ms} ms after the press"));
        let outcome =
            if d.outcome == Outcome::Accepted.label() { "accepted by the gateway" } else { &d.outcome };
        outln!("  {} device {} (place {}): {outcome}{when}", d.gateway, d.token_hash, d.place);
    }
}

/// How large a file was, and how it was taken.
pub(crate) fn uploaded(file: &std::path::Path, size: u64) {
    outln!("uploaded {} ({})", file.display(), bytes(size));
}
