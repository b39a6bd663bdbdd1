//! The project's message quota: a bucket that is full again one minute after its first message.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::super::limits::QUOTA_WINDOW;

/// What was used of the quota.
#[derive(Default)]
pub(in super::super) struct Quota(Mutex<Option<(Instant, u64)>>);

impl Quota {
    /// Uses one message of the quota, or says in how many seconds there are more.
    pub(super) fn take(&self, per_minute: u64, now: Instant) -> Result<(), u32> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, used) = match *window {
            Some((start, used)) if now.saturating_duration_since(start) < QUOTA_WINDOW => (start, used),
            _ => (now, 0),
        };
        if used >= per_minute {
            let rest = QUOTA_WINDOW.saturating_sub(now.saturating_duration_since(start));
            return Err(rest.as_secs_f64().ceil() as u32);
        }
        *window = Some((start, used + 1));
        Ok(())
    }

    /// The bucket is full again.
    pub(in super::super) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bucket_is_full_again_after_a_minute() {
        let (quota, start) = (Quota::default(), Instant::now());
        assert_eq!([0, 1].map(|s| quota.take(2, start + Duration::from_secs(s))), [Ok(()); 2]);
        assert_eq!(quota.take(2, start + Duration::from_secs(15)), Err(45));
        assert_eq!(quota.take(2, start + Duration::from_secs(60)), Ok(()));
    }
}
