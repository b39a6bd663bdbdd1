//! Rate control towards one gateway: a token bucket, pauses that the gateway asked for, and a slow way back. Pure; time
//! is the monotonic clock's.

use std::time::Duration;

/// Tokens of this many seconds may be saved up: no clock-aligned spikes (Google asks for that).
const BURST_SECONDS: f64 = 0.5;
/// The rate never falls below this share of the allowed one.
const SLOWEST: f64 = 1.0 / 64.0;
/// Share of the allowed rate that comes back each second after it was halved.
const RECOVERY_PER_S: f64 = 0.05;
/// Longest pause that a Retry-After may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// The bucket. Without a rate it only knows pauses.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    rate: Option<f64>,
    tokens: f64,
    /// Share of the rate that is used: 1, less after the gateway complained.
    slow: f64,
    at: Duration,
    paused_until: Duration,
    /// Until when tokens are promised to those that were sent away.
    promised_until: Duration,
}

impl TokenBucket {
    pub(crate) fn new(now: Duration) -> Self {
        Self { rate: None, tokens: 0.0, slow: 1.0, at: now, paused_until: now, promised_until: now }
    }

    /// Sets the allowed rate, `None` for no limit. What is saved up stays, within the new bound.
    pub(crate) fn set_rate(&mut self, per_s: Option<f64>, now: Duration) {
        self.refill(now);
        if self.rate.is_none() {
            self.tokens = per_s.unwrap_or(0.0) * BURST_SECONDS;
        }
        self.rate = per_s.map(|r| r.max(0.01));
        self.tokens = self.tokens.min(self.burst());
    }

    /// Takes `n` tokens if the bucket is not dry (it may go into debt by one batch), or says how much later they will
    /// be there: each one that is sent away gets a later time.
    pub(crate) fn take(&mut self, n: u32, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        let wait = self.wait(now);
        if wait.is_zero() {
            self.tokens -= if self.rate.is_some() { f64::from(n) } else { 0.0 };
            return Ok(());
        }
        let from = self.promised_until.max(now + wait);
        let needs = self.speed().map_or(0.0, |r| f64::from(n) / r);
        self.promised_until = from + Duration::from_secs_f64(needs.min(PAUSE_MAX.as_secs_f64()));
        Err(from - now)
    }

    /// Puts tokens back that were not used.
    pub(crate) fn refund(&mut self, n: u32) {
        if self.rate.is_some() {
            self.tokens = (self.tokens + f64::from(n)).min(self.burst());
        }
    }

    /// The gateway asks for quiet: nothing leaves until it is over, and then half as fast as before. Answers that were
    /// under way when the pause began don't halve again.
    pub(crate) fn pause(&mut self, retry_after: Duration, now: Duration) {
        self.refill(now);
        if now >= self.paused_until {
            self.slow = (self.slow / 2.0).max(SLOWEST);
            self.tokens = self.tokens.min(0.0);
        }
        self.paused_until = self.paused_until.max(now + retry_after.min(PAUSE_MAX));
    }

    /// Nothing leaves for so long, and no complaint is counted: the gateway could not be reached.
    pub(crate) fn rest(&mut self, pause: Duration, now: Duration) {
        self.refill(now);
        self.paused_until = self.paused_until.max(now + pause);
    }

    /// Whether a batch could leave now.
    pub(crate) fn is_dry(&mut self, now: Duration) -> bool {
        self.refill(now);
        !self.wait(now).is_zero()
    }

    fn wait(&self, now: Duration) -> Duration {
        let debt = match self.speed() {
            Some(rate) if self.tokens <= 0.0 => {
                Duration::from_secs_f64(((1.0 - self.tokens) / rate).min(3600.0))
            }
            _ => Duration::ZERO,
        };
        debt.max(self.paused_until.saturating_sub(now))
    }

    fn refill(&mut self, now: Duration) {
        // Nothing is earned and nothing recovers during a pause.
        let from = self.at.max(self.paused_until.min(now));
        let seconds = now.saturating_sub(from).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + self.speed().unwrap_or(0.0) * seconds).min(self.burst());
        self.slow = (self.slow + RECOVERY_PER_S * seconds).min(1.0);
    }

    fn speed(&self) -> Option<f64> {
        self.rate.map(|r| r * self.slow)
    }

    fn burst(&self) -> f64 {
        self.rate.map_or(0.0, |r| (r * BURST_SECONDS).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_a_rate_everything_leaves() {
        let mut b = TokenBucket::new(s(0));
        assert!((0..1000).all(|_| b.take(100, s(0)).is_ok()));
    }

    #[test]
    fn over_time_no_more_leaves_than_the_rate_allows() {
        let mut b = TokenBucket::new(s(0));
        b.set_rate(Some(1000.0), s(0));
        let ticks = (0..10_000).map(Duration::from_millis);
        let sent: u32 = ticks.filter(|t| b.take(100, *t).is_ok()).count() as u32 * 100;
        assert!((9_500..=10_700).contains(&sent), "{sent} in 10 s at 1,000/s");
    }

    #[test]
    fn those_that_are_sent_away_are_spread() {
        let mut b = TokenBucket::new(s(0));
        b.set_rate(Some(100.0), s(0));
        assert!(b.take(100, s(0)).is_ok());
        let waits: Vec<_> = (0..3).map(|_| b.take(100, s(0)).unwrap_err()).collect();
        assert!(waits[1] - waits[0] == s(1) && waits[2] - waits[1] == s(1), "{waits:?}");
        b.refund(100);
        assert!(b.take(1, s(0)).is_ok());
    }

    #[test]
    fn a_pause_stops_then_halves_and_recovers() {
        let mut b = TokenBucket::new(s(0));
        b.set_rate(Some(1000.0), s(0));
        b.pause(s(10), s(1));
        b.pause(s(5), s(1));
        assert_eq!(b.slow, 0.5, "a second complaint within the pause is the same one");
        assert!(b.is_dry(s(10)) && b.take(1, s(10)).is_err());
        assert!(!b.is_dry(s(12)));
        assert!(b.slow < 0.6);
        b.refill(s(30));
        assert_eq!(b.slow, 1.0);
    }

    #[test]
    fn a_pause_holds_without_a_rate_too() {
        let mut b = TokenBucket::new(s(0));
        b.pause(s(2), s(0));
        assert_eq!(b.take(5, s(1)), Err(s(1)));
        assert_eq!(b.take(5, s(2)), Ok(()));
    }
}
