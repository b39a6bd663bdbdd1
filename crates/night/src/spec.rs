//! What a seed means: the fleet, the audience, the weather, the strikes and the people of one night. Drawn before it begins,
//! so that it can be printed beside what it led to.

use crate::dice::Dice;
use crate::people::Act;
use crate::strike::{self, Strike};
use crate::weather::{Gale, Weather};
use interim_worker::InterimConfig;
use push_worker::PushConfig;
use std::fmt;
use std::time::Duration;

/// How large nights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// Up to 3 interim and 5 push workers: most faults for the time.
    Small,
    /// 5 interim and 40 push workers.
    Middle,
    /// 20 interim and 500 push workers.
    Big,
    /// Mostly small, one in 40 middle, one in 1,000 big.
    Mixed,
}

/// One night, before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) seed: u64,
    pub(crate) apis: usize,
    pub(crate) interims: usize,
    pub(crate) pushers: usize,
    pub(crate) users: u32,
    pub(crate) shards: u16,
    pub(crate) batch_users: u16,
    pub(crate) deadline_ms: u64,
    pub(crate) resend_ambiguous: bool,
    /// Faults begin and end at these milliseconds of the night.
    pub(crate) storm: (u64, u64),
    pub(crate) weather: Weather,
    pub(crate) strikes: Vec<Strike>,
    pub(crate) acts: Vec<(u64, Act)>,
    /// What is stopped when the faults end is resumed.
    pub(crate) resume_at_last: bool,
    pub(crate) interim: InterimConfig,
    pub(crate) push: PushConfig,
}

impl Spec {
    /// The night of this seed.
    pub(crate) fn draw(seed: u64, size: Size) -> Self {
        let mut d = Dice::new(seed, 1);
        let size = match size {
            Size::Mixed if d.below(1_000) == 0 => Size::Big,
            Size::Mixed if d.below(40) == 0 => Size::Middle,
            Size::Mixed => Size::Small,
            other => other,
        };
        let (apis, interims, pushers, users) = match size {
            Size::Small | Size::Mixed => {
                (d.count(1, 2), d.count(1, 3), d.count(1, 5), d.one_of(&[10, 60, 150, 300]) - d.below(10))
            }
            Size::Middle => (d.count(1, 3), 5, 40, d.between(400, 1_500)),
            Size::Big => (2, 20, 500, d.between(2_000, 8_000)),
        };
        let large = size == Size::Big || size == Size::Middle;
        let begin = if d.per_mille(750) { 3_500 } else { 0 };
        let press_at = 4_000 + d.below(2_500);
        let end = press_at + d.between(4_000, if large { 15_000 } else { 35_000 });
        let acts = acts(&mut d, press_at, end);
        let gales = (0..d.below(6)).map(|_| Gale::draw(&mut d, (begin.max(press_at - 2_000), end))).collect();
        let calls = if large { 60 } else { 25 };
        Self {
            seed,
            apis,
            interims,
            pushers,
            users: u32::try_from(users).unwrap_or(1),
            shards: if large { 50 } else { u16::try_from(d.between(1, 4)).unwrap_or(1) },
            batch_users: u16::try_from(d.between(1, 10)).unwrap_or(1),
            deadline_ms: d.between(8, 70) * 1_000,
            resend_ambiguous: d.per_mille(150),
            storm: (begin, end),
            weather: Weather::draw(&mut d, gales),
            strikes: strike::draw(
                &mut d,
                [apis, interims, pushers],
                (begin.max(press_at - 3_000), end),
                calls,
            ),
            acts,
            resume_at_last: d.per_mille(600),
            interim: interim(&mut d),
            push: push(&mut d),
        }
    }
}

fn interim(d: &mut Dice) -> InterimConfig {
    InterimConfig {
        permits: d.count(1, 4),
        sends_in_flight: d.count(1, 4),
        receive_wait: Duration::from_millis(d.one_of(&[200, 1_000, 2_000])),
        drain: Duration::from_secs(d.between(3, 8)),
        ..InterimConfig::default()
    }
}

fn push(d: &mut Dice) -> PushConfig {
    PushConfig {
        lanes: d.count(1, 2),
        devices_in_flight: d.one_of(&[3, 8, 20, 60, 400]),
        receivers: d.count(1, 3),
        receive_wait: Duration::from_millis(d.one_of(&[200, 1_000, 2_000])),
        patience: Duration::from_secs(d.between(2, 10)),
        drain: Duration::from_secs(d.between(4, 8)),
        breaker_answers: u32::try_from(d.between(10, 60)).unwrap_or(50),
        ..PushConfig::default()
    }
}

/// What people do: arming, several presses, and now and then a canary, a stop, a resume, a second thought.
fn acts(d: &mut Dice, press_at: u64, end: u64) -> Vec<(u64, Act)> {
    let mut acts = vec![(d.between(200, 1_200), Act::Arm)];
    if d.per_mille(120) {
        acts.push((press_at - d.between(500, 1_500), Act::Canary));
    }
    acts.push((press_at, Act::Press));
    for _ in 0..d.below(4) {
        acts.push((press_at + d.one_of(&[0, 1, 30, 400, 3_000]) + d.below(20), Act::Press));
    }
    if d.per_mille(400) {
        // Most is sent in the first seconds; a stop that comes later finds little to stop.
        let soon = d.one_of(&[300, 1_500, 5_000, 12_000]);
        let mut at = press_at + d.between(20, soon);
        for _ in 0..=d.below(2) {
            acts.push((at, Act::Abort));
            if d.per_mille(700) {
                at += d.between(500, 9_000);
                acts.push((at, Act::Resume));
            }
            at += d.between(500, 8_000);
        }
    }
    if d.per_mille(200) {
        acts.push((d.between(press_at, end), Act::Press));
    }
    acts
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, apis, interims, pushers, users, shards, batch_users, deadline_ms, .. } = self;
        writeln!(
            f,
            "night {seed}: {apis} api, {interims} interim, {pushers} push; {users} users, {shards} shards, {batch_users} users a batch; deadline {deadline_ms} ms; resend ambiguous: {}",
            self.resend_ambiguous
        )?;
        writeln!(f, "  faults from {} to {} ms; {}", self.storm.0, self.storm.1, self.weather)?;
        for gale in &self.weather.gales {
            writeln!(f, "  {gale}")?;
        }
        for strike in &self.strikes {
            writeln!(f, "  {strike}")?;
        }
        for (at, act) in &self.acts {
            writeln!(f, "  at {at:>6} ms: {act}")?;
        }
        let p = &self.push;
        write!(
            f,
            "  push: {} lanes, {} devices in flight, {} receivers, patience {:?}, breaker at {}; resumed at last: {}",
            p.lanes, p.devices_in_flight, p.receivers, p.patience, p.breaker_answers, self.resume_at_last
        )
    }
}
