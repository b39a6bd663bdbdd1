//! What is rehearsed: a TOML file that says who gets what, how the gateways behave, what breaks when, and what must hold.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

mod audience;

use super::span::Span;
use crate::gateways::{Behaviour, profile};
pub use audience::Audience;

/// A fault lasts so long at most.
const FAULT_LASTS_MS_MAX: i64 = 3_600_000;
/// What is wrong with settings of connections where none is opened.
const NOTHING_HAPPENS: &str = "all that it sets counts for new connections only, and none is opened while it sends: say it under [gateways], or \
     have connections end, such as set = { tls_handshake_ms = 500, goaway_every = 1000 }";
/// Most connections of a lane to a gateway.
const CONNECTIONS_MAX: u16 = 1_000;

/// A rehearsal, before it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is for, in a sentence.
    pub about: String,
    /// Who gets it.
    #[serde(default)]
    pub audience: Audience,
    /// What they get, and how often it is pressed.
    #[serde(default)]
    pub campaign: Campaign,
    /// A profile of `owl gateways`, by name or file; what `gateways` says wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What the gateways do: the settings of `owl gateways`.
    #[serde(default)]
    pub gateways: Behaviour,
    /// What sends.
    #[serde(default)]
    pub fleet: Fleet,
    /// What breaks, and when.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What must hold.
    #[serde(default)]
    pub objectives: Objectives,
}

/// What they get, and how often it is pressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Campaign {
    /// A payload that shows nothing.
    pub silent: bool,
    /// Nothing is sent later than this after the press.
    pub deadline: Span,
    /// Shards of the snapshot.
    pub shards: u16,
    /// Users of a batch.
    pub batch_users: u16,
    /// Campaigns one after the other, with the same audience.
    pub presses: u32,
    /// Go on with campaigns until so much time has passed; `presses` is then the least.
    pub keep_pressing_for: Option<Span>,
    /// Send again what was written and never answered. Off: it is counted as ambiguous.
    pub resend_ambiguous: bool,
}

/// What sends: all roles in one process of their own, on the embedded backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// Lanes of the push worker; as many as there are cores when left out.
    pub lanes: Option<u16>,
    /// Devices that a lane holds at once; enough for a million pushes a second when left out.
    pub devices_in_flight: Option<u32>,
    /// Connections of a lane to each gateway; enough for a million pushes a second when left out.
    pub connections: Option<u16>,
    /// FCM messages a minute that the push worker keeps to, in whole messages a second; as many as it can when left out, whatever
    /// the gateways' own quota is.
    pub fcm_quota_per_minute: Option<u64>,
}

/// One thing that breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When: `40%` of the devices have an answer, or `1.5s` after the press.
    pub at: When,
    /// What.
    #[serde(rename = "do")]
    pub what: What,
    /// For how long, where it ends by itself.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// For `gateways`: the settings that change.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub set: toml::Table,
}

/// When something breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When so many of a hundred devices have an answer.
    Percent(u8),
    /// So long after the press.
    After(Span),
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// `kill -9` of the process with all roles; it is started again at once.
    Kill,
    /// SIGTERM: it drains and ends; it is started again at once. What a deploy does.
    Terminate,
    /// SIGSTOP, and SIGCONT after `for`: the process hangs while its leases run out.
    Freeze,
    /// Somebody stops the campaign, and resumes it after `for`.
    Stop,
    /// Somebody presses once more, while it is sent.
    PressAgain,
    /// The gateways read and write nothing for so long.
    DeafGateways,
    /// The gateways' settings change, back after `for` if it is given.
    Gateways,
}

/// What must hold at the end of each press. What is left out is not asked, but for the three that are 0 unless you say more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objectives {
    /// From the request to the press's receipt, at most.
    pub receipt: Option<Span>,
    /// From the press until half of what was accepted was accepted, at most.
    pub p50: Option<Span>,
    /// The same for 95 of a hundred.
    pub p95: Option<Span>,
    /// The same for 99 of a hundred.
    pub p99: Option<Span>,
    /// The same for the last.
    pub last: Option<Span>,
    /// Devices without any outcome, or called accepted and never seen by a gateway: at most so many.
    pub lost: u64,
    /// Devices that a gateway accepted twice, at most so many.
    pub doubled: u64,
    /// Let devices be doubled that were in flight when their worker died: as many as the ledger says, and no more.
    pub doubled_in_flight: bool,
    /// Devices that were expired, stopped or never answered: at most so many.
    pub unreached: u64,
    /// Processor time of ours for a device, in microseconds, at most.
    pub cpu_us_per_push: Option<f64>,
    /// Growth of memory from the second press to the last, in percent, at most.
    pub memory_growth_percent: Option<u32>,
    /// Growth of the number of open files from the second press to the last, at most.
    pub open_files_growth: Option<u32>,
}

impl Default for Campaign {
    fn default() -> Self {
        Self {
            silent: false,
            deadline: Span(std::time::Duration::from_secs(600)),
            shards: 50,
            batch_users: 100,
            presses: 1,
            keep_pressing_for: None,
            resend_ambiguous: false,
        }
    }
}

/// A scenario that can't be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScenarioError {
    /// It is no TOML, or has other keys than these.
    #[error("line {line}: {why}")]
    Text {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// It says something that can't be; every fault is named.
    #[error("{}", .0.join("; "))]
    Settings(Vec<String>),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// With the line and what is wrong there; or with all settings that can't be.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |e: toml::de::Error| {
            let line = line(text, e.span().map_or(0, |span| span.start));
            ScenarioError::Text { line, why: e.message().to_owned() }
        };
        let mut scenario: Self = toml::from_str(text).map_err(wrong)?;
        if let Some(profile) = scenario.profile.take() {
            let said: toml::Table = toml::from_str(text).map_err(wrong)?;
            let said = said.get("gateways").and_then(toml::Value::as_table).cloned().unwrap_or_default();
            let fail = |why: String| ScenarioError::Settings(vec![format!("profile: {why}")]);
            let profile = profile::find(&profile).map_err(|e| fail(e.to_string()))?;
            scenario.gateways = over(&profile, said).map_err(fail)?;
        }
        let faults = scenario.settings();
        if faults.is_empty() { Ok(scenario) } else { Err(ScenarioError::Settings(faults)) }
    }

    /// What can't be.
    fn settings(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, why: String| {
            if !holds {
                wrong.push(why);
            }
        };
        self.audience.check(&mut check);
        let Campaign { shards, batch_users, presses, deadline, .. } = &self.campaign;
        check((1..=1000).contains(shards), format!("campaign.shards must be 1 to 1000, not {shards}"));
        check(
            (1..=1000).contains(batch_users),
            format!("campaign.batch_users must be 1 to 1000, not {batch_users}"),
        );
        check((1..=10_000).contains(presses), format!("campaign.presses must be 1 to 10000, not {presses}"));
        check(deadline.ms() > 0, "campaign.deadline must be more than nothing".to_owned());
        check(self.fleet.lanes != Some(0), "fleet.lanes must be at least 1".to_owned());
        check(
            self.fleet.devices_in_flight != Some(0),
            "fleet.devices_in_flight must be at least 1".to_owned(),
        );
        check(
            self.fleet.connections.is_none_or(|n| (1..=CONNECTIONS_MAX).contains(&n)),
            format!("fleet.connections must be 1 to {CONNECTIONS_MAX}"),
        );
        check(
            self.fleet.fcm_quota_per_minute != Some(0),
            "fleet.fcm_quota_per_minute must be at least 1".to_owned(),
        );
        if let Err(why) = self.gateways.check() {
            check(false, format!("gateways: {why}"));
        }
        if let Some(us) = self.objectives.cpu_us_per_push {
            check(
                us.is_finite() && us > 0.0,
                format!("objectives.cpu_us_per_push must be more than 0, not {us}"),
            );
        }
        let grows =
            self.objectives.memory_growth_percent.is_some() || self.objectives.open_files_growth.is_some();
        let begins_anew = |fault: &Fault| matches!(fault.what, What::Kill | What::Terminate);
        let comparable = self.audience.users.len() == 1 && !self.faults.iter().any(begins_anew);
        check(
            !grows || comparable,
            "objectives of growth compare presses of one process: take one size, and no `kill` or `terminate`".to_owned(),
        );
        let reconnects = self.gateways.ends_connections()
            || self.faults.iter().any(|fault| begins_anew(fault) || fault.ends_connections(&self.gateways));
        for (number, fault) in (1..).zip(&self.faults) {
            if let Some(why) = fault.wrong(&self.gateways, reconnects) {
                check(false, format!("fault {number} ({}): {why}", fault.what.label()));
            }
        }
        wrong
    }
}

impl Fault {
    /// Why it can't be. `reconnects`: something in the scenario has the push workers open new connections while they send.
    fn wrong(&self, gateways: &Behaviour, reconnects: bool) -> Option<String> {
        let ends = matches!(self.what, What::Freeze | What::Stop | What::DeafGateways);
        match self.what {
            _ if self.lasts.is_some_and(|lasts| lasts.ms() > FAULT_LASTS_MS_MAX) => {
                Some("`for` must be at most 1h".to_owned())
            }
            _ if ends && self.lasts.is_none() => Some("say `for` how long, such as for = \"2s\"".to_owned()),
            What::Kill | What::Terminate | What::PressAgain if self.lasts.is_some() => {
                Some("it takes no `for`".to_owned())
            }
            What::Gateways if self.set.is_empty() => {
                Some("say what to `set`, such as set = { throttle_share = 0.2 }".to_owned())
            }
            What::Gateways => self.changed(gateways).err().or_else(|| {
                let for_new = self.set.keys().all(|name| Behaviour::is_for_new_connections(name));
                (for_new && !reconnects).then(|| NOTHING_HAPPENS.to_owned())
            }),
            _ if !self.set.is_empty() => Some("only `gateways` takes `set`".to_owned()),
            _ => None,
        }
    }

    /// Whether connections may end while it lasts, by the gateways' doing or ours.
    fn ends_connections(&self, gateways: &Behaviour) -> bool {
        match self.what {
            What::Gateways => self.changed(gateways).is_ok_and(|changed| changed.ends_connections()),
            what => matches!(what, What::DeafGateways | What::Stop),
        }
    }

    /// The gateways' settings while this fault lasts.
    ///
    /// # Errors
    /// When a setting is unknown or out of range.
    pub fn changed(&self, from: &Behaviour) -> Result<Behaviour, String> {
        let mut changed = over(from, self.set.clone())?;
        changed.pause |= self.what == What::DeafGateways;
        changed.check().map(|()| changed)
    }
}

/// The line of a place in a text, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Settings with others put over them.
fn over(base: &Behaviour, said: toml::Table) -> Result<Behaviour, String> {
    let mut all = toml::Table::try_from(base).map_err(|e| e.to_string())?;
    // One excludes the other: what is said is meant.
    if said.contains_key("round_trip_ms") {
        all.remove("round_trip");
    }
    if said.contains_key("round_trip") {
        all.remove("round_trip_ms");
    }
    all.extend(said);
    all.try_into().map_err(|e: toml::de::Error| e.message().to_owned())
}

impl What {
    /// As it is written in a scenario.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Freeze => "freeze",
            Self::Stop => "stop",
            Self::PressAgain => "press-again",
            Self::DeafGateways => "deaf-gateways",
            Self::Gateways => "gateways",
        }
    }
}

impl Serialize for When {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
            Self::After(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || D::Error::custom(format!("`{text}` is neither a share such as 40% nor a time such as 1.5s"));
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse().ok().filter(|percent| *percent < 100);
                percent.map(Self::Percent).ok_or_else(wrong)
            }
            None => seconds(&text).map(|after| Self::After(Span(after))).ok_or_else(wrong),
        }
    }
}

/// `1.5s` too, which `humantime` does not read.
fn seconds(text: &str) -> Option<std::time::Duration> {
    let fraction = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    match fraction {
        Some(seconds) => std::time::Duration::try_from_secs_f64(seconds).ok(),
        None => humantime::parse_duration(text).ok(),
    }
}

#[cfg(test)]
mod tests;
