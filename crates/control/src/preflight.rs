//! Preflight: the list of named checks, each green, amber or red with a plain sentence. Pure; [`Facts`] are gathered
//! elsewhere. It gates arming; once armed, press always works, and what turns red later only warns.

mod disk;
mod gateways;

use common::campaign::{Campaign, State};
use common::fleet::{Expect, Role, WorkerRow};
use common::limits::{HEARTBEAT_EVERY, PAYLOAD_BYTES_MAX, SILENT_REAL_DEVICES_MAX};
use common::ports::Depth;
use common::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A snapshot older than this is amber: devices have changed since.
const SNAPSHOT_AMBER: Duration = Duration::from_secs(24 * 3600);
/// Clocks may differ by this much before it is amber.
const SKEW_AMBER: Duration = Duration::from_millis(1_500);

/// The checks that may be overridden, with a reason.
pub const OVERRIDABLE: [&str; 9] = [
    "snapshot",
    "interim_workers",
    "push_workers",
    "gateways",
    "credentials",
    "gateway_quota",
    "queues_empty",
    disk::NAME,
    "clock_skew",
];

/// The colour of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Good.
    Green,
    /// Look at it; it does not hinder.
    Amber,
    /// Hinders arming.
    Red,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its stable name.
    pub name: String,
    /// Its colour.
    pub light: Light,
    /// What was found, in a plain sentence.
    pub sentence: String,
    /// Whether an SRE may override it, with a reason.
    pub overridable: bool,
    /// The reason it was overridden with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,
}

/// All checks of one campaign at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preflight {
    /// When they were made.
    pub at: UnixMs,
    /// Where the campaign stands.
    pub state: State,
    /// The checks.
    pub checks: Vec<Check>,
    /// Whether nothing hinders arming.
    pub go: bool,
}

impl Preflight {
    /// Whether only somebody's hand mends what still hinders arming: nobody makes room on a disk by waiting.
    pub(crate) fn waits_in_vain(&self) -> bool {
        let mut red = self.checks.iter().filter(|c| c.light == Light::Red && c.overridden.is_none());
        !self.go && red.all(|c| c.name == disk::NAME)
    }

    /// The red sentences, for an error message.
    #[must_use]
    pub fn reds(&self) -> String {
        let red = |c: &&Check| c.light == Light::Red && c.overridden.is_none();
        self.checks
            .iter()
            .filter(red)
            .map(|c| format!("{}: {}", c.name, c.sentence))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Sentences that are not green, for a warning beside a press.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.checks
            .iter()
            .filter(|c| c.light != Light::Green && c.overridden.is_none())
            .map(|c| format!("{}: {}", c.name, c.sentence))
            .collect()
    }
}

/// What the checks look at.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// The fleet that is asked for.
    pub expect: &'a Expect,
    /// Live heartbeat rows.
    pub workers: &'a [WorkerRow],
    /// Rows of workers that were live a minute ago, are not now, and never said that they leave.
    pub silent: &'a [WorkerRow],
    /// The FIFO queue.
    pub shards: Depth,
    /// The batch queue.
    pub batches: Depth,
    /// Bytes that queues and tables may still write, where a disk bounds them.
    pub free_bytes: Option<u64>,
    /// The campaign that holds the fleet, if it is not this one: its name and state.
    pub occupied: Option<(String, State)>,
    /// Whether the fleet prepares this campaign.
    pub staged: bool,
    /// Checks overridden, with the reason.
    pub overrides: &'a BTreeMap<String, String>,
    /// Now.
    pub now: UnixMs,
}

/// Makes all checks.
#[must_use]
pub fn check(facts: &Facts<'_>) -> Preflight {
    let mut checks = vec![
        fleet_slot(facts),
        snapshot(facts),
        workers(facts, Role::Interim, facts.expect.interim),
        workers(facts, Role::Push, facts.expect.push),
        snapshot_hash(facts),
        payload_size(facts),
        gateways::gateways(facts),
        gateways::credentials(facts),
        gateways::quota(facts),
        queues(facts),
        silent(facts),
        clock_skew(facts),
    ];
    checks.extend(disk::check(facts));
    for check in &mut checks {
        check.overridden = facts.overrides.get(&check.name).filter(|_| check.overridable).cloned();
    }
    let armable = matches!(facts.campaign.state, State::Ready | State::Armed);
    let go = armable && checks.iter().all(|c| c.light != Light::Red || c.overridden.is_some());
    Preflight { at: facts.now, state: facts.campaign.state, checks, go }
}

fn made(name: &str, overridable: bool, light: Light, sentence: impl Into<String>) -> Check {
    Check { name: name.to_owned(), light, sentence: sentence.into(), overridable, overridden: None }
}

fn fleet_slot(f: &Facts<'_>) -> Check {
    let (light, text) = match &f.occupied {
        Some((name, state)) => (Light::Red, format!("the fleet is taken: `{name}` is {}", state.label())),
        None if !f.staged => {
            (Light::Red, "the fleet does not prepare this campaign yet; arming tells it to".to_owned())
        }
        None => (Light::Green, "the fleet prepares this campaign, and no other has it".to_owned()),
    };
    made("fleet_free", false, light, text)
}

fn snapshot(f: &Facts<'_>) -> Check {
    let name = "snapshot";
    let Some(snapshot) = &f.campaign.snapshot else {
        return made(
            name,
            false,
            Light::Red,
            "there is no snapshot yet: upload an audience and wait for its build",
        );
    };
    if snapshot.device_count() == 0 {
        return made(name, false, Light::Red, "the snapshot has no device in it: nobody would get anything");
    }
    let age = f.now.since(snapshot.built_at);
    let text = format!(
        "{} users with {} devices, built {} minutes ago",
        snapshot.users,
        snapshot.device_count(),
        age.as_secs() / 60
    );
    made(name, true, if age > SNAPSHOT_AMBER { Light::Amber } else { Light::Green }, text)
}

fn is_ready(f: &Facts<'_>, w: &WorkerRow) -> bool {
    w.ready
        && !w.tripped
        && w.campaign == Some(f.campaign.id)
        && w.snapshot == f.campaign.snapshot.as_ref().map(|s| s.id)
        && (w.role == Role::Interim || w.content == Some(f.campaign.content_id))
}

fn workers(f: &Facts<'_>, role: Role, asked: u32) -> Check {
    let (name, what) = match role {
        Role::Interim => ("interim_workers", "interim workers"),
        Role::Push => ("push_workers", "push workers"),
    };
    let of_role: Vec<_> = f.workers.iter().filter(|w| w.role == role).collect();
    let ready = u32::try_from(of_role.iter().filter(|w| is_ready(f, w)).count()).unwrap_or(u32::MAX);
    let mut text = format!("{ready} of {asked} {what} ready ({} live)", of_role.len());
    if let Some(trouble) = of_role.iter().filter(|w| !is_ready(f, w)).find_map(|w| w.trouble.as_ref()) {
        text = format!("{text}; one says: {trouble}");
    }
    if let Some(silent) = fell_silent(f, role).filter(|_| ready < asked) {
        text = format!("{text}; {silent}");
    }
    let light = match ready {
        n if n >= asked => Light::Green,
        n if n >= f.expect.enough(asked) => Light::Amber,
        _ => Light::Red,
    };
    made(name, true, light, text)
}

/// Those of whom nothing was heard lately.
fn fell_silent(f: &Facts<'_>, role: Role) -> Option<String> {
    let of_role = || f.silent.iter().filter(|w| w.role == role);
    let last = of_role().map(|w| f.now.since(w.at)).min()?;
    let (n, s) = (of_role().count(), last.as_secs());
    Some(format!(
        "{n} fell silent, the last one {s} s ago: dead, hanging, cut off, or a clock that is behind"
    ))
}

fn snapshot_hash(f: &Facts<'_>) -> Check {
    let wanted = f.campaign.snapshot.as_ref().map(|s| s.id);
    let holds = |w: &&WorkerRow| w.campaign == Some(f.campaign.id) && w.snapshot.is_some();
    let other = f.workers.iter().filter(holds).filter(|w| w.snapshot != wanted).count();
    let nobody = !f.workers.iter().any(|w| holds(&w));
    let (light, text) = match (other, wanted) {
        (_, None) => (Light::Red, "there is no snapshot to compare".to_owned()),
        (0, Some(_)) if nobody => (Light::Red, "no worker has loaded the snapshot yet".to_owned()),
        (0, Some(id)) => (Light::Green, format!("every loaded worker has snapshot {:.12}", id.to_string())),
        (n, Some(id)) => {
            (Light::Red, format!("{n} workers hold another snapshot than {:.12}", id.to_string()))
        }
    };
    made("snapshot_hash", false, light, text)
}

fn payload_size(f: &Facts<'_>) -> Check {
    let largest = f.workers.iter().filter(|w| is_ready(f, w)).map(|w| w.payload_bytes_max).max().unwrap_or(0);
    let light = if largest as usize > PAYLOAD_BYTES_MAX { Light::Red } else { Light::Green };
    let text = match largest {
        0 => format!("checked when it was written; at most {PAYLOAD_BYTES_MAX} bytes are allowed"),
        n => format!("the largest payload has {n} of {PAYLOAD_BYTES_MAX} bytes"),
    };
    made("payload_size", false, light, text)
}

fn queues(f: &Facts<'_>) -> Check {
    let (name, s, b) = ("queues_empty", f.shards, f.batches);
    if f.campaign.live_run().is_some() {
        return match s.dead + b.dead {
            0 => made(name, true, Light::Green, "the queues hold this campaign's own envelopes"),
            n => {
                let text = format!("{n} dead letters: `owl redrive --dry-run` says what they are");
                made(name, true, Light::Amber, text)
            }
        };
    }
    if !s.is_empty() || !b.is_empty() {
        let n = s.visible + s.in_flight + s.delayed + b.visible + b.in_flight + b.delayed;
        let text = format!(
            "{n} envelopes of an earlier run, or of a test send of the last minute, are still on the queues"
        );
        return made(name, true, Light::Red, text);
    }
    let dead = s.dead + b.dead;
    let light = if dead > 0 { Light::Amber } else { Light::Green };
    made(name, true, light, format!("both queues are empty; {dead} dead letters"))
}

fn silent(f: &Facts<'_>) -> Check {
    let devices = f.campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count);
    let real = f.workers.iter().any(|w| w.role == Role::Push && !w.rehearsal);
    let (light, text) = match (f.campaign.content.silent, real) {
        (false, _) => (Light::Green, "it shows a notification".to_owned()),
        (true, false) => {
            (Light::Green, "silent, to stand-in gateways: proves acceptance, not display".to_owned())
        }
        (true, true) if devices > SILENT_REAL_DEVICES_MAX => {
            let max = SILENT_REAL_DEVICES_MAX;
            (
                Light::Red,
                format!(
                    "a silent campaign through real gateways is capped at {max} devices; this has {devices}"
                ),
            )
        }
        (true, true) => (Light::Amber, "silent, to real gateways: proves acceptance, not display".to_owned()),
    };
    made("silent_size", false, light, text)
}

fn clock_skew(f: &Facts<'_>) -> Check {
    let name = "clock_skew";
    let ahead = f.workers.iter().map(|w| w.at.since(f.now)).max().unwrap_or_default();
    let behind = f.workers.iter().map(|w| f.now.since(w.at)).max().unwrap_or_default();
    if ahead > SKEW_AMBER {
        let text = format!("a worker's clock is {} ms ahead of this one", ahead.as_millis());
        return made(name, true, Light::Amber, text);
    }
    if behind > SKEW_AMBER + HEARTBEAT_EVERY {
        let ms = behind.as_millis();
        let text =
            format!("a worker's newest heartbeat is {ms} ms old: its clock is behind this one, or it hangs");
        return made(name, true, Light::Amber, text);
    }
    made(name, true, Light::Green, "the workers' clocks agree with this one")
}
