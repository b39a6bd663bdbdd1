//! The one-time code that makes the first administrator: printed once by whoever started the process, and kept here as a
//! hash. It is good for a day, for one use, and in this process only.

use common::access::SecretHash;
use common::time::UnixMs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a code is good.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The code, if there is one.
#[derive(Debug, Default)]
pub(crate) struct First(Mutex<Option<Code>>);

/// A code that may be used.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    hash: SecretHash,
    until: UnixMs,
}

impl First {
    /// From now on this code is the one.
    pub(crate) fn offer(&self, code: &str, now: UnixMs) {
        let code = Code { hash: SecretHash::of(code.as_bytes()), until: now.plus(GOOD_FOR) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    /// Takes the code, so that nobody else can; `None` when it is another, or too old.
    pub(crate) fn take(&self, given: &str, now: UnixMs) -> Option<Code> {
        let given = SecretHash::of(given.as_bytes());
        let mut code = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = code.as_ref().is_some_and(|code| code.hash.matches(&given) && now < code.until);
        if fits { code.take() } else { None }
    }

    /// Nothing came of it: it may be used again.
    pub(crate) fn give_back(&self, code: Code) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_for_a_day() {
        let (first, now) = (First::default(), UnixMs(1_000));
        assert!(first.take("", now).is_none());
        first.offer("secret", now);
        assert!(first.take("secreT", now).is_none());
        assert!(first.take("secret", now.plus(GOOD_FOR)).is_none());
        let taken = first.take("secret", now).unwrap();
        assert!(first.take("secret", now).is_none());
        assert!(!format!("{taken:?}").contains("secret") || format!("{taken:?}").contains("hidden"));
        first.give_back(taken);
        assert!(first.take("secret", now).is_some());
    }
}
