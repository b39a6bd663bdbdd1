//! Which settings make no sense, and what would be right.

use std::fmt;

use super::{Behaviour, limits};

/// A setting out of range, or at odds with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting as it stands in a profile, such as `burst[1].share`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.problem)
    }
}

/// Ten shares of a tenth do not add up to exactly one.
const SUM_TOLERANCE: f64 = 1e-9;

impl Behaviour {
    /// All faults of these settings, or nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        let faults = self.faults();
        let said: Vec<String> = faults.iter().map(SettingFault::to_string).collect();
        if said.is_empty() { Ok(()) } else { Err(said.join("; ")) }
    }

    /// All faults of these settings.
    #[must_use]
    pub fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        self.check_shares(&mut faults);
        self.check_round_trips(&mut faults);
        self.check_numbers(&mut faults);
        for (place, burst) in self.burst.iter().enumerate() {
            burst.faults(place, &mut faults);
        }
        if self.burst.len() > limits::BURSTS_MAX {
            faults.push(fault("burst", format!("must not have more than {} entries", limits::BURSTS_MAX)));
        }
        faults
    }

    fn check_shares(&self, faults: &mut Vec<SettingFault>) {
        let of_tokens = [
            ("dead_share", self.dead_share),
            ("bad_share", self.bad_share),
            ("mismatched_share", self.mismatched_share),
        ];
        let of_requests = [
            ("unavailable_share", self.unavailable_share),
            ("internal_error_share", self.internal_error_share),
            ("throttle_share", self.throttle_share),
            ("reset_share", self.reset_share),
            ("stall_share", self.stall_share),
        ];
        let others = [
            ("lost_answer_accepted_share", self.lost_answer_accepted_share),
            ("expired_token_share", self.expired_token_share),
            ("retry_after_share", self.retry_after_share),
        ];
        for (name, share) in of_tokens.iter().chain(&of_requests).chain(&others) {
            if !(0.0..=1.0).contains(share) {
                faults.push(fault(name, format!("must lie between 0 and 1, not {share}")));
            }
        }
        for (what, group) in [("tokens", &of_tokens[..]), ("requests", &of_requests[..])] {
            let sum: f64 = group.iter().map(|(_, share)| share).sum();
            if sum > 1.0 + SUM_TOLERANCE {
                let last = group.iter().rev().find(|(_, share)| *share > 0.0).map_or("", |(name, _)| name);
                let problem =
                    format!("and the other shares of {what} must not add up to more than 1, not {sum}");
                faults.push(fault(last, problem));
            }
        }
        // BadDeviceToken counts twice, so that such a share may reach 2.
        for (name, share) in [
            ("apns_slowdown_share", self.apns_slowdown_share),
            ("apns_disconnect_share", self.apns_disconnect_share),
        ] {
            if let Some(share) = share.filter(|share| !(0.0..=2.0).contains(share)) {
                faults.push(fault(name, format!("must lie between 0 and 2, not {share}")));
            }
        }
    }

    fn check_round_trips(&self, faults: &mut Vec<SettingFault>) {
        for (name, round_trip) in [("round_trip", &self.round_trip), ("fcm_round_trip", &self.fcm_round_trip)]
        {
            if let Some(problem) = round_trip.as_ref().and_then(super::RoundTrip::fault) {
                faults.push(fault(name, format!("makes no sense: {problem}")));
            }
        }
        if self.round_trip.is_some() && self.round_trip_ms > 0 {
            faults.push(fault("round_trip_ms", "and round_trip exclude each other: leave one out"));
        }
    }

    fn check_numbers(&self, faults: &mut Vec<SettingFault>) {
        for (name, streams) in [
            ("apns_streams_until_proven", self.apns_streams_until_proven),
            ("apns_streams", self.apns_streams),
            ("fcm_streams", self.fcm_streams),
        ] {
            if !(1..=limits::STREAMS_MAX).contains(&streams) {
                faults.push(fault(name, format!("must be at least 1 and at most {}", limits::STREAMS_MAX)));
            }
        }
        for (name, seconds) in
            [("goaway_after_s", self.goaway_after_s), ("half_open_after_s", self.half_open_after_s)]
        {
            if !(0.0..=limits::SETTING_S_MAX).contains(&seconds) {
                let problem =
                    format!("must lie between 0 and {} seconds, not {seconds}", limits::SETTING_S_MAX);
                faults.push(fault(name, problem));
            }
        }
        for (name, number) in [
            ("seed", self.seed),
            ("goaway_every", self.goaway_every),
            ("close_every", self.close_every),
            ("half_open_every", self.half_open_every),
            ("fcm_quota_per_minute", self.fcm_quota_per_minute.unwrap_or(0)),
        ] {
            if number > i64::MAX as u64 {
                faults.push(fault(name, format!("must not exceed {}: TOML has no larger numbers", i64::MAX)));
            }
        }
        let word = |reason: &String| {
            (1..=64).contains(&reason.len()) && reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if self.apns_goaway_reason.as_ref().is_some_and(|reason| !word(reason)) {
            faults.push(fault(
                "apns_goaway_reason",
                "must be one word of letters and digits, such as Shutdown",
            ));
        }
    }
}

fn fault(path: &str, problem: impl Into<String>) -> SettingFault {
    SettingFault { path: path.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::super::{Burst, BurstKind, RoundTrip};
    use super::*;

    #[test]
    fn every_setting_out_of_range_is_named() {
        let wrong = Behaviour {
            dead_share: 1.5,
            stall_share: -0.1,
            lost_answer_accepted_share: 1.1,
            apns_streams_until_proven: 0,
            fcm_streams: 0,
            retry_after_share: f64::NAN,
            goaway_after_s: f64::INFINITY,
            round_trip: Some(RoundTrip::ConstantMs(-1.0)),
            apns_slowdown_share: Some(2.5),
            apns_goaway_reason: Some("a \"quote".to_owned()),
            burst: vec![Burst {
                what: BurstKind::Stall,
                every_s: 1.0,
                for_s: 2.0,
                after_s: -1.0,
                share: 7.0,
                platform: None,
            }],
            ..Behaviour::default()
        };
        let message = wrong.check().expect_err("out of range");
        for name in [
            "dead_share",
            "stall_share",
            "lost_answer_accepted_share",
            "apns_streams_until_proven",
            "fcm_streams",
            "retry_after_share",
            "goaway_after_s",
            "round_trip",
            "apns_slowdown_share",
            "apns_goaway_reason",
            "burst[0].for_s",
            "burst[0].after_s",
            "burst[0].share",
            "tokens",
        ] {
            assert!(message.contains(name), "{name} is missing in {message}");
        }
        assert_eq!(Behaviour::default().check(), Ok(()));
    }

    #[test]
    fn a_constant_and_a_distribution_exclude_each_other() {
        let both = Behaviour {
            round_trip_ms: 1,
            round_trip: Some(RoundTrip::ConstantMs(1.0)),
            ..Behaviour::default()
        };
        assert!(both.check().expect_err("both").contains("exclude each other"));
    }
}
