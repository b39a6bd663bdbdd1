//! What is rehearsed to hold the model against, and the same as the model has it.

use scale::{Blast, Figures, Fleet, Latency, Setup};

/// A rehearsal.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) users: u64,
    /// Cores when left out.
    pub(super) lanes: Option<u32>,
    /// So many connections of a lane to each gateway, and streams of each.
    pub(super) narrow: Option<(u32, u32)>,
    pub(super) round_trip_ms: u32,
}

/// CPU costs are taken from this one.
pub(super) const CALIBRATION: &str = "polite-400k";
/// Devices that a lane of a narrow scenario holds.
const NARROW_ROOM: u32 = 2_000;

/// All of them: lanes that streams bound, and polite gateways that CPU bounds.
pub(super) fn all() -> Vec<Scenario> {
    let narrow = |lanes: u32, round_trip_ms: u32| Scenario {
        name: if round_trip_ms == 150 {
            format!("lanes-{lanes}")
        } else {
            format!("lanes-{lanes}-{round_trip_ms}ms")
        },
        users: 50_000,
        lanes: Some(lanes),
        narrow: Some((1, 100)),
        round_trip_ms,
    };
    let polite = |name: &str, users| Scenario {
        name: format!("polite-{name}"),
        users,
        lanes: None,
        narrow: None,
        round_trip_ms: 0,
    };
    let mut all = vec![polite("100k", 100_000), polite("400k", 400_000), polite("1m", 1_000_000)];
    all.extend([1, 2, 4, 8, 16, 32].map(|lanes| narrow(lanes, 150)));
    all.extend([100, 200].map(|ms| narrow(4, ms)));
    all
}

impl Scenario {
    /// In a sentence.
    pub(super) fn about(&self) -> String {
        let lanes = self.lanes.map_or_else(|| "a lane for each core".to_owned(), |n| format!("lanes: {n}"));
        let narrow = self.narrow.map_or_else(
            || "as many connections as it takes".to_owned(),
            |(connections, streams)| format!("{connections} connection of {streams} streams each"),
        );
        format!("{} users, {lanes}, {narrow}, answers after {} ms", self.users, self.round_trip_ms)
    }

    /// As `owl rehearse` reads it. No objective but those that always hold: it is measured here, not judged.
    pub(super) fn toml(&self) -> String {
        let mut text = format!("about = \"{}\"\n[audience]\nusers = {}\n", self.about(), self.users);
        text.push_str("[fleet]\n");
        if let Some(lanes) = self.lanes {
            text.push_str(&format!("lanes = {lanes}\n"));
        }
        let mut gateways = format!("[gateways]\nround_trip_ms = {}\n", self.round_trip_ms);
        if let Some((connections, streams)) = self.narrow {
            text.push_str(&format!("connections = {connections}\ndevices_in_flight = {NARROW_ROOM}\n"));
            gateways.push_str(&format!("apns_streams = {streams}\nfcm_streams = {streams}\n"));
        }
        text + &gateways
    }

    /// As the model has it, on a machine with so many cores.
    pub(super) fn setup(&self, figures: &Figures, cores: u32) -> Setup {
        // As the rehearsals' made-up audiences are: docs/rehearsals.md.
        let blast = Blast { users: self.users, android_share: 0.5, ..Blast::default() };
        let mut fleet = Fleet { lanes: self.lanes.unwrap_or(cores), ..Fleet::default() };
        if let Some((connections, _)) = self.narrow {
            (fleet.apns_connections, fleet.fcm_connections) = (connections, connections);
            fleet.devices_in_flight = NARROW_ROOM;
        }
        let round_trip = Latency::constant(f64::from(self.round_trip_ms));
        let mut setup = Setup::one_machine(figures, blast, fleet, cores, round_trip);
        if let Some((_, streams)) = self.narrow {
            (setup.gateways.apns.streams, setup.gateways.fcm.streams) = (streams, streams);
        }
        setup
    }
}
