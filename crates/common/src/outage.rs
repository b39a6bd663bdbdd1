//! Since when something has not worked, as a worker tells it in its heartbeat row: a failure or two are nobody's business,
//! one that lasts is what a person wants to read.

use crate::limits::{DEAF_AFTER, OUTAGE_KEPT_FOR};
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One kind of call, and whether it has failed ever since some instant of the monotonic clock.
#[derive(Debug)]
pub struct Outage {
    what: &'static str,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct Failing {
    since: Duration,
    last: Duration,
    why: String,
}

impl Outage {
    /// Nothing has failed yet. `what` begins the sentence, such as "the shard queue could not be received from".
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, failing: Mutex::default() }
    }

    /// A call worked.
    pub fn over(&self) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A call failed.
    pub fn failed(&self, now: Duration, why: impl Display) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let since = failing.as_ref().filter(|f| f.is_kept(now)).map_or(now, |f| f.since);
        *failing = Some(Failing { since, last: now, why: why.to_string() });
    }

    /// The sentence, once it has lasted for [`DEAF_AFTER`]. What nobody has tried again for long is told no more: it may have
    /// been of a campaign that is over.
    #[must_use]
    pub fn sentence(&self, now: Duration) -> Option<String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = failing.as_ref().filter(|f| f.is_kept(now))?;
        let lasted = now.saturating_sub(failing.since);
        (lasted >= DEAF_AFTER).then(|| format!("{} for {} s: {}", self.what, lasted.as_secs(), failing.why))
    }
}

impl Failing {
    fn is_kept(&self, now: Duration) -> bool {
        now.saturating_sub(self.last) < OUTAGE_KEPT_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn what_lasts_is_told_and_what_works_again_is_not() {
        let outage = Outage::new("the queue was silent");
        assert_eq!(outage.sentence(9 * S), None);
        outage.failed(10 * S, "throttled");
        assert_eq!(outage.sentence(12 * S), None, "not worth a sentence yet");
        outage.failed(12 * S, "timed out");
        assert_eq!(outage.sentence(14 * S).as_deref(), Some("the queue was silent for 4 s: timed out"));
        outage.over();
        assert_eq!(outage.sentence(14 * S), None);
    }

    #[test]
    fn what_nobody_tries_again_is_forgotten() {
        let outage = Outage::new("the queue was silent");
        outage.failed(10 * S, "throttled");
        let later = 10 * S + OUTAGE_KEPT_FOR;
        assert_eq!(outage.sentence(later), None);
        outage.failed(later, "throttled");
        assert_eq!(outage.sentence(later + S), None, "it begins anew");
    }
}
