//! Rates: what a service lets through in a second, and the pacing that a worker does by itself.

use crate::Ns;

/// Lets so many through in a second, and lets wait what comes sooner.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    /// Nanoseconds that one takes.
    each: f64,
    /// What may come at once, in nanoseconds.
    burst: f64,
    /// When all that came is through.
    until: f64,
}

impl Rate {
    pub(crate) fn new(per_s: f64, burst: f64) -> Self {
        let each = 1e9 / per_s.max(1e-9);
        Self { each, burst: burst * each, until: 0.0 }
    }

    /// When these `n`, which come now, are through.
    pub(crate) fn pass(&mut self, n: f64, now: Ns) -> Ns {
        let now = now as f64;
        self.until = self.until.max(now) + n * self.each;
        (self.until - self.burst).max(now) as Ns
    }
}

/// A push worker's token bucket (`push-worker/src/pacing.rs`): it may go into debt by one batch, and gives whoever is
/// sent away a later time each.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_s: f64,
    tokens: f64,
    at: Ns,
    promised: Ns,
}

/// Tokens of this many seconds may be saved up.
const BURST_S: f64 = 0.5;

impl Bucket {
    pub(crate) fn new(per_s: f64) -> Self {
        Self { per_s, tokens: per_s * BURST_S, at: 0, promised: 0 }
    }

    /// Takes `n`, or says how much later they will be there.
    pub(crate) fn take(&mut self, n: u32, now: Ns) -> Result<(), Ns> {
        let seconds = now.saturating_sub(self.at) as f64 / 1e9;
        self.at = self.at.max(now);
        self.tokens = (self.tokens + seconds * self.per_s).min((self.per_s * BURST_S).max(1.0));
        if self.tokens > 0.0 {
            self.tokens -= f64::from(n);
            return Ok(());
        }
        let wait = ((1.0 - self.tokens) / self.per_s * 1e9) as Ns;
        let from = self.promised.max(now + wait);
        self.promised = from + (f64::from(n) / self.per_s * 1e9) as Ns;
        Err(from - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_through_what_it_says() {
        let mut rate = Rate::new(1_000.0, 10.0);
        let ends: Vec<Ns> = (0..1_010).map(|_| rate.pass(1.0, 0)).collect();
        assert_eq!((ends[9], ends[1_009]), (0, 1_000_000_000));
        assert_eq!(
            rate.pass(1.0, 5_000_000_000),
            5_000_000_000,
            "what was not used is not saved up beyond the burst"
        );
    }

    #[test]
    fn a_bucket_keeps_its_rate_whoever_comes_when() {
        let mut bucket = Bucket::new(1_000.0);
        let sent = (0..10_000_u64).filter(|ms| bucket.take(100, ms * 1_000_000).is_ok()).count() * 100;
        assert!((9_500..=10_700).contains(&sent), "{sent} in 10 s");
        assert!(bucket.take(2_000, 20_000_000_000).is_ok(), "into debt, once");
        let (first, second) = (bucket.take(100, 20_000_000_000), bucket.take(100, 20_000_000_000));
        assert!(matches!((first, second), (Err(a), Err(b)) if b == a + 100_000_000), "{first:?} {second:?}");
    }
}
