//! The breaker of one gateway in one worker: many answers and no success mean that something is wrong for everybody.
//! Pure; time is the monotonic clock's.

use std::time::Duration;

/// The window is halved when it holds this many answers, so that the newest ones count most.
const WINDOW: u32 = 1_000;
/// It also trips when fewer than one answer in this many was a success.
const ONE_IN: u32 = 50;

/// Next to successes, it takes this many times more bad answers in a row: one batch of bad rows is no fault of ours.
const IN_A_ROW: u32 = 10;

/// What the answers so far say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// There are successes, or nothing bad was heard.
    Well,
    /// Only bad answers so far, too few to be sure.
    Suspect,
    /// Tripped.
    Tripped,
}

/// Counts answers; trips; lets a probe through from time to time; closes at the first success.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    threshold: u32,
    probe_every: Duration,
    good: u32,
    bad: u32,
    bad_in_a_row: u32,
    /// Tripped, with the time of the next probe.
    next_probe: Option<Duration>,
}

impl Breaker {
    pub(crate) fn new(threshold: u32, probe_every: Duration) -> Self {
        Self { threshold: threshold.max(1), probe_every, good: 0, bad: 0, bad_in_a_row: 0, next_probe: None }
    }

    /// Takes in the answers of one batch. True when it trips now.
    pub(crate) fn observe(&mut self, good: u32, bad: u32, now: Duration) -> bool {
        if self.next_probe.is_some() {
            if good > 0 {
                *self = Self { good, bad, ..Self::new(self.threshold, self.probe_every) };
            }
            return false;
        }
        self.good += good;
        self.bad += bad;
        self.bad_in_a_row = if good > 0 { 0 } else { self.bad_in_a_row + bad };
        let total = self.good + self.bad;
        let hopeless = total >= self.threshold && self.good.saturating_mul(ONE_IN) < total;
        let in_a_row = if self.good == 0 { self.threshold } else { self.threshold.saturating_mul(IN_A_ROW) };
        if bad > 0 && (self.bad_in_a_row >= in_a_row || hopeless) {
            self.next_probe = Some(now + self.probe_every);
            return true;
        }
        while self.good + self.bad > WINDOW {
            self.good /= 2;
            self.bad /= 2;
        }
        false
    }

    pub(crate) fn health(&self) -> Health {
        match self.next_probe {
            Some(_) => Health::Tripped,
            None if self.good == 0 && self.bad > 0 => Health::Suspect,
            None => Health::Well,
        }
    }

    /// Whether something may leave: always when closed, once in each `probe_every` when tripped.
    pub(crate) fn admit(&mut self, now: Duration) -> bool {
        match self.next_probe {
            None => true,
            Some(at) if now >= at => {
                self.next_probe = Some(now + self.probe_every);
                true
            }
            Some(_) => false,
        }
    }

    /// As [`Breaker::admit`], without using the probe up.
    pub(crate) fn would_admit(&self, now: Duration) -> bool {
        self.next_probe.is_none_or(|at| now >= at)
    }

    pub(crate) fn is_tripped(&self) -> bool {
        self.next_probe.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_trips_on_many_answers_without_success_and_not_on_bad_rows() {
        let mut b = Breaker::new(50, S);
        assert!(!b.observe(0, 49, S));
        assert_eq!(b.health(), Health::Suspect);
        assert!(b.observe(0, 1, S));
        let mut b = Breaker::new(50, S);
        assert!((0..10_000).all(|_| !b.observe(60, 40, S)), "40 % bad tokens are no fault of ours");
        assert_eq!(b.health(), Health::Well);
        assert!(!b.observe(0, 100, S), "nor is one batch of bad rows");
        assert!(b.observe(0, 400, S), "a whole run of bad ones after good ones is");
    }

    #[test]
    fn one_success_in_a_hundred_is_hopeless_too() {
        let mut b = Breaker::new(50, S);
        assert!((0..20).any(|_| b.observe(1, 99, S)));
    }

    #[test]
    fn half_open_lets_one_through_and_the_first_success_closes_it() {
        let mut b = Breaker::new(50, S);
        b.observe(0, 50, S);
        assert!(!b.would_admit(S) && b.would_admit(2 * S));
        assert!(b.admit(2 * S) && !b.admit(2 * S));
        assert!(!b.observe(0, 100, 2 * S) && b.is_tripped());
        assert!(b.admit(3 * S));
        b.observe(1, 0, 3 * S);
        assert!(!b.is_tripped() && b.health() == Health::Well);
    }
}
