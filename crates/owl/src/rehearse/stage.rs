//! The machine room of a rehearsal: gateways, all roles, campaigns one after the other, and the proof at the end.

use super::figures;
use crate::client::Client;
use crate::way::gateways::GatewayProcess;
use crate::way::interrupted;
use crate::way::stage::{Apart, Stage};
use crate::way::verify::{held_against, verify};
use crate::way::{Made, Say, Sent, Source, Way};
use crate::{output, process};
use anyhow::{Context, ensure};
use common::campaign::{Campaign, SnapshotRef};
use loadtest::gateways::journal::Summary;
use loadtest::gateways::{AdminClient, Behaviour, RoundTrip};
use loadtest::rehearse::{self as rehearsal, Pressed, Rehearsal, Scenario};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A scenario, to be run.
pub(super) struct Rehearsed<'a> {
    pub(super) say: Say,
    pub(super) scenario: &'a Scenario,
}

/// One size of audience: what runs while it is pressed.
pub(super) struct Room<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) way: Way<'a>,
    pub(super) apart: &'a Apart,
    admin: &'a AdminClient,
    /// Their process.
    gateways: u32,
    runtime: &'a Runtime,
    made: Made,
}

impl Rehearsed<'_> {
    /// Runs all of it.
    pub(super) fn run(&self) -> anyhow::Result<Rehearsal> {
        let machine = figures::machine();
        let mut done = Rehearsal {
            about: self.scenario.about.clone(),
            began_unix_ms: figures::unix_ms(),
            machine,
            ..Rehearsal::default()
        };
        for &users in &self.scenario.audience.users {
            match self.size(users, &mut done.presses) {
                Ok(gateways) => done.gateways = gateways,
                // What was measured before is worth keeping.
                Err(error) => {
                    done.failed = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        for pressed in &mut done.presses {
            pressed.limits = rehearsal::limits(pressed, done.machine.cores);
            pressed.judged = rehearsal::judge(&self.scenario.objectives, pressed);
        }
        done.growth = rehearsal::judge_growth(&self.scenario.objectives, &done.presses);
        let all = done.presses.iter().flat_map(|p| &p.judged).chain(&done.growth);
        let holds = all.into_iter().all(|judged| judged.holds);
        done.passed = holds && !done.presses.is_empty() && done.failed.is_none();
        Ok(done)
    }

    /// One audience in a fresh directory, pressed as often as asked. Answers what the gateways were.
    fn size(&self, users: u64, presses: &mut Vec<Pressed>) -> anyhow::Result<String> {
        let scratch = tempfile::Builder::new()
            .prefix("owl-rehearsal-")
            .tempdir()
            .context("cannot make a scratch directory")?;
        let data_dir = scratch.path().join("data");
        let gateways = GatewayProcess::start(&scratch.path().join("gateways"), &[])?;
        let admin = AdminClient::new(&gateways.info.admin);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before anybody connects: some settings are for new connections.
        runtime
            .block_on(admin.set_behaviour(&self.scenario.gateways))
            .context("cannot reach the gateways")?;
        let token = api::access::mint().map_err(anyhow::Error::msg)?;
        let flags = self.flags(scratch.path())?;
        let apart = Apart::start(&gateways.info, scratch.path(), &data_dir, &token, flags)?;
        let stage = Stage::Apart(Box::new(apart));
        let client = Client::new(&stage.url(), Some(token));
        let way = Way { client: &client, say: self.say };
        let Stage::Apart(apart) = &stage else { return Err(super::nothing()) };
        let made = Made::new(users, &self.scenario.audience);
        let pid = gateways.pid();
        let room = Room {
            scenario: self.scenario,
            way,
            apart,
            admin: &admin,
            gateways: pid,
            runtime: &runtime,
            made,
        };
        let _open = interrupted::Open::new(scratch.path(), &[apart.pid(), pid]);
        let last = room.press_all(presses)?;
        let running = stage.into_running()?;
        let proof = running.block_on(prove(&running, &last, &admin, presses));
        running.stop();
        proof?;
        Ok(format!("{:?}", gateways.info.mode).to_lowercase())
    }

    /// Flags of `owl up`.
    fn flags(&self, scratch: &Path) -> anyhow::Result<Vec<String>> {
        let fleet = &self.scenario.fleet;
        let lines = [
            fleet.lanes.map(|lanes| format!("lanes = {lanes}\n")),
            fleet.devices_in_flight.map(|devices| format!("devices_in_flight = {devices}\n")),
        ];
        let file = scratch.join("owl.toml");
        std::fs::write(&file, lines.into_iter().flatten().collect::<String>())
            .context("cannot write a configuration")?;
        let round_trip = round_trip_ms(&self.scenario.gateways);
        let file = file.to_string_lossy().into_owned();
        let mut flags =
            vec!["--config".to_owned(), file, "--round-trip-ms".to_owned(), round_trip.to_string()];
        if let Some(connections) = fleet.connections {
            flags.extend(["--connections".to_owned(), connections.to_string()]);
        }
        Ok(flags)
    }
}

/// How long answers take, nine out of ten of them.
fn round_trip_ms(gateways: &Behaviour) -> u64 {
    let nine_of_ten = |round_trip: &RoundTrip| Duration::from_secs_f64(round_trip.at_ms(0.9) / 1000.0);
    let slowest =
        [&gateways.round_trip, &gateways.fcm_round_trip].into_iter().flatten().map(nine_of_ten).max();
    slowest.map_or(u64::from(gateways.round_trip_ms), |slowest| {
        u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Ledger against journal, device by device, for the last press.
async fn prove(
    running: &crate::up::Running,
    campaign: &Campaign,
    admin: &AdminClient,
    presses: &mut [Pressed],
) -> anyhow::Result<()> {
    let journal = admin.journal().await.context("cannot read the gateways' journal")?;
    let against = held_against(running.backend(), campaign, &journal).await?;
    let verdict = verify(running.backend(), campaign, &journal).await?;
    let Some(last) = presses.last_mut() else { return Err(super::nothing()) };
    let c = &mut last.counted;
    (c.lost, c.strangers, c.doubled) = (against.differ, verdict.strangers, verdict.duplicates);
    (c.seen, c.doubled_unexplained) = (verdict.accepted, against.unexplained);
    Ok(())
}

impl Room<'_> {
    /// Presses as often as asked. Answers the last campaign.
    fn press_all(&self, presses: &mut Vec<Pressed>) -> anyhow::Result<Campaign> {
        let source = Source::Made(&self.made);
        let wanted = &self.scenario.campaign;
        let began = Instant::now();
        let more = |number: u32| {
            let time_left = wanted.keep_pressing_for.is_some_and(|span| began.elapsed() < span.0);
            number <= wanted.presses || time_left
        };
        let mut last = None;
        for number in (1..).take_while(|number| more(*number)) {
            if number > 1 {
                self.runtime.block_on(self.admin.reset()).context("cannot reach the gateways")?;
                self.set_gateways(&self.scenario.gateways)?;
            }
            // Each time: the last press's dead tokens were taken out.
            self.way.import(source)?;
            let (pressed, campaign) = self.press_once(number, source)?;
            presses.push(pressed);
            last = Some(campaign);
        }
        last.ok_or_else(super::nothing)
    }

    fn press_once(&self, number: u32, source: Source<'_>) -> anyhow::Result<(Pressed, Campaign)> {
        let wanted = &self.scenario.campaign;
        let sent = Sent {
            silent: wanted.silent,
            deadline: wanted.deadline.0,
            shards: wanted.shards,
            batch_users: wanted.batch_users,
        };
        let campaign = self.way.create(&format!("rehearsal {number}"), sent)?;
        let id = campaign.id.to_string();
        let campaign = self.way.upload(&id, source)?;
        let preload_ms = self.way.arm(&id)?;
        let devices = campaign.snapshot.as_ref().map_or(0, SnapshotRef::device_count);
        let cpu = self.used();
        let began = Instant::now();
        let (_, receipt_ms) = self.way.press(&id)?;
        let seen = self.watch(&id, devices, began)?;
        let said = self.gateways_say()?;
        ensure!(
            said.overflow == 0,
            "the gateways' journal has no room for so many devices: take fewer users"
        );
        let report = self.way.report(&id)?;
        let measured = figures::of(&report);
        let (sending_ms, used) = seen.used_until(measured.steps.completed.times.last_ms.unwrap_or(0));
        let pid = Some(self.apart.pid());
        let mut pressed = Pressed {
            receipt_ms: i64::try_from(receipt_ms).unwrap_or(i64::MAX),
            samples: seen.samples,
            happened: seen.happened,
            wall_ms: seen.wall_ms,
            cpu_seconds: used.0 - cpu.0,
            gateway_cpu_seconds: used.1 - cpu.1,
            sending_ms,
            rss_bytes: process::rss_bytes(pid),
            peak_rss_bytes: self.apart.peak_rss_bytes(),
            open_files: process::open_files(pid),
            build_ms: campaign.snapshot.as_ref().map_or(0, |s| s.build_ms),
            preload_ms,
            ..measured
        };
        figures::journal(&mut pressed, &said);
        let line = format!(
            "sent        {} accepted, {} refused, the last after {} ms",
            output::count(pressed.counted.accepted),
            output::count(pressed.counted.rejected),
            pressed.steps.accepted.times.last_ms.unwrap_or(0)
        );
        self.way.say.line(&line);
        Ok((pressed, report.campaign))
    }

    /// Processor time of ours and of the gateways so far, in seconds.
    pub(super) fn used(&self) -> (f64, f64) {
        (self.apart.cpu_seconds(), process::cpu_seconds(Some(self.gateways)))
    }

    pub(super) fn gateways_say(&self) -> anyhow::Result<Summary> {
        self.runtime.block_on(self.admin.summary()).context("cannot reach the gateways' process")
    }

    /// Changes how the gateways behave.
    pub(super) fn set_gateways(&self, behaviour: &Behaviour) -> anyhow::Result<()> {
        self.runtime.block_on(self.admin.set_behaviour(behaviour)).context("cannot reach the gateways")
    }
}

/// How often a rehearsal looks.
pub(super) const LOOK: Duration = Duration::from_millis(50);
