//! What people look at: live figures ("so far", from the workers' counter rows) and the report (exact, from the ledger).

use crate::figures::{self, WorkerFigures};
use crate::{Control, ControlError, WhoDidWhat};
use common::campaign::{Campaign, State};
use common::fleet::{CounterRow, WorkerRow};
use common::ids::CampaignId;
use common::limits::HEARTBEAT_GOOD_FOR;
use common::outcome::{Class, Outcome};
use common::ports::Depth;
use common::report::Books;
use common::snapshot::Manifest;
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sums of the workers' counters: so far, and a second or so behind.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Accepted, by gateway.
    pub accepted: BTreeMap<String, u64>,
    /// Refused for good.
    pub rejected: u64,
    /// Without an answer.
    pub ambiguous: u64,
    /// Not sent before the deadline.
    pub expired: u64,
    /// Outcomes other than accepted, by name.
    pub by_reason: BTreeMap<String, u64>,
    /// Batches completed.
    pub batches: u64,
    /// Shard envelopes that interim workers received.
    pub fifo_envelopes: u64,
    /// Batches that interim workers put on the batch queue.
    pub expanded: u64,
    /// Outcomes by second since 1970.
    pub per_second: BTreeMap<i64, u64>,
    /// Answers by milliseconds from the press (a canary's: from its own start), in powers of two: entry `i` counts those
    /// below 2^i ms and not below the one before.
    #[serde(default)]
    pub latency: Vec<u64>,
}

impl Tally {
    /// Devices that have an outcome.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.accepted.values().sum::<u64>() + self.rejected + self.ambiguous + self.expired
    }

    /// Adds rows up.
    #[must_use]
    pub fn of(rows: &[CounterRow]) -> Self {
        let mut tally = Self::default();
        rows.iter().for_each(|row| tally.add(row));
        tally
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: &CounterRow) {
        self.batches += u64::from(row.batches);
        self.fifo_envelopes += u64::from(row.shards_received);
        self.expanded += u64::from(row.expanded);
        figures::add(&mut self.latency, &row.latency);
        for (byte, n) in &row.outcomes {
            self.outcome(*byte, u64::from(*n), row.second);
        }
    }

    fn outcome(&mut self, byte: u8, n: u64, second: i64) {
        let (outcome, platform) = Outcome::from_byte(byte);
        match outcome.class() {
            Class::Accepted => *self.accepted.entry(platform.label().to_owned()).or_default() += n,
            Class::Rejected => self.rejected += n,
            Class::Ambiguous => self.ambiguous += n,
            Class::Expired => self.expired += n,
            Class::Pending | Class::Aborted => return,
        }
        if outcome != Outcome::Accepted {
            *self.by_reason.entry(outcome.label().to_owned()).or_default() += n;
        }
        *self.per_second.entry(second).or_default() += n;
    }
}

/// A campaign as it stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The record.
    pub campaign: Campaign,
    /// Now.
    pub at: UnixMs,
    /// Devices in the snapshot.
    pub devices: u64,
    /// Figures so far.
    pub so_far: Tally,
    /// Shards whose envelope is on the queue or expanded, in the live run.
    pub shards_dispatched: u64,
    /// Shards expanded in the live run.
    pub shards_expanded: u64,
    /// The FIFO queue: visible and in flight.
    pub shard_queue: (u64, u64),
    /// The batch queue: visible and in flight.
    pub batch_queue: (u64, u64),
}

/// The after-action report, exact: its books are made from the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The record: who created, armed, pressed, stopped; runs; options.
    pub campaign: Campaign,
    /// When this report was made.
    pub at: UnixMs,
    /// Whether the books can still change.
    pub is_final: bool,
    /// The books.
    pub books: Books,
    /// Users in the snapshot.
    pub users: u64,
    /// Lines uploaded.
    pub uploaded: u64,
    /// Users left out, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Shard envelopes received by interim workers.
    pub fifo_envelopes: u64,
    /// Outcomes per second, from the workers' counters.
    pub per_second: BTreeMap<i64, u64>,
    /// The push workers that counted anything, slowest first, from their counters.
    #[serde(default)]
    pub workers: Vec<WorkerFigures>,
    /// Who did what to it.
    #[serde(default)]
    pub trail: WhoDidWhat,
}

fn no_report(campaign: &Campaign) -> ControlError {
    let name = &campaign.name;
    ControlError::NotFound(format!("`{name}` has no snapshot yet, so there is nothing to report"))
}

fn pair(depth: Depth) -> (u64, u64) {
    (depth.visible + depth.delayed, depth.in_flight)
}

impl Control {
    /// All rows, each read now.
    async fn rows(&self, campaign: &Campaign) -> Result<Vec<CounterRow>, ControlError> {
        let Some(first) = campaign.runs.first() else { return Ok(Vec::new()) };
        Ok(self.backend.fleet.counters(campaign.id, first.stamp.at.0.div_euclid(1000)).await?)
    }

    /// What the workers have counted for a campaign so far.
    ///
    /// # Errors
    /// As the backend says.
    pub async fn so_far(&self, campaign: &Campaign) -> Result<Tally, ControlError> {
        self.counted(campaign).await
    }

    /// How a campaign stands now.
    ///
    /// # Errors
    /// When there is no such campaign.
    pub async fn status(&self, id: CampaignId) -> Result<Status, ControlError> {
        let campaign = self.get(id).await?;
        let so_far = self.counted(&campaign).await?;
        let epoch = campaign.runs.last().map(|r| r.epoch);
        let shards = if epoch.is_some() { self.backend.ledger.shards(id).await? } else { Vec::new() };
        let of_run = || shards.iter().filter(|s| Some(s.epoch) == epoch);
        Ok(Status {
            devices: campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count),
            shards_dispatched: of_run().count() as u64,
            shards_expanded: of_run().filter(|s| s.expanded_at.is_some()).count() as u64,
            shard_queue: pair(self.backend.shards.depth().await?),
            batch_queue: pair(self.backend.batches.depth().await?),
            at: self.clock.now(),
            so_far,
            campaign,
        })
    }

    /// The report. While sending, its books are read from the ledger as they are now.
    ///
    /// # Errors
    /// When there is no such campaign, or nothing of it was ever sent.
    pub async fn report(&self, id: CampaignId) -> Result<Report, ControlError> {
        let campaign = self.get(id).await?;
        let books = self.books(&campaign).await?;
        let Some(snapshot) = campaign.snapshot.clone() else { return Err(no_report(&campaign)) };
        let rows = self.rows(&campaign).await?;
        let tally = Tally::of(&rows);
        Ok(Report {
            at: self.clock.now(),
            is_final: campaign.state == State::Done,
            books,
            users: snapshot.users,
            uploaded: snapshot.uploaded,
            dropped: snapshot.dropped.iter().map(|(reason, n)| (reason.label().to_owned(), *n)).collect(),
            fifo_envelopes: tally.fifo_envelopes,
            per_second: tally.per_second,
            workers: figures::slowest(&rows),
            trail: self.who_did_what(id).await,
            campaign,
        })
    }

    /// The books as they were closed; while sending, as the ledger has them now.
    pub(crate) async fn books(&self, campaign: &Campaign) -> Result<Books, ControlError> {
        if campaign.snapshot.is_none() {
            return Err(no_report(campaign));
        }
        match (&campaign.books, campaign.state) {
            (Some(books), State::Done | State::Stopped) => Ok(books.clone()),
            _ => Ok(self.read_books(campaign, false).await?.books),
        }
    }

    /// Live workers' heartbeat rows.
    ///
    /// # Errors
    /// As the backend says.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, ControlError> {
        Ok(self.backend.fleet.workers(self.clock.now().minus(HEARTBEAT_GOOD_FOR)).await?)
    }

    /// The manifest of a campaign's snapshot, for listing it.
    ///
    /// # Errors
    /// When there is no snapshot.
    pub async fn snapshot_manifest(&self, id: CampaignId) -> Result<Manifest, ControlError> {
        self.manifest(&self.get(id).await?).await
    }
}
