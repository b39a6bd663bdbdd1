//! While it sends: looks, and what is done to it in between.

use super::stop::Stopped;
use super::{Demo, LOOK};
use crate::output;
use crate::way::interrupted;
use crate::way::stage::Stage;
use anyhow::bail;
use common::campaign::State;
use control::Status;
use std::time::Instant;

/// What was done while it sent.
#[derive(Default)]
pub(super) struct Blast {
    /// Devices that were settled when it was killed, if it was.
    pub(super) killed_at: Option<u64>,
    pub(super) stops: Vec<Stopped>,
}

const OVER_TOO_SOON: &str = "it was over too soon: take more users, or a longer --round-trip-ms";

impl Demo<'_> {
    /// Waits for the end; kills or stops in between, as it was told.
    pub(super) fn watch(&self, id: &str, devices: u64, stage: &Stage) -> anyhow::Result<Blast> {
        let bar = output::progress("sending", Some(devices));
        let mut blast = Blast::default();
        let waits = self.args.kill_at.is_some() || !self.args.stop_at.is_empty();
        loop {
            let status: Status = self.way.client.get(&format!("/v1/campaigns/{id}/status"))?;
            let settled = status.so_far.settled();
            bar.set_position(settled.min(devices));
            let kill_at = self.args.kill_at.filter(|_| blast.killed_at.is_none());
            let next = kill_at.or_else(|| self.args.stop_at.get(blast.stops.len()).copied());
            if status.campaign.state == State::Done {
                bar.finish_and_clear();
                if next.is_some() {
                    bail!(OVER_TOO_SOON);
                }
                return Ok(blast);
            }
            // The live counters are a second old at times: what the gateways answered is known at once.
            let settled = if waits { self.answered()? } else { settled };
            let due = next.is_some_and(|percent| settled * 100 >= devices * u64::from(percent));
            match stage {
                Stage::Apart(_) if due && settled >= devices => bail!(OVER_TOO_SOON),
                Stage::Apart(apart) if due => {
                    let began = Instant::now();
                    let before = apart.pid();
                    apart.kill_and_start_again()?;
                    interrupted::started_again(before, apart.pid());
                    let (count, ms) = (output::count(settled), began.elapsed().as_millis());
                    self.way
                        .say
                        .line(&format!("killed      kill -9 at {count} devices; up again after {ms} ms"));
                    blast.killed_at = Some(settled);
                }
                Stage::Here(running) if due => blast.stops.push(self.stop(id, settled, running)?),
                _ => std::thread::sleep(if waits { LOOK / 10 } else { LOOK }),
            }
        }
    }

    /// Devices that the gateways gave a final answer.
    fn answered(&self) -> anyhow::Result<u64> {
        self.gateways_say().map(|summary| summary.accepted_devices + summary.rejected_devices)
    }
}
