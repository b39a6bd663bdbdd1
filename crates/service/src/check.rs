//! What must fit together in a configuration, for keys that several services have.

use crate::config::Findings;
use crate::stop::DRAIN_WITHIN;
use aws::AwsConfig;
use std::time::Duration;

/// Longest long poll of a worker: one that is under way when the end comes is waited for.
const RECEIVE_WAIT_MS_MAX: u64 = 5_000;
/// Attempts of one call that must fit into a lease or a visibility, so that one lost answer costs nothing.
const ATTEMPTS_IN_TIME: u32 = 2;

/// After the drain: the last counters, and leaving the fleet.
const LEAVING: Duration = Duration::from_secs(2);

/// A time as configurations write it.
#[must_use]
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long a receive call waits.
pub fn receive_wait(findings: &mut Findings, key: &str, wait_ms: u64) {
    findings.check(wait_ms <= RECEIVE_WAIT_MS_MAX, key, || {
        format!("is {wait_ms}: at most {RECEIVE_WAIT_MS_MAX}, for the end of the service waits for it")
    });
}

/// The drain, and what may follow it, must end before ECS kills the task.
pub fn drain(findings: &mut Findings, key: &str, drain_ms: u64, then: Duration) {
    let most = ms(DRAIN_WITHIN.saturating_sub(then + LEAVING));
    findings.check((1_000..=most).contains(&drain_ms), key, || {
        format!("is {drain_ms}: 1000 to {most}, so that everything has ended when ECS stops waiting")
    });
}

/// A lease or a visibility is renewed by calls that may have to be tried again before it ends.
pub fn attempts(findings: &mut Findings, aws: &AwsConfig, what: &str, lasts: Duration) {
    let most = ms(lasts / ATTEMPTS_IN_TIME);
    let is = aws.attempt_timeout_ms;
    findings.check(is <= most, "aws.attempt_timeout_ms", || {
        format!(
            "is {is}: at most {most}, so that a second attempt is made before {what} ends ({} ms)",
            ms(lasts)
        )
    });
}
