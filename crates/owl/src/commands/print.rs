//! Answers in words.

use crate::output::{bytes, count};
use common::campaign::{Campaign, State};
use common::outcome::Outcome;
use control::{Light, Preflight, Report, Status, UserReceipt};

/// One line for a list.
pub(crate) fn campaign_line(c: &Campaign) {
    let devices =
        c.snapshot.as_ref().map_or_else(String::new, |s| format!("{} devices", count(s.device_count())));
    println!("{}  {:9} {:>18}  {}", c.id, c.state.label(), devices, c.name);
}

/// A campaign in a few lines.
pub(crate) fn campaign(c: &Campaign) {
    println!("{}  `{}` is {}", c.id, c.name, c.state.label());
    if let Some(why) = &c.failure {
        println!("  failed: {why}");
    }
    if let Some(build) = c.build.as_ref().filter(|_| c.state == State::Building) {
        println!("  building: {} ({} of {})", build.stage, count(build.done), count(build.total));
    }
    if let Some(s) = &c.snapshot {
        let devices: Vec<_> = s.devices.iter().map(|(g, n)| format!("{} {g}", count(*n))).collect();
        println!("  snapshot {:.12}: {} users, {}", s.id.to_string(), count(s.users), devices.join(", "));
        let dropped: Vec<_> = s.dropped.iter().map(|(r, n)| format!("{} {}", count(*n), r.label())).collect();
        println!("  {} uploaded; dropped: {}", count(s.uploaded), or_none(&dropped));
    }
    if let Some(p) = &c.pressed {
        println!("  pressed by {} at {}", p.by, p.at.rfc3339());
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
        println!("  {light}  {:16} {}{by}", check.name, check.sentence);
    }
    println!("{}", if p.go { "go: it can be armed" } else { "no go: a red light hinders arming" });
}

/// Figures so far.
pub(crate) fn status(s: &Status) {
    campaign(&s.campaign);
    if s.campaign.runs.is_empty() {
        return;
    }
    let accepted: Vec<_> = s.so_far.accepted.iter().map(|(g, n)| format!("{} by {g}", count(*n))).collect();
    println!(
        "  so far: accepted {}; {} of {} devices settled",
        or_none(&accepted),
        count(s.so_far.settled()),
        count(s.devices)
    );
    println!("  shards: {} on their way, {} expanded", s.shards_dispatched, s.shards_expanded);
    println!("  queues: shards {:?}, batches {:?} (waiting, in flight)", s.shard_queue, s.batch_queue);
}

/// The after-action report.
pub(crate) fn report(r: &Report) {
    let b = &r.books;
    println!("users       {} of {} uploaded", count(r.users), count(r.uploaded));
    let dropped: Vec<_> = r.dropped.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect();
    println!("  dropped   {}", or_none(&dropped));
    println!("devices     {}", count(b.devices));
    for (gateway, outcomes) in &b.by_outcome {
        for (outcome, n) in outcomes {
            println!("  {gateway:5}     {outcome:26} {:>12}", count(*n));
        }
    }
    let sum =
        [("accepted", b.accepted), ("rejected", b.rejected), ("expired", b.expired), ("aborted", b.aborted)];
    let rest = [("ambiguous", b.ambiguous), ("pending", b.pending)];
    let terms: Vec<_> = sum.iter().chain(&rest).map(|(name, n)| format!("{} {name}", count(*n))).collect();
    println!("  sum       {} = {}", count(b.devices), terms.join(" + "));
    println!("  doubled   {} at most", count(b.doubled_at_most));
    println!("  dead      {} tokens, {} taken out of the table", count(b.dead_tokens()), removed(r));
    let ms = |t: Option<i64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t} ms"));
    let t = &b.times;
    println!(
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
        println!("late        nobody was later than 5 s");
        return;
    }
    println!(
        "late        {} later than 5 s: {} waited on a queue, {} were tried again, {} waited for the gateway",
        count(late.devices),
        count(late.waited_on_queue),
        count(late.tried_again),
        count(late.slow_gateway)
    );
    for l in late.examples.iter().take(3) {
        println!("  batch {} place {}: {} ms, {}", l.batch, l.place, l.ms, l.why);
    }
}

/// Why a user did or did not get it.
pub(crate) fn receipt(r: &UserReceipt) {
    println!("{}: {}", r.user, r.sentence);
    if let Some(batch) = r.batch {
        println!("  shard {}, batch {}", batch.shard, batch.number);
    }
    for d in &r.devices {
        let when = d.ms.map_or_else(String::new, |ms| format!(", {ms} ms after the press"));
        let outcome =
            if d.outcome == Outcome::Accepted.label() { "accepted by the gateway" } else { &d.outcome };
        println!("  {} device {} (place {}): {outcome}{when}", d.gateway, d.token_hash, d.place);
    }
}

/// How large a file was, and how it was taken.
pub(crate) fn uploaded(file: &std::path::Path, size: u64) {
    println!("uploaded {} ({})", file.display(), bytes(size));
}
