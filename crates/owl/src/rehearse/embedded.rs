//! The stage of a rehearsal on one machine: all roles in a process of their own, stand-in gateways in another, data in a
//! directory that goes with it.

use super::stage::{Proof, Stage};
use super::standins::StandIns;
use crate::client::Client;
use crate::process;
use crate::way::gateways::GatewayProcess;
use crate::way::interrupted::{self, Open};
use crate::way::stage::Apart;
use crate::way::verify::{held_against, verify};
use crate::way::{Made, Source, Way};
use anyhow::{Context, bail};
use common::campaign::Campaign;
use loadtest::gateways::{Behaviour, RoundTrip};
use loadtest::rehearse::{Audience, Pressed, Scenario, What};
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// What was started. The fields end in this order.
pub(super) struct Embedded {
    _open: Open,
    apart: Apart,
    client: Client,
    standins: StandIns,
    gateways: GatewayProcess,
    _scratch: TempDir,
}

impl Embedded {
    /// Starts everything, in a fresh directory.
    pub(super) fn start(scenario: &Scenario) -> anyhow::Result<Self> {
        let scratch = tempfile::Builder::new()
            .prefix("owl-rehearsal-")
            .tempdir()
            .context("cannot make a scratch directory")?;
        let gateways = GatewayProcess::start(&scratch.path().join("gateways"), &[])?;
        let standins = StandIns::new(std::slice::from_ref(&gateways.info.admin))?;
        // Before anybody connects: some settings are for new connections.
        standins.set(&scenario.gateways)?;
        let token = api::access::mint().map_err(anyhow::Error::msg)?;
        let flags = flags(scenario, scratch.path())?;
        let data_dir = scratch.path().join("data");
        let apart = Apart::start(&gateways.info, scratch.path(), &data_dir, &token, flags)?;
        let client = Client::new(apart.url(), Some(token));
        let open = Open::new(scratch.path(), &[apart.pid(), gateways.pid()]);
        Ok(Self { _open: open, apart, client, standins, gateways, _scratch: scratch })
    }
}

/// Flags of `owl up`.
fn flags(scenario: &Scenario, scratch: &Path) -> anyhow::Result<Vec<String>> {
    let fleet = &scenario.fleet;
    let lines = [
        fleet.lanes.map(|lanes| format!("lanes = {lanes}\n")),
        fleet.devices_in_flight.map(|devices| format!("devices_in_flight = {devices}\n")),
    ];
    let file = scratch.join("owl.toml");
    std::fs::write(&file, lines.into_iter().flatten().collect::<String>())
        .context("cannot write a configuration")?;
    let round_trip = round_trip_ms(&scenario.gateways);
    let file = file.to_string_lossy().into_owned();
    let mut flags = vec!["--config".to_owned(), file, "--round-trip-ms".to_owned(), round_trip.to_string()];
    if let Some(connections) = fleet.connections {
        flags.extend(["--connections".to_owned(), connections.to_string()]);
    }
    if let Some(quota) = fleet.fcm_quota_per_minute {
        flags.extend(["--fcm-quota-per-minute".to_owned(), quota.to_string()]);
    }
    Ok(flags)
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

impl Stage for Embedded {
    fn client(&self) -> &Client {
        &self.client
    }

    fn gateways(&self) -> Option<&StandIns> {
        Some(&self.standins)
    }

    fn mode(&self) -> anyhow::Result<String> {
        Ok(format!("{:?}", self.gateways.info.mode).to_lowercase())
    }

    fn audience(&self, users: u64, audience: &Audience) -> Made {
        Made::new(users, audience)
    }

    /// Each time: the last press's dead tokens were taken out.
    fn fill(&self, way: &Way<'_>, made: &Made) -> anyhow::Result<()> {
        way.import(Source::Made(made))
    }

    fn used(&self) -> (f64, f64) {
        (self.apart.cpu_seconds(), process::cpu_seconds(Some(self.gateways.pid())))
    }

    fn measure(&self, pressed: &mut Pressed) {
        let pid = Some(self.apart.pid());
        pressed.rss_bytes = process::rss_bytes(pid);
        pressed.peak_rss_bytes = self.apart.peak_rss_bytes();
        pressed.open_files = process::open_files(pid);
    }

    fn hurt(
        &self,
        what: What,
        lasts: Duration,
        at: &str,
        note: &mut dyn FnMut(String),
    ) -> anyhow::Result<()> {
        let apart = &self.apart;
        let before = apart.pid();
        match what {
            What::Kill => {
                note(format!("kill -9 of all roles, at {at} devices"));
                apart.kill_and_start_again()?;
            }
            What::Terminate => {
                note(format!("SIGTERM to all roles, at {at} devices"));
                apart.end_and_start_again()?;
            }
            What::Freeze => {
                note(format!("all roles hang, at {at} devices"));
                apart.signal(Signal::STOP)?;
                std::thread::sleep(lasts);
                apart.signal(Signal::CONT)?;
                note("all roles go on".to_owned());
                return Ok(());
            }
            other => bail!("`{}` is not done to a process", other.label()),
        }
        interrupted::started_again(before, apart.pid());
        note("all roles are up again".to_owned());
        Ok(())
    }

    /// From the data that a killed process left.
    fn prove(self: Box<Self>, campaign: &Campaign) -> anyhow::Result<Option<Proof>> {
        let Self { _scratch, gateways: _gateways, standins, apart, _open, .. } = *self;
        let running = apart.into_running()?;
        let proof = standins.journal().and_then(|journal| {
            running.block_on(async {
                let against = held_against(running.backend(), campaign, &journal).await?;
                let verdict = verify(running.backend(), campaign, &journal).await?;
                Ok(Proof { against, verdict })
            })
        });
        running.stop();
        proof.map(Some)
    }
}
