//! What is rehearsed to hold the model against, and the same as the model has it.

use scale::{Blast, Figure, Figures, Fleet, Latency, Setup};

/// A rehearsal.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) users: u64,
    /// Cores when left out.
    pub(super) lanes: Option<u32>,
    /// So many connections of a lane to each gateway, and streams of each.
    pub(super) narrow: Option<(u32, u32)>,
    pub(super) answers: Answers,
    /// Requests a second that one APNs connection takes.
    pub(super) apns_rate: Option<u32>,
    /// Messages a minute that the push worker keeps to.
    pub(super) fcm_quota: Option<u32>,
}

/// When they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Always after so many milliseconds.
    After(u32),
    /// As the model has the real gateways: most near the median, one in a hundred far beyond.
    Spread,
}

/// CPU costs are taken from this one.
pub(super) const CALIBRATION: &str = "polite-400k";
/// Devices that a lane of a narrow scenario holds.
const NARROW_ROOM: u32 = 2_000;

/// All of them: lanes that streams bound, polite gateways that CPU bounds, a rate of each connection, and a quota of all.
pub(super) fn all() -> Vec<Scenario> {
    let narrow = |lanes: u32, answers| Scenario {
        name: match answers {
            Answers::After(150) => format!("lanes-{lanes}"),
            Answers::After(ms) => format!("lanes-{lanes}-{ms}ms"),
            Answers::Spread => format!("spread-{lanes}"),
        },
        users: 50_000,
        lanes: Some(lanes),
        narrow: Some((1, 100)),
        answers,
        apns_rate: None,
        fcm_quota: None,
    };
    let polite = |name: String, users| Scenario {
        name,
        users,
        lanes: None,
        narrow: None,
        answers: Answers::After(0),
        apns_rate: None,
        fcm_quota: None,
    };
    let quota = |users, per_min: u32| Scenario {
        answers: Answers::After(30),
        fcm_quota: Some(per_min),
        ..polite(format!("quota-{}k", per_min / 1_000), users)
    };
    let rate = |lanes: u32| Scenario {
        name: format!("rate-{lanes}"),
        narrow: Some((2, 1_000)),
        apns_rate: Some(Figures::default().apns_per_connection.value as u32),
        ..narrow(lanes, Answers::After(30))
    };
    let of = |name: &str, users| polite(format!("polite-{name}"), users);
    let mut all = vec![of("100k", 100_000), of("400k", 400_000), of("1m", 1_000_000)];
    all.extend([1, 2, 4, 8, 16, 32].map(|lanes| narrow(lanes, Answers::After(150))));
    all.extend([100, 200].map(|ms| narrow(4, Answers::After(ms))));
    all.extend([1, 4, 16].map(|lanes| narrow(lanes, Answers::Spread)));
    all.extend([1, 4].map(rate));
    all.extend([quota(30_000, 60_000), quota(100_000, 300_000), quota(200_000, 1_200_000)]);
    all
}

impl Scenario {
    /// In a sentence.
    pub(super) fn about(&self) -> String {
        let lanes = self.lanes.map_or_else(|| "a lane for each core".to_owned(), |n| format!("lanes: {n}"));
        let narrow = self.narrow.map_or_else(
            || "as many connections as it takes".to_owned(),
            |(connections, streams)| {
                let s = if connections == 1 { "" } else { "s" };
                format!("{connections} connection{s} of {streams} streams each")
            },
        );
        let answers = match self.answers {
            Answers::After(ms) => format!("answers after {ms} ms"),
            Answers::Spread => {
                let f = Figures::default();
                let of = |median: &Figure, p99: &Figure| format!("{:.0} ({:.0}) ms", median.value, p99.value);
                format!(
                    "half (99 %) of the answers within {} from APNs, {} from FCM",
                    of(&f.apns_round_trip_ms, &f.apns_round_trip_p99_ms),
                    of(&f.fcm_median_ms, &f.fcm_p99_ms)
                )
            }
        };
        let rate =
            self.apns_rate.map_or_else(String::new, |n| format!(", {n} requests/s an APNs connection"));
        let quota = self.fcm_quota.map_or_else(String::new, |n| format!(", {n} FCM messages a minute"));
        format!("{} users, {lanes}, {narrow}, {answers}{rate}{quota}", self.users)
    }

    /// As `owl rehearse` reads it. No objective but those that always hold: it is measured here, not judged.
    pub(super) fn toml(&self) -> String {
        let mut text = format!("about = \"{}\"\n[audience]\nusers = {}\n", self.about(), self.users);
        text.push_str("[fleet]\n");
        if let Some(lanes) = self.lanes {
            text.push_str(&format!("lanes = {lanes}\n"));
        }
        if let Some(per_min) = self.fcm_quota {
            text.push_str(&format!("fcm_quota_per_minute = {per_min}\n"));
        }
        let mut gateways = "[gateways]\n".to_owned();
        match self.answers {
            Answers::After(ms) => gateways.push_str(&format!("round_trip_ms = {ms}\n")),
            Answers::Spread => {
                let f = Figures::default();
                let of = |median: &Figure, p99: &Figure| {
                    format!("{{ lognormal = {{ median_ms = {}, p99_ms = {} }} }}", median.value, p99.value)
                };
                let apns = of(&f.apns_round_trip_ms, &f.apns_round_trip_p99_ms);
                let fcm = of(&f.fcm_median_ms, &f.fcm_p99_ms);
                gateways.push_str(&format!("round_trip = {apns}\nfcm_round_trip = {fcm}\n"));
            }
        }
        if let Some(per_s) = self.apns_rate {
            gateways.push_str(&format!("apns_requests_per_s = {per_s}\n"));
        }
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
        } else if let Answers::After(ms) = self.answers {
            // What `owl rehearse` takes where a scenario leaves it out: enough for a million pushes a second.
            fleet.devices_in_flight = fleet.devices_in_flight.max(ms * 1_000 / fleet.lanes);
            fleet.apns_connections = fleet.apns_connections.max(fleet.devices_in_flight / 2 / 1_000);
            fleet.fcm_connections = fleet.fcm_connections.max(fleet.devices_in_flight / 2 / 100);
        }
        let round_trip = match self.answers {
            Answers::After(ms) => Latency::constant(f64::from(ms)),
            Answers::Spread => {
                Latency::with_tail(figures.apns_round_trip_ms.value, figures.apns_round_trip_p99_ms.value)
            }
        };
        let mut setup = Setup::one_machine(figures, blast, fleet, cores, round_trip);
        if self.answers == Answers::Spread {
            setup.gateways.fcm.round_trip =
                Latency::with_tail(figures.fcm_median_ms.value, figures.fcm_p99_ms.value);
            setup.gateways.cpu_us = figures.gateway_us_singly.value;
        }
        setup.gateways.apns.per_connection_per_s = self.apns_rate.map(f64::from);
        setup.gateways.fcm.quota_per_min = self.fcm_quota.map(f64::from);
        if let Some((_, streams)) = self.narrow {
            (setup.gateways.apns.streams, setup.gateways.fcm.streams) = (streams, streams);
        }
        setup
    }
}
