//! Faults that come for a while and go again.

use serde::{Deserialize, Serialize};

use super::super::journal::Platform;
use super::super::limits;
use super::draw::{mix, unit};
use super::{Fault, SettingFault};

/// What befalls requests during a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurstKind {
    /// 503.
    Unavailable,
    /// 500.
    InternalError,
    /// 429.
    Throttle,
    /// No answer.
    Stall,
    /// The stream is reset (INTERNAL_ERROR).
    Reset,
}

/// A fault that comes back. Its time counts from the gateways' start, or from the last reset of their journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// What befalls requests.
    pub what: BurstKind,
    /// Seconds from the beginning of one burst to that of the next; 0: there is one only.
    #[serde(default)]
    pub every_s: f64,
    /// Seconds that a burst lasts.
    pub for_s: f64,
    /// Seconds until the first one.
    #[serde(default)]
    pub after_s: f64,
    /// Share of the requests that are hit.
    #[serde(default = "all")]
    pub share: f64,
    /// Only this gateway; both if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

fn all() -> f64 {
    1.0
}

impl Burst {
    /// Whether it is on, so many milliseconds after the start.
    #[must_use]
    pub fn is_on(&self, since_ms: u32) -> bool {
        let since = f64::from(since_ms) / 1000.0 - self.after_s;
        let within = if self.every_s > 0.0 { since.rem_euclid(self.every_s) } else { since };
        since >= 0.0 && within < self.for_s
    }

    pub(super) fn faults(&self, place: usize, into: &mut Vec<SettingFault>) {
        let mut fault = |name: &str, problem: String| {
            into.push(SettingFault { path: format!("burst[{place}].{name}"), problem });
        };
        let range = 0.0..=limits::SETTING_S_MAX;
        for (name, seconds) in [("every_s", self.every_s), ("for_s", self.for_s), ("after_s", self.after_s)] {
            if !range.contains(&seconds) {
                fault(
                    name,
                    format!("must lie between 0 and {} seconds, not {seconds}", limits::SETTING_S_MAX),
                );
            }
        }
        if !(0.0..=1.0).contains(&self.share) {
            fault("share", format!("must lie between 0 and 1, not {}", self.share));
        }
        if self.every_s > 0.0 && self.for_s > self.every_s {
            fault("for_s", format!("must not exceed every_s ({}), not be {}", self.every_s, self.for_s));
        }
    }
}

/// The fault of the first burst that hits this request.
pub(super) fn hit(bursts: &[Burst], bits: u64, platform: Platform, since_ms: u32) -> Option<Fault> {
    let hits = |(place, burst): &(usize, &Burst)| {
        burst.platform.is_none_or(|only| only == platform)
            && burst.is_on(since_ms)
            && unit(mix(bits ^ (*place as u64 + 1))) < burst.share
    };
    let (_, burst) = bursts.iter().enumerate().find(hits)?;
    Some(match burst.what {
        BurstKind::Unavailable => Fault::Unavailable,
        BurstKind::InternalError => Fault::InternalError,
        BurstKind::Throttle => Fault::Throttle,
        BurstKind::Stall => Fault::Stall,
        BurstKind::Reset => Fault::Reset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burst(every_s: f64, for_s: f64, after_s: f64) -> Burst {
        Burst { what: BurstKind::Stall, every_s, for_s, after_s, share: 1.0, platform: None }
    }

    #[test]
    fn it_comes_and_goes() {
        let on = |burst: &Burst, times: [u32; 6]| times.map(|ms| burst.is_on(ms));
        let times = [0, 999, 1_000, 2_999, 3_000, 11_500];
        assert_eq!(on(&burst(10.0, 2.0, 1.0), times), [false, false, true, true, false, true]);
        assert_eq!(on(&burst(0.0, 2.0, 1.0), times), [false, false, true, true, false, false]);
        assert_eq!(on(&burst(0.0, 0.0, 0.0), times), [false; 6]);
    }

    #[test]
    fn it_hits_its_share_of_its_platform() {
        let half = Burst { share: 0.5, platform: Some(Platform::Fcm), ..burst(0.0, 1.0, 0.0) };
        let bursts =
            [half, Burst { what: BurstKind::Reset, platform: Some(Platform::Apns), ..burst(0.0, 1.0, 0.0) }];
        let hits =
            |platform| (0..10_000).filter_map(|n| hit(&bursts, mix(n), platform, 0)).collect::<Vec<_>>();
        assert!((4_800..5_200).contains(&hits(Platform::Fcm).len()));
        assert_eq!(hits(Platform::Apns), vec![Fault::Reset; 10_000]);
        assert_eq!(hit(&bursts, 1, Platform::Apns, 1_000), None);
    }
}
