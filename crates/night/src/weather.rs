//! The weather of a night: how often calls of each port fail, lose their answer or are slow, how gateways answer, and gales
//! (a while in which one port or one gateway is much worse).

use crate::dice::Dice;
use common::device::Platform;
use contract::memory::Call;
use std::fmt;

/// Ports that fail together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Shards,
    Batches,
    Objects,
    Campaigns,
    Ledger,
    Rest,
}

impl Port {
    pub(crate) const ALL: [Self; 6] =
        [Self::Shards, Self::Batches, Self::Objects, Self::Campaigns, Self::Ledger, Self::Rest];

    /// Whose call it is.
    pub(crate) fn of(call: Call) -> Self {
        match call {
            c if c <= Call::ShardsDeleteDead => Self::Shards,
            c if c <= Call::BatchesDeleteDead => Self::Batches,
            c if c <= Call::ObjectsDelete => Self::Objects,
            c if c <= Call::CampaignsSetSlot => Self::Campaigns,
            c if c <= Call::LedgerMarkExpanded => Self::Ledger,
            _ => Self::Rest,
        }
    }
}

/// How often, in a thousand calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Climate {
    /// Does nothing, and says so.
    pub(crate) fail: u32,
    /// Is done, and the answer is lost.
    pub(crate) lose: u32,
    /// Is long on its way.
    pub(crate) slow: u32,
    /// Of its entries: some are done, these are not.
    pub(crate) entry: u32,
}

/// How a gateway answers in a gale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// 429, with Retry-After in milliseconds or none.
    Throttles(Option<u64>),
    /// 500 or 503.
    Busy(Option<u64>),
    /// Takes requests and never answers.
    Silent,
    /// Connections break after a part was taken.
    Resets,
    /// GOAWAY before anything was taken.
    Refuses,
    /// Our credentials are wrong, it says.
    Distrusts,
    /// Our token has expired, it says.
    Expires,
    /// Answers ten times as slowly.
    Drags,
}

/// A while in which something is worse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gale {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Of a thousand calls or pushes.
    pub(crate) share: u32,
    pub(crate) what: Blows,
}

/// What a gale is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blows {
    /// Calls of this port fail.
    Port(Port),
    /// This gateway answers so.
    Gateway(Platform, Mood),
}

impl Gale {
    pub(crate) fn draw(d: &mut Dice, (begin, end): (u64, u64)) -> Self {
        let from = d.between(begin, end);
        let to = (from + d.one_of(&[400, 2_000, 6_000, 15_000]) + d.below(1_000)).min(end);
        let retry = d.one_of(&[None, Some(500), Some(2_000), Some(8_000)]);
        let mood = d.one_of(&[
            Mood::Throttles(retry),
            Mood::Busy(retry),
            Mood::Silent,
            Mood::Resets,
            Mood::Refuses,
            Mood::Distrusts,
            Mood::Expires,
            Mood::Drags,
        ]);
        let platform = d.one_of(&Platform::ALL);
        let what =
            if d.per_mille(450) { Blows::Port(d.one_of(&Port::ALL)) } else { Blows::Gateway(platform, mood) };
        Self { from, to, share: d.one_of(&[200, 500, 1_000]), what }
    }

    fn blows(&self, now: u64) -> bool {
        (self.from..self.to).contains(&now)
    }
}

impl fmt::Display for Gale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, share, .. } = self;
        match self.what {
            Blows::Port(port) => write!(f, "{from:>6} to {to:>6} ms: {port:?} fails {share} of 1000 calls"),
            Blows::Gateway(p, mood) => {
                write!(f, "{from:>6} to {to:>6} ms: {} {mood:?} {share} of 1000 pushes", p.label())
            }
        }
    }
}

/// Everything about the weather.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    climates: [Climate; 6],
    pub(crate) gales: Vec<Gale>,
    /// Of a thousand envelopes on the batch queue, so many are there twice, or come late.
    pub(crate) twice: u32,
    pub(crate) late: u32,
    /// Of a thousand objects got, so many are damaged or not found.
    pub(crate) damaged: u32,
    pub(crate) missing: u32,
    /// Of a thousand devices, so many have a dead token, or one that the gateway refuses.
    pub(crate) dead: u32,
    pub(crate) bad: u32,
    /// Of a thousand pushes, so many are throttled alone, unavailable once, or never answered.
    pub(crate) odd: u32,
    /// A gateway's usual round trip, in milliseconds.
    pub(crate) round_trip: u64,
}

impl Weather {
    pub(crate) fn draw(d: &mut Dice, gales: Vec<Gale>) -> Self {
        let bad: u32 = d.one_of(&[0, 0, 10, 40, 150]);
        let climate = |d: &mut Dice| Climate {
            fail: d.up_to(bad),
            lose: d.up_to(bad),
            slow: d.up_to(bad / 2),
            entry: d.up_to(bad),
        };
        Self {
            climates: [(); 6].map(|()| climate(d)),
            gales,
            twice: d.one_of(&[0, 0, 20, 200]),
            late: d.one_of(&[0, 0, 20, 200]),
            damaged: d.one_of(&[0, 0, 50, 300]),
            missing: d.one_of(&[0, 0, 50, 300]),
            dead: d.one_of(&[0, 30, 200]),
            bad: d.one_of(&[0, 30, 200]),
            odd: d.one_of(&[0, 0, 30, 150]),
            round_trip: d.one_of(&[5, 60, 400, 1_500]),
        }
    }

    /// How calls of this port go now.
    pub(crate) fn climate(&self, port: Port, now: u64) -> Climate {
        let mut climate = self.climates[port as usize];
        for gale in self.gales.iter().filter(|g| g.blows(now)) {
            if matches!(gale.what, Blows::Port(p) if p == port) {
                climate.fail = climate.fail.max(gale.share * 2 / 3);
                climate.lose = climate.lose.max(gale.share / 3);
            }
        }
        climate
    }

    /// The gales at this gateway now.
    pub(crate) fn moods(&self, platform: Platform, now: u64) -> impl Iterator<Item = (u32, Mood)> + '_ {
        self.gales.iter().filter(move |g| g.blows(now)).filter_map(move |g| match g.what {
            Blows::Gateway(p, mood) if p == platform => Some((g.share, mood)),
            _ => None,
        })
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [s, b, o, c, l, r] =
            self.climates.map(|c| format!("{}/{}/{}/{}", c.fail, c.lose, c.slow, c.entry));
        write!(
            f,
            "of 1000 calls fail/lose/slow/entry: shards {s}, batches {b}, objects {o}, campaigns {c}, ledger {l}, rest {r}; "
        )?;
        let Self { twice, late, damaged, missing, dead, bad, odd, round_trip, .. } = self;
        write!(
            f,
            "twice {twice}, late {late}, damaged {damaged}, missing {missing}, dead {dead}, bad {bad}, odd {odd}; round trip {round_trip} ms"
        )
    }
}
