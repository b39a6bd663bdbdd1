//! The shape of a live event. Pure.

use common::campaign::{Build, Run, Stamp, State, Stop};
use common::fleet::{Role, WorkerRow};
use common::ids::CampaignId;
use common::report::Books;
use common::time::UnixMs;
use control::{Status, about_ms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds shown at most, the newest ones.
const SECONDS_MAX: usize = 120;
/// A canary counts as moving for this many seconds after its last answer.
const FRESH_S: i64 = 10;
/// Whole seconds whose rate a projection is made from.
const RATE_SECONDS: i64 = 4;
/// Rows of the last seconds are not all there yet, and the second that lasts is not over.
const ROWS_BEHIND: i64 = 2;
/// Rows that are older than this don't come late: nothing was counted since.
const STALLED_AFTER: i64 = 4;

/// A campaign as people watch it. The counts are "so far", from the workers' counters, and a second or so behind; once
/// there are books (`exact`) they are the books'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Live {
    /// Which campaign.
    pub campaign: CampaignId,
    /// When this was computed.
    pub at: UnixMs,
    /// Where it stands.
    pub state: State,
    /// The record's version: whoever has an older one reads the campaign again.
    pub version: u64,
    /// The first press.
    pub pressed: Option<Stamp>,
    /// The newest run.
    pub run: Option<Run>,
    /// The newest stop.
    pub stop: Option<Stop>,
    /// The build under way.
    pub build: Option<Build>,
    /// Devices in the snapshot.
    pub devices: u64,
    /// Devices that have an outcome.
    pub settled: u64,
    /// Accepted, by gateway. Nobody knows whether they were delivered.
    pub accepted: BTreeMap<String, u64>,
    /// Refused for good.
    pub rejected: u64,
    /// Sent without an answer.
    pub ambiguous: u64,
    /// Not sent before the deadline.
    pub expired: u64,
    /// Not sent because of a stop; known once it has stopped.
    pub aborted: u64,
    /// Outcomes other than accepted, by name.
    pub by_reason: BTreeMap<String, u64>,
    /// The counts are exact: from the ledger, and final for this run.
    pub exact: bool,
    /// Outcomes of the last two minutes: second since 1970 and count, with the empty seconds between.
    pub per_second: Vec<(i64, u64)>,
    /// Half of the answers came within this time from the press; about, unless `exact`.
    pub p50_ms: Option<u64>,
    /// 99 in 100 of them.
    pub p99_ms: Option<u64>,
    /// When everything has its outcome, if it goes on as in the last seconds.
    pub finish_at: Option<UnixMs>,
    /// Envelopes in all.
    pub shards: u16,
    /// Envelopes on their way or expanded.
    pub shards_dispatched: u64,
    /// Envelopes expanded.
    pub shards_expanded: u64,
    /// The queue of batches: visible and in flight.
    pub batch_queue: (u64, u64),
    /// The workers.
    pub workers: LiveWorkers,
}

/// The workers, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LiveWorkers {
    /// Interim workers.
    pub interim: Ready,
    /// Push workers.
    pub push: Ready,
    /// Batches that push workers hold now.
    pub claims: u32,
    /// What the first of them complain about.
    pub trouble: Vec<String>,
}

/// Workers of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// With a fresh heartbeat.
    pub live: u32,
    /// Ready for this campaign.
    pub ready: u32,
}

/// Complaints shown at most.
const TROUBLE_MAX: usize = 3;

impl LiveWorkers {
    fn of(rows: &[WorkerRow], campaign: CampaignId) -> Self {
        let mut all = Self::default();
        for row in rows {
            let of_role = match row.role {
                Role::Interim => &mut all.interim,
                Role::Push => &mut all.push,
            };
            of_role.live += 1;
            of_role.ready += u32::from(row.ready && !row.tripped && row.campaign == Some(campaign));
            all.claims += if row.role == Role::Push { row.claims } else { 0 };
            let known = |why: &&String| !all.trouble.contains(why);
            if let Some(why) = row.trouble.as_ref().filter(known).filter(|_| all.trouble.len() < TROUBLE_MAX)
            {
                all.trouble.push(why.clone());
            }
        }
        all
    }
}

impl Live {
    /// What a status and the workers' rows come to.
    #[must_use]
    pub fn of(status: Status, workers: &[WorkerRow]) -> Self {
        let Status { campaign, at, devices, so_far, shards_dispatched, shards_expanded, batch_queue, .. } =
            status;
        let mut live = Self {
            campaign: campaign.id,
            at,
            state: campaign.state,
            version: campaign.version,
            shards: campaign.frozen().map_or(campaign.options.shards, |f| f.shards),
            pressed: campaign.pressed,
            run: campaign.runs.last().cloned(),
            stop: campaign.stops.last().cloned(),
            build: campaign.build,
            devices,
            settled: so_far.settled().min(devices),
            per_second: seconds(&so_far.per_second),
            p50_ms: about_ms(&so_far.latency, 500),
            p99_ms: about_ms(&so_far.latency, 990),
            finish_at: None,
            accepted: so_far.accepted,
            rejected: so_far.rejected,
            ambiguous: so_far.ambiguous,
            expired: so_far.expired,
            aborted: 0,
            by_reason: so_far.by_reason,
            exact: false,
            shards_dispatched,
            shards_expanded,
            batch_queue,
            workers: LiveWorkers::of(workers, campaign.id),
        };
        if live.state == State::Sending {
            live.finish_at = finish(&so_far.per_second, live.devices - live.settled, at);
        }
        if let Some(books) = campaign.books.filter(|_| matches!(live.state, State::Stopped | State::Done)) {
            live.take(&books);
        }
        live
    }

    /// Something happens that people watch closely.
    pub(crate) fn is_moving(&self) -> bool {
        let newest = self.per_second.last().map(|(second, _)| *second);
        let fresh = newest.is_some_and(|second| self.at.0.div_euclid(1000) - second < FRESH_S);
        let canary = self.state == State::Armed && fresh;
        canary || matches!(self.state, State::Sending | State::Stopping)
    }

    /// The books are exact: what they say replaces what was counted.
    fn take(&mut self, books: &Books) {
        let ms = |ms: Option<i64>| ms.and_then(|ms| u64::try_from(ms).ok());
        self.exact = true;
        self.settled = books.devices - books.pending - books.aborted;
        (self.rejected, self.ambiguous) = (books.rejected, books.ambiguous);
        (self.expired, self.aborted) = (books.expired, books.aborted);
        (self.p50_ms, self.p99_ms) = (ms(books.times.p50_ms), ms(books.times.p99_ms));
        (self.accepted, self.by_reason) = (BTreeMap::new(), BTreeMap::new());
        for (gateway, labels) in &books.by_outcome {
            for (label, n) in labels {
                match label.as_str() {
                    "accepted" => drop(self.accepted.insert(gateway.clone(), *n)),
                    "aborted" | "pending" | "unsent" => {}
                    _ => *self.by_reason.entry(label.clone()).or_default() += n,
                }
            }
        }
    }
}

/// The newest seconds, without gaps.
fn seconds(counts: &BTreeMap<i64, u64>) -> Vec<(i64, u64)> {
    let (Some((first, _)), Some((last, _))) = (counts.first_key_value(), counts.last_key_value()) else {
        return Vec::new();
    };
    let span = i64::try_from(SECONDS_MAX).unwrap_or(i64::MAX);
    let first = (*first).max(last.saturating_sub(span - 1));
    (first..=*last).map(|second| (second, counts.get(&second).copied().unwrap_or(0))).collect()
}

/// When the rest is done at the rate of the newest seconds that are complete; `None` while there is no rate.
fn finish(counts: &BTreeMap<i64, u64>, open: u64, at: UnixMs) -> Option<UnixMs> {
    let now = at.0.div_euclid(1000);
    let (oldest, newest) = (*counts.first_key_value()?.0, *counts.last_key_value()?.0);
    let last = (now - ROWS_BEHIND).min(newest.max(now - STALLED_AFTER));
    let first = oldest.max(last + 1 - RATE_SECONDS);
    let ms = u64::try_from((last + 1 - first) * 1000).ok().filter(|ms| *ms > 0 && open > 0)?;
    let n: u64 = counts.range(first..=last).map(|(_, n)| n).sum();
    let left = (u128::from(open) * u128::from(ms)).checked_div(u128::from(n))?;
    Some(UnixMs(at.0.saturating_add(i64::try_from(left).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_no_gaps_and_an_end() {
        assert_eq!(seconds(&BTreeMap::new()), []);
        assert_eq!(seconds(&BTreeMap::from([(5, 1), (8, 2)])), [(5, 1), (6, 0), (7, 0), (8, 2)]);
        let long = seconds(&BTreeMap::from([(0, 1), (1_000_000, 2)]));
        assert_eq!((long.len(), long[SECONDS_MAX - 1]), (SECONDS_MAX, (1_000_000, 2)));
    }

    #[test]
    fn a_projection_needs_a_rate() {
        let at = UnixMs(10_500);
        assert_eq!(finish(&BTreeMap::new(), 100, at), None);
        // The second that lasts, and the one before it, say nothing about the rate.
        assert_eq!(finish(&BTreeMap::from([(9, 50), (10, 50)]), 100, at), None);
        let counts = BTreeMap::from([(1, 9_000), (7, 100), (8, 300), (9, 10), (10, 5)]);
        assert_eq!(finish(&counts, 100, at), Some(UnixMs(11_500)));
        assert_eq!(finish(&counts, 0, at), None);
        // Just begun: fewer seconds. Standing still: the empty seconds count.
        assert_eq!(finish(&BTreeMap::from([(8, 200), (9, 1)]), 100, at), Some(UnixMs(11_000)));
        assert_eq!(finish(&BTreeMap::from([(2, 800), (4, 200)]), 100, at), Some(UnixMs(12_500)));
        assert_eq!(finish(&BTreeMap::from([(1, 800)]), 100, at), None);
    }
}
