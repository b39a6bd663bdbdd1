//! A prediction for people.

use super::{Predicted, Sized};
use crate::output::{count, outln};
use std::collections::BTreeMap;

/// In lines.
pub(super) fn people(all: &Predicted) {
    let Some(first) = all.fleets.first().map(|f| &f.predicted) else { return };
    outln!(
        "{} users, {} devices, {} batches, {} interim workers; seconds from the press to the gateways' acceptance",
        count(all.users),
        count(first.devices),
        count(first.batches),
        first.interim_workers
    );
    outln!();
    outln!(
        "{:>7} {:>8} {:>8} {:>8} {:>9} {:>9} {:>10}  limit (then)",
        "workers",
        "half",
        "99 %",
        "last",
        "APNs 99 %",
        "expired",
        format!("USD {:.0} h", all.up_hours)
    );
    all.fleets.iter().for_each(row);
    outln!();
    let mut changes = BTreeMap::new();
    for p in all.fleets.iter().map(|f| &f.predicted) {
        changes.entry(p.limit).or_insert((&p.limit_name, &p.change));
    }
    outln!("What to change:");
    for (name, change) in changes.values() {
        outln!("  {name}: {change}");
    }
    faults(&all.fleets);
    let changed = all.figures.all();
    outln!();
    outln!("Assumed (not measured in your account, but for what --from brings):");
    for (name, figure) in changed {
        outln!("  {name:24} {:>13} {:14} {}", figure.value, figure.unit, figure.source);
    }
}

fn row(f: &Sized) {
    let p = &f.predicted;
    let s = |ms: u64| format!("{:.2}", ms as f64 / 1_000.0);
    outln!(
        "{:>7} {:>8} {:>8} {:>8} {:>9} {:>9} {:>10.2}  {} ({})",
        count(p.push_workers.into()),
        s(p.accepted.p50_ms),
        s(p.accepted.p99_ms),
        s(p.accepted.last_ms),
        s(p.apns.p99_ms),
        count(p.expired),
        f.usd_event,
        p.limit_name,
        f.next
    );
}

/// Limits that do not hold, each once, with the smallest fleet that breaks it.
fn faults(fleets: &[Sized]) {
    let mut said = Vec::new();
    for f in fleets {
        for check in
            f.checks.iter().filter(|check| !check.holds() && !said.contains(&check.what)).collect::<Vec<_>>()
        {
            if said.is_empty() {
                outln!();
                outln!("Beyond a limit:");
            }
            said.push(check.what);
            let whole = |n: f64| count(n.round() as u64);
            outln!(
                "  {} (from {} push workers): {} {} needed, {} there; binds from {} {}",
                check.what,
                count(f.predicted.push_workers.into()),
                whole(check.need),
                check.unit,
                whole(check.limit),
                whole(check.binds_from),
                check.of
            );
            outln!("    {}", check.change);
        }
    }
}
