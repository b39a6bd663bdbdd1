//! Wrong tokens, counted by source: so many a minute, then the source has to wait. The memory is fixed, whoever tries
//! from however many addresses: sources share slots by a hash that nobody outside can foresee. Who shares a slot with an
//! attacker loses next to nothing: a right token that this process knows is never looked up here.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong tokens a minute from one source.
const WRONG_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Slots: 24 bytes each.
const SLOTS: usize = 4_096;
/// Refusals of a minute that are written into the audit trail; an attacker is not to fill it.
const AUDITED_MAX: u32 = 30;

/// What a wrong token comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Counted.
    Counted,
    /// Too many: wait so long. `audit` at the first refusal of a window.
    Refused { wait: Duration, audit: bool },
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    began: Duration,
    wrong: u32,
}

impl Slot {
    /// Counts one more in the window that is now; answers how many there are, and how long the window lasts.
    fn count(&mut self, now: Duration) -> (u32, Duration) {
        if self.wrong == 0 || now.saturating_sub(self.began) >= WINDOW {
            *self = Self { began: now, wrong: 0 };
        }
        self.wrong = self.wrong.saturating_add(1);
        (self.wrong, (self.began + WINDOW).saturating_sub(now))
    }
}

struct Counts {
    slots: Vec<Slot>,
    audited: Slot,
}

/// The counts of this process.
pub(crate) struct Attempts {
    hash: RandomState,
    counts: Mutex<Counts>,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempts")
    }
}

impl Default for Attempts {
    fn default() -> Self {
        let counts = Counts { slots: vec![Slot::default(); SLOTS], audited: Slot::default() };
        Self { hash: RandomState::new(), counts: Mutex::new(counts) }
    }
}

impl Attempts {
    fn place(&self, source: IpAddr) -> usize {
        self.hash.hash_one(network(source)) as usize % SLOTS
    }

    /// Whether one more wrong token from this source would be refused.
    pub(crate) fn are_over(&self, source: IpAddr, now: Duration) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = counts.slots.get(self.place(source));
        slot.is_some_and(|s| s.wrong >= WRONG_MAX && now.saturating_sub(s.began) < WINDOW)
    }

    /// Counts a wrong token from this source at this time of the monotonic clock.
    pub(crate) fn wrong(&self, source: IpAddr, now: Duration) -> Attempt {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((wrong, wait)) = counts.slots.get_mut(self.place(source)).map(|slot| slot.count(now)) else {
            return Attempt::Counted;
        };
        if wrong <= WRONG_MAX {
            return Attempt::Counted;
        }
        let audit = wrong == WRONG_MAX + 1 && counts.audited.count(now).0 <= AUDITED_MAX;
        Attempt::Refused { wait, audit }
    }
}

/// A person with IPv6 has 2^64 addresses or more: they count as one.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_a_minute_and_then_a_wait() {
        let attempts = Attempts::default();
        let at = |s| Duration::from_secs(s);
        for n in 0..10 {
            assert!(!attempts.are_over(ip("192.0.2.1"), at(100 + n)));
            assert_eq!(attempts.wrong(ip("192.0.2.1"), at(100 + n)), Attempt::Counted);
        }
        assert!(attempts.are_over(ip("192.0.2.1"), at(159)) && !attempts.are_over(ip("192.0.2.1"), at(160)));
        let refused = |wait, audit| Attempt::Refused { wait: at(wait), audit };
        assert_eq!(attempts.wrong(ip("192.0.2.1"), at(110)), refused(50, true));
        assert_eq!(attempts.wrong(ip("192.0.2.1"), at(111)), refused(49, false));
        assert_eq!(attempts.wrong(ip("192.0.2.1"), at(159)), refused(1, false));
        assert_eq!(attempts.wrong(ip("192.0.2.1"), at(160)), Attempt::Counted);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let attempts = Attempts::default();
        let wrong = |n: u32| attempts.wrong(ip(&format!("2001:db8::{n:x}")), Duration::from_secs(1));
        assert!((0..10).all(|n| wrong(n) == Attempt::Counted));
        assert!(matches!(wrong(11), Attempt::Refused { .. }));
    }

    #[test]
    fn a_crowd_of_sources_takes_no_more_memory_and_does_not_fill_the_audit_trail() {
        let attempts = Attempts::default();
        let mut audited = 0;
        for n in 0..300_000_u32 {
            let attempt = attempts.wrong(IpAddr::V4(n.into()), Duration::from_secs(1));
            audited += u32::from(matches!(attempt, Attempt::Refused { audit: true, .. }));
        }
        assert_eq!(audited, AUDITED_MAX);
        assert_eq!(attempts.counts.lock().unwrap().slots.len(), SLOTS);
    }
}
