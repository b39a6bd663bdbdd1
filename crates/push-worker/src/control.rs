//! One gateway as this worker may use it: its breaker, its pacing, and what the rest of the fleet says. Pure.

use crate::breaker::{Breaker, Health};
use crate::config::PushConfig;
use crate::fate::{TRIPPED_PAUSE, TRIPPED_PAUSE_ALONE};
use crate::pacing::TokenBucket;
use std::time::Duration;

/// Begins the trouble text of a link whose breaker tripped: other workers look for it.
pub(crate) const TRIPPED: &str = "tripped: many answers and no success";

/// May a batch's devices leave?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes; tokens were taken for them.
    Now,
    /// Not before this has passed.
    Later(Duration),
}

/// What a worker knows about using one gateway.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) breaker: Breaker,
    pub(crate) bucket: TokenBucket,
    /// So many workers tripped that the whole fleet leaves it alone.
    pub(crate) fleet_tripped: bool,
}

impl Control {
    pub(crate) fn new(config: &PushConfig, now: Duration) -> Self {
        let breaker = Breaker::new(config.breaker_answers, config.breaker_probe_every);
        Self { breaker, bucket: TokenBucket::new(now), fleet_tripped: false }
    }

    /// Asks for `n` devices at once. Of a tripped fleet, only the workers that tripped probe.
    pub(crate) fn admit(&mut self, n: u32, now: Duration) -> Admission {
        if (self.fleet_tripped && !self.breaker.is_tripped()) || !self.breaker.would_admit(now) {
            return Admission::Later(self.tripped_pause());
        }
        match self.bucket.take(n, now) {
            Ok(()) => {
                self.breaker.admit(now);
                Admission::Now
            }
            Err(later) => Admission::Later(later),
        }
    }

    /// How long what a tripped breaker sends away stays away: others take it soon, unless they tripped too.
    pub(crate) fn tripped_pause(&self) -> Duration {
        if self.fleet_tripped { TRIPPED_PAUSE } else { TRIPPED_PAUSE_ALONE }
    }

    pub(crate) fn health(&self) -> Health {
        self.breaker.health()
    }

    /// This worker can't use it, while others can: it had better take nothing.
    fn is_only_mine(&self, now: Duration) -> bool {
        self.breaker.is_tripped() && !self.fleet_tripped && !self.breaker.would_admit(now)
    }

    fn is_shut(&mut self, now: Duration) -> bool {
        let tripped = (self.fleet_tripped && !self.breaker.is_tripped()) || !self.breaker.would_admit(now);
        tripped || self.bucket.is_dry(now)
    }
}

/// How many batches to take at once, `most` at the most, given the gateways that the campaign needs. None while all
/// of them are shut, or while one is shut for this worker only; one while a breaker is half open.
pub(crate) fn batches_to_take<'a>(
    needed: impl Iterator<Item = &'a mut Control>,
    now: Duration,
    most: usize,
) -> usize {
    let (mut any, mut open, mut most) = (false, false, most);
    for control in needed {
        any = true;
        if control.is_only_mine(now) {
            return 0;
        }
        open |= !control.is_shut(now);
        if control.breaker.is_tripped() && control.breaker.would_admit(now) {
            most = most.min(1);
        }
    }
    if any && !open { 0 } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn pair() -> [Control; 2] {
        [(); 2].map(|()| Control::new(&PushConfig::default(), Duration::ZERO))
    }

    #[test]
    fn a_worker_that_tripped_alone_leaves_everything_to_the_others() {
        let mut c = pair();
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 10);
        c[1].breaker.observe(0, 50, S);
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 0);
        assert_eq!(batches_to_take(c.iter_mut(), 6 * S, 10), 1, "a probe is due");
    }

    #[test]
    fn when_the_fleet_tripped_the_other_gateway_goes_on() {
        let mut c = pair();
        c[1].breaker.observe(0, 50, S);
        c[1].fleet_tripped = true;
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 10);
        assert_eq!(c[1].admit(5, S), Admission::Later(TRIPPED_PAUSE));
        assert_eq!(c[0].admit(5, S), Admission::Now);
        c[0].fleet_tripped = true;
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 0, "nothing is left to send to");
    }

    #[test]
    fn dry_gateways_stop_the_taking_only_together() {
        let mut c = pair();
        c[0].bucket.pause(2 * S, S);
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 10);
        c[1].bucket.pause(2 * S, S);
        assert_eq!(batches_to_take(c.iter_mut(), S, 10), 0);
        assert_eq!(batches_to_take(c.iter_mut(), 4 * S, 10), 10);
    }
}
