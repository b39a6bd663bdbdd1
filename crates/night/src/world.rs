//! What all processes of a night share: the backend's state, time, chance, the trace, and whoever watches over the rules.

use crate::audience::Audience;
use crate::dice::Dice;
use crate::durable::Durable;
use crate::monitor::Monitor;
use crate::process::Process;
use crate::spec::Spec;
use crate::strike::{Slot, Strike, What, When};
use crate::trace::{Event, Trace};
use crate::weather::{Climate, Mood, Port};
use common::device::Platform;
use common::ids::CampaignId;
use common::time::Clock;
use contract::memory::{Call, MemoryParts, TokioClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Another life is to begin in this slot, this much later.
pub(crate) struct Restart {
    pub(crate) slot: Slot,
    pub(crate) after: Duration,
}

/// The world of one night.
pub(crate) struct World {
    pub(crate) spec: Spec,
    pub(crate) parts: MemoryParts,
    pub(crate) clock: TokioClock,
    pub(crate) campaign: CampaignId,
    pub(crate) audience: Audience,
    /// Cancelled by the first violation.
    pub(crate) violated: CancellationToken,
    state: Mutex<State>,
    restarts: mpsc::UnboundedSender<Restart>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) monitor: Monitor,
    pub(crate) durable: Durable,
    pub(crate) slots: BTreeMap<Slot, Arc<Process>>,
    pub(crate) tally: Tally,
    violation: Option<String>,
    calm: bool,
    strikes: Vec<Strike>,
    calls: BTreeMap<(Call, bool), u32>,
    writes: u32,
    pub(crate) first_write: Option<u64>,
}

/// Counts of one night, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Processes killed.
    pub kills: u32,
    /// Processes that stood still for a while.
    pub hangs: u32,
    /// Processes that got SIGTERM.
    pub terms: u32,
    /// Calls that failed, lost their answer, or were done in part.
    pub calls_failed: u32,
    /// Pushes that a gateway accepted.
    pub accepted: u64,
    /// Of these, beyond the first for the same device.
    pub doubled: u64,
    /// What the ledger says of that, at most.
    pub doubled_at_most: u64,
    /// From the first write to a gateway to the last, in virtual milliseconds.
    pub busy_ms: u64,
    /// Outcomes that the ledger learned after the books were written.
    pub learned_late: u64,
    /// Devices that the books call expired or aborted although a gateway accepted one.
    pub unknown_accepted: u64,
}

/// How one call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) there: Duration,
    pub(crate) back: Duration,
    pub(crate) fails: bool,
    pub(crate) loses: bool,
}

impl World {
    pub(crate) fn new(
        spec: Spec,
        parts: MemoryParts,
        clock: TokioClock,
        (campaign, audience): (CampaignId, Audience),
        restarts: mpsc::UnboundedSender<Restart>,
        trace_all: bool,
    ) -> Arc<Self> {
        let state = State {
            dice: Dice::new(spec.seed, 2),
            trace: Trace::new(trace_all),
            monitor: Monitor::new(audience.devices.len()),
            durable: Durable::default(),
            slots: BTreeMap::new(),
            tally: Tally::default(),
            violation: None,
            calm: false,
            strikes: spec.strikes.clone(),
            calls: BTreeMap::new(),
            writes: 0,
            first_write: None,
        };
        let state = Mutex::new(state);
        Arc::new(Self {
            spec,
            parts,
            clock,
            campaign,
            audience,
            violated: CancellationToken::new(),
            state,
            restarts,
        })
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut crate::lock(&self.state))
    }

    /// Virtual milliseconds since the night began.
    pub(crate) fn ms(&self) -> u64 {
        u64::try_from(self.clock.mono().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether things go wrong now.
    pub(crate) fn is_stormy(&self) -> bool {
        (self.spec.storm.0..self.spec.storm.1).contains(&self.ms()) && !self.with(|s| s.calm)
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        self.with(|s| s.calm = true);
        self.say("world", "calm", "", [0, 0]);
    }

    /// Writes an event down.
    pub(crate) fn say(&self, who: &str, what: &'static str, how: &'static str, numbers: [u64; 2]) {
        let event = Event { at: self.ms(), who: who.into(), what, how, numbers };
        self.with(|s| s.trace.note(event, false));
    }

    /// The same of a process; `dull` is what is in the hash only.
    pub(crate) fn note(
        &self,
        p: &Process,
        what: &'static str,
        how: &'static str,
        numbers: [u64; 2],
        dull: bool,
    ) {
        let event = Event { at: self.ms(), who: Arc::clone(&p.name), what, how, numbers };
        self.with(|s| s.trace.note(event, dull));
    }

    /// A rule was broken. The first one ends the night.
    pub(crate) fn violate(&self, what: impl Into<String>) {
        let (what, at) = (what.into(), self.ms());
        self.with(|s| s.violation.get_or_insert(format!("at {at} ms: {what}")).len());
        self.violated.cancel();
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.with(|s| s.violation.clone())
    }

    /// How this call goes.
    pub(crate) fn way(&self, call: Call) -> Way {
        let (now, stormy, port) = (self.ms(), self.is_stormy(), Port::of(call));
        let climate = if stormy { self.spec.weather.climate(port, now) } else { Climate::default() };
        let usual = match port {
            Port::Shards | Port::Batches => 8,
            Port::Objects => 20,
            Port::Campaigns | Port::Ledger | Port::Rest => 4,
        };
        self.with(|s| {
            let d = &mut s.dice;
            let tail = if stormy { 20 } else { 0 };
            let slow = |d: &mut Dice| if d.per_mille(climate.slow) { d.between(500, 6_000) } else { 0 };
            let there = d.latency(usual, tail) + slow(d);
            let back = d.latency(usual, tail) + slow(d);
            let (fails, loses) = (d.per_mille(climate.fail), d.per_mille(climate.lose));
            s.tally.calls_failed += u32::from(fails || loses);
            let ms = Duration::from_millis;
            Way { there: ms(there), back: ms(back), fails, loses }
        })
    }

    /// Which of a call's entries are not done.
    pub(crate) fn failing_entries(&self, call: Call, entries: usize) -> Vec<bool> {
        let stormy = self.is_stormy();
        let climate =
            if stormy { self.spec.weather.climate(Port::of(call), self.ms()) } else { Climate::default() };
        self.with(|s| (0..entries).map(|_| s.dice.per_mille(climate.entry)).collect())
    }

    /// True so many times in a thousand while things go wrong.
    pub(crate) fn chance(&self, per_mille: u32) -> bool {
        self.is_stormy() && self.with(|s| s.dice.per_mille(per_mille))
    }

    /// How this gateway answers a group now: a mood and its share of a thousand pushes.
    pub(crate) fn mood(&self, platform: Platform) -> Option<(u32, Mood)> {
        if !self.is_stormy() {
            return None;
        }
        let moods: Vec<_> = self.spec.weather.moods(platform, self.ms()).collect();
        (!moods.is_empty()).then(|| self.with(|s| s.dice.one_of(&moods)))
    }

    /// A call has reached the backend: strikes that waited for it happen.
    pub(crate) fn hit(&self, process: &Arc<Process>, call: Call, after: bool) {
        if !self.is_stormy() {
            return;
        }
        let due: Vec<What> = self.with(|s| {
            let nth = s.calls.entry((call, after)).or_default();
            let now = *nth;
            *nth += 1;
            take(&mut s.strikes, |when| matches!(when, When::Call { call: c, nth, after: a } if (c, nth, a) == (call, now, after)))
        });
        due.into_iter().for_each(|what| self.strike(process, what));
    }

    /// A group is about to be written to a gateway.
    pub(crate) fn hit_write(&self, process: &Arc<Process>) {
        if !self.is_stormy() {
            return;
        }
        let due: Vec<What> = self.with(|s| {
            let now = s.writes;
            s.writes += 1;
            take(&mut s.strikes, |when| matches!(when, When::Write(nth) if nth == now))
        });
        due.into_iter().for_each(|what| self.strike(process, what));
    }

    /// Something happens to this process.
    pub(crate) fn strike(&self, process: &Arc<Process>, what: What) {
        if process.is_dead() {
            return;
        }
        match what {
            What::Kill(after) => {
                self.note(process, "killed", "", [after.unwrap_or(0), 0], false);
                self.with(|s| s.tally.kills += 1);
                process.kill();
                if let Some(ms) = after {
                    self.restart(process.slot, ms);
                }
            }
            What::Hang(ms) => {
                self.note(process, "hangs", "", [ms, 0], false);
                self.with(|s| s.tally.hangs += 1);
                process.freeze(ms);
            }
            What::Term(ms) if process.is_up() => {
                self.note(process, "gets SIGTERM", "", [ms, 0], false);
                self.with(|s| s.tally.terms += 1);
                process.terminate();
                self.restart(process.slot, ms);
            }
            What::Term(_) => {}
            What::Skew(ms) => {
                let (ahead, behind) = (ms.max(0).unsigned_abs(), ms.min(0).unsigned_abs());
                self.note(process, "clock is moved", "ahead, behind", [ahead, behind], false);
                process.skew(ms);
            }
        }
    }

    fn restart(&self, slot: Slot, ms: u64) {
        // Nobody listens any more only when the night is over.
        let _ = self.restarts.send(Restart { slot, after: Duration::from_millis(ms) });
    }

    /// The process that runs in this slot, if one does.
    pub(crate) fn running(&self, slot: Slot) -> Option<Arc<Process>> {
        self.with(|s| s.slots.get(&slot).cloned()).filter(|p| p.is_up())
    }
}

/// Takes out the strikes that are due now.
fn take(strikes: &mut Vec<Strike>, is_due: impl Fn(When) -> bool) -> Vec<What> {
    let due = strikes.iter().filter(|s| is_due(s.when)).map(|s| s.what).collect();
    strikes.retain(|s| !is_due(s.when));
    due
}
