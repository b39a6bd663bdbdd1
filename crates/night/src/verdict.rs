//! When all is over: the report, the ledger and the gateways' journal must agree, device by device.

use crate::fleet::Fleet;
use crate::monitor::Heard;
use crate::world::World;
use common::campaign::State;
use common::ids::BatchKey;
use common::ledger::BatchRecord;
use common::outcome::{Class, Outcome};
use common::report::Books;
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks at everything, and writes down what is not as it should be.
pub(crate) async fn give(fleet: &Fleet) {
    let world = &fleet.world;
    let records = world.parts.ledger.records(world.campaign);
    if let Err(why) = devices(world, &records).and_then(|()| doubles(world, &records)) {
        return world.violate(why);
    }
    let Some((process, control)) = fleet.some_api() else {
        return world.violate("no API process answers at the end");
    };
    process.alive().await;
    let report = tokio::time::timeout(Duration::from_secs(30), control.report(world.campaign)).await;
    let report = match report {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => return world.violate(format!("no report: {error}")),
        Err(_) => return world.violate("no report in 30 s"),
    };
    let state = report.campaign.state;
    if let Err(why) = books(world, state, &report.books, &records) {
        world.violate(format!("the books of a campaign that is {}: {why}", state.label()));
    }
}

/// The outcome of each device, against what its gateway knows.
fn devices(world: &World, records: &BTreeMap<BatchKey, BatchRecord>) -> Result<(), String> {
    let state = world.parts.campaigns.peek(world.campaign).map(|c| c.state);
    let heard = world.with(|s| s.monitor.heard.clone());
    let mut unknown = 0;
    for (n, (device, heard)) in world.audience.devices.iter().zip(heard).enumerate() {
        let record = records.get(&device.key);
        let outcome = record.and_then(|r| r.outcome(device.place.into())).unwrap_or(Outcome::Unsent);
        let counted = record.is_some_and(|r| r.doubled_at_most > 0 || r.holder.is_some());
        let which = || format!("device {n}, batch {}, place {}: {heard:?}", device.key, device.place);
        one_device(outcome, heard, counted, state).map_err(|why| format!("{}: {why}", which()))?;
        let given_back = outcome == Outcome::Unsent && record.is_none_or(|r| r.holder.is_none());
        let silent = outcome == Outcome::Expired || given_back;
        unknown += u64::from(silent && heard.accepted > 0);
    }
    world.with(|s| s.tally.unknown_accepted = unknown);
    Ok(())
}

fn one_device(outcome: Outcome, heard: Heard, counted: bool, state: Option<State>) -> Result<(), String> {
    let is_done = state == Some(State::Done);
    match outcome.class() {
        Class::Accepted if heard.accepted == 0 => {
            Err("accepted, says the ledger; its gateway knows nothing of it".into())
        }
        Class::Rejected if heard.refused == 0 => {
            Err(format!("{}, says the ledger; its gateway never refused it", outcome.label()))
        }
        Class::Rejected if heard.accepted > 0 && !counted => {
            Err(format!("{}, says the ledger; its gateway accepted one", outcome.label()))
        }
        Class::Pending if is_done => Err("it has no outcome, and the campaign is done: lost".into()),
        Class::Expired | Class::Pending | Class::Aborted if heard.accepted > 0 && !counted => Err(format!(
            "{}, says the ledger; its gateway accepted one, and nothing says that it may have",
            outcome.label()
        )),
        _ => Ok(()),
    }
}

/// What was accepted twice is within what the ledger counted, batch by batch.
fn doubles(world: &World, records: &BTreeMap<BatchKey, BatchRecord>) -> Result<(), String> {
    let extra = world.with(|s| s.monitor.extra.clone());
    for (key, extra) in extra {
        let bound = records.get(&key).map_or(0, |r| r.doubled_at_most);
        if extra > bound {
            return Err(format!("batch {key}: {extra} accepted twice, {bound} counted"));
        }
    }
    let bound = records.values().map(|r| u64::from(r.doubled_at_most)).sum();
    world.with(|s| s.tally.doubled_at_most = bound);
    Ok(())
}

/// The report's sums against the ledger's records, term by term.
fn books(
    world: &World,
    state: State,
    books: &Books,
    records: &BTreeMap<BatchKey, BatchRecord>,
) -> Result<(), String> {
    let devices = world.audience.devices.len() as u64;
    if books.devices != devices || !books.balance() {
        return Err(format!("{devices} devices in the snapshot, and {books:?}"));
    }
    if books.batches != world.audience.batches.len() as u64 {
        return Err(format!("{} batches instead of {}", books.batches, world.audience.batches.len()));
    }
    let count = |class: Class| {
        let of = |r: &BatchRecord| r.outcomes().filter(|(o, _)| o.class() == class).count() as u64;
        records.values().map(of).sum::<u64>()
    };
    let terms = [
        ("accepted", books.accepted, count(Class::Accepted)),
        ("rejected", books.rejected, count(Class::Rejected)),
        ("expired", books.expired, count(Class::Expired)),
        ("ambiguous", books.ambiguous, count(Class::Ambiguous)),
    ];
    // Who wakes up after the books were written still reports: the ledger then knows better than they do.
    let late = world.with(|s| {
        s.tally.learned_late = s.monitor.learned_late();
        s.tally.learned_late
    });
    for (term, said, counted) in terms {
        // Of a stopped one, a lapsed claim is called ambiguous until somebody knows better.
        let fits = said.abs_diff(counted) <= late
            || (state == State::Stopped && term == "ambiguous" && said >= counted);
        if !fits {
            return Err(format!("{said} {term}, and the ledger has {counted}"));
        }
    }
    if books.pending > 0 || (state == State::Done && books.aborted > 0) {
        return Err(format!("{} pending, {} aborted", books.pending, books.aborted));
    }
    Ok(())
}
