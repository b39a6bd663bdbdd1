//! Stops in mid-blast: who was reached is held, device by device, against the gateways' journal, and then the rest is sent.

use super::{Demo, LOOK};
use crate::output::{self, outln};
use crate::up::Running;
use crate::way::verify::{Against, held_against};
use anyhow::{Context, ensure};
use common::campaign::{Campaign, State};
use control::Status;
use loadtest::gateways::AdminClient;
use loadtest::gateways::journal::Summary;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// For so long after `stopped` the gateways are watched: nothing may come.
const SILENT_FOR: Duration = Duration::from_secs(1);
/// The last push leaves no later than this after the stop was written down.
const LEAVES_WITHIN_MS: i64 = 1_000;

/// What one stop came to.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Stopped {
    /// Devices that were settled when it was asked for.
    settled: u64,
    /// Devices that the ledger calls accepted, once it was stopped.
    accepted: u64,
    /// Devices of which nobody knows: written, never answered.
    ambiguous: u64,
    /// Devices that the gateways had accepted.
    gateway_accepted: u64,
    /// From `stopping` to `stopped`, in milliseconds.
    stopped_after_ms: i64,
    /// From `stopping` to the gateways' last answer, in milliseconds; less than nothing if that came before.
    last_answer_after_ms: i64,
    /// Devices about which ledger and gateways differ: called accepted and never heard of, or accepted and called unsent.
    differ: u64,
    /// Requests that came after `stopped`, not counting those that a deaf gateway's own buffers held.
    late_requests: u64,
}

impl Stopped {
    fn faults(&self, round_trip_ms: u64, reads_slowly: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if self.differ > 0 {
            faults.push(format!("after a stop ledger and gateways differ about {} devices", self.differ));
        }
        // What lies in a deaf gateway's own buffers has left before, and is answered when it hears again.
        let most = LEAVES_WITHIN_MS + i64::try_from(round_trip_ms).unwrap_or(i64::MAX);
        if !reads_slowly && self.last_answer_after_ms > most {
            faults.push(format!("a push was answered {} ms after the stop", self.last_answer_after_ms));
        }
        if self.late_requests > 0 {
            faults.push(format!("{} requests came after `stopped`", self.late_requests));
        }
        faults
    }
}

/// What all stops came to.
pub(super) fn faults(stops: &[Stopped], round_trip_ms: u64, reads_slowly: bool) -> Vec<String> {
    stops.iter().flat_map(|stop| stop.faults(round_trip_ms, reads_slowly)).collect()
}

/// For people.
pub(super) fn print(stops: &[Stopped]) {
    for stop in stops {
        outln!(
            "stopped     at {}: {} accepted, {} ambiguous; `stopped` after {} ms, the last answer {:+} ms from the stop; \
             {} devices about which ledger and gateways differ",
            output::count(stop.settled),
            output::count(stop.accepted),
            output::count(stop.ambiguous),
            stop.stopped_after_ms,
            stop.last_answer_after_ms,
            stop.differ
        );
    }
}

impl Demo<'_> {
    /// Stops, looks, and resumes.
    pub(super) fn stop(&self, id: &str, settled: u64, running: &Running) -> anyhow::Result<Stopped> {
        let admin = AdminClient::new(&self.gateways.info.admin);
        if self.args.slow_reader.is_some() {
            self.deaf(&admin, true)?;
        }
        let stopping: Campaign = self.way.client.post(&format!("/v1/campaigns/{id}/abort"), &json!({}))?;
        let asked = stopping.stops.last().context("a stop that is not written down")?.stamp.at;
        if let Some(deaf_for) = self.args.slow_reader {
            std::thread::sleep(deaf_for);
            self.deaf(&admin, false)?;
        }
        let stopped = loop {
            let status: Status = self.way.client.get(&format!("/v1/campaigns/{id}/status"))?;
            if status.campaign.state == State::Stopped {
                break status.campaign;
            }
            ensure!(status.campaign.state == State::Stopping, "it was over before it could be stopped");
            std::thread::sleep(LOOK);
        };
        let before = self.at_rest(&admin)?;
        std::thread::sleep(SILENT_FOR);
        let after = self.runtime.block_on(admin.summary())?;
        let journal = self.runtime.block_on(admin.journal())?;
        let found = running.block_on(held_against(running.backend(), &stopped, &journal))?;
        let Against { accepted, ambiguous, differ, .. } = found;
        let stopped_at = stopped.stops.last().and_then(|stop| stop.stopped_at).unwrap_or(asked);
        let last = i64::try_from(after.last_answer_unix_ms).unwrap_or(i64::MAX);
        let stop = Stopped {
            settled,
            accepted,
            ambiguous,
            differ,
            gateway_accepted: after.accepted_devices,
            stopped_after_ms: stopped_at.0 - asked.0,
            last_answer_after_ms: last - asked.0,
            late_requests: after.requests - before.requests,
        };
        let (accepted, ms) = (output::count(stop.accepted), stop.stopped_after_ms);
        self.way.say.line(&format!("stopped     at {accepted} devices, {ms} ms after the stop; resuming"));
        let _: Campaign = self.way.client.post(&format!("/v1/campaigns/{id}/resume"), &json!({}))?;
        Ok(stop)
    }

    /// The gateways' counts, once they have read what their own buffers held: that had left before.
    fn at_rest(&self, admin: &AdminClient) -> anyhow::Result<Summary> {
        let mut before = self.runtime.block_on(admin.summary())?;
        loop {
            std::thread::sleep(LOOK);
            let now = self.runtime.block_on(admin.summary())?;
            if now.requests == before.requests {
                return Ok(now);
            }
            before = now;
        }
    }

    fn deaf(&self, admin: &AdminClient, pause: bool) -> anyhow::Result<()> {
        let behaviour = self.runtime.block_on(admin.behaviour())?;
        let behaviour = loadtest::gateways::Behaviour { pause, ..behaviour };
        self.runtime.block_on(admin.set_behaviour(&behaviour)).context("cannot reach the gateways")
    }
}
