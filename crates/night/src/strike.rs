//! Strikes: what happens to one process, at an instant or at a certain call of its own.

use crate::dice::Dice;
use contract::memory::Call;
use std::fmt;

/// What a process does. Names are `api-0`, `push-3`; a second life is `push-3.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Api,
    Interim,
    Push,
}

impl Kind {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Interim => "interim",
            Self::Push => "push",
        }
    }
}

/// A place in the fleet: what runs there may die and be followed by another.
pub(crate) type Slot = (Kind, usize);

/// When it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// At this millisecond, to this slot.
    At(u64, Slot),
    /// When the nth such call since the faults began reaches the backend, to whoever made it: before or after its effect.
    Call { call: Call, nth: u32, after: bool },
    /// When the nth group is written to a gateway, to whoever wrote it.
    Write(u32),
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// `kill -9`; another starts this much later, or only when the faults end.
    Kill(Option<u64>),
    /// It stands still for this long, and its clocks go on.
    Hang(u64),
    /// SIGTERM; another starts this much later.
    Term(u64),
    /// Its wall clock is moved by this much.
    Skew(i64),
}

/// One strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) when: When,
    pub(crate) what: What,
}

/// Calls at which something may happen, more than once those that matter most.
const CALLS: [Call; 21] = [
    Call::CampaignsUpdate,
    Call::CampaignsUpdate,
    Call::CampaignsSetSlot,
    Call::ShardsSend,
    Call::ShardsSend,
    Call::ShardsReceive,
    Call::ShardsDelete,
    Call::BatchesSend,
    Call::BatchesSend,
    Call::BatchesReceive,
    Call::BatchesDelete,
    Call::BatchesHide,
    Call::LedgerClaim,
    Call::LedgerClaim,
    Call::LedgerComplete,
    Call::LedgerComplete,
    Call::LedgerRenew,
    Call::LedgerClose,
    Call::LedgerMarkDispatched,
    Call::LedgerMarkExpanded,
    Call::ObjectsGet,
];

/// The strikes of a night: none to nine.
pub(crate) fn draw(d: &mut Dice, fleet: [usize; 3], (from, to): (u64, u64), calls: u32) -> Vec<Strike> {
    let n = if d.per_mille(150) { 0 } else { d.below(10) };
    (0..n).map(|_| Strike { when: when(d, fleet, (from, to), calls), what: what(d) }).collect()
}

fn when(d: &mut Dice, [apis, interims, pushers]: [usize; 3], (from, to): (u64, u64), calls: u32) -> When {
    let nth = d.up_to(calls - 1);
    match d.below(10) {
        0..4 => {
            let slot = match d.below(10) {
                0..2 => (Kind::Api, d.count(0, apis - 1)),
                2..4 => (Kind::Interim, d.count(0, interims - 1)),
                _ => (Kind::Push, d.count(0, pushers - 1)),
            };
            When::At(d.between(from, to), slot)
        }
        4..8 => {
            When::Call { call: d.one_of(&CALLS), nth: nth / d.one_of(&[1, 2, 8]), after: d.per_mille(500) }
        }
        _ => When::Write(nth),
    }
}

fn what(d: &mut Dice) -> What {
    match d.below(10) {
        0..4 if d.per_mille(250) => What::Kill(None),
        0..4 => What::Kill(Some(d.between(20, 9_000))),
        4..7 => What::Hang(d.one_of(&[300, 1_200, 3_000, 7_000, 9_500, 14_000]) + d.below(1_000)),
        7..9 => What::Term(d.between(20, 5_000)),
        _ => What::Skew(i64::try_from(d.below(10_001)).unwrap_or(0) - 5_000),
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::At(ms, (kind, n)) => write!(f, "at {ms:>6} ms, {}-{n}: ", kind.label())?,
            When::Call { call, nth, after } => {
                let side = if after { "after" } else { "before" };
                write!(f, "{side} {} no. {nth}, whoever calls: ", call.label())?;
            }
            When::Write(nth) => write!(f, "at gateway write no. {nth}, whoever writes: ")?,
        }
        match self.what {
            What::Kill(None) => write!(f, "killed for good"),
            What::Kill(Some(ms)) => write!(f, "killed, another starts {ms} ms later"),
            What::Hang(ms) => write!(f, "hangs for {ms} ms"),
            What::Term(ms) => write!(f, "SIGTERM, another starts {ms} ms later"),
            What::Skew(ms) => write!(f, "its wall clock is moved by {ms} ms"),
        }
    }
}
