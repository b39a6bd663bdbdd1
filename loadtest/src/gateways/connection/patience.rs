//! How long APNs puts up with a connection that sends to tokens which are none.

use super::super::Behaviour;
use super::super::limits::{BAD_TOKEN_WEIGHT, SLOWDOWN_ANSWERS};
use super::super::reason::Reason;

/// The share of 4xx among about the last hundred answers; 410 and 429 do not count, BadDeviceToken counts twice.
#[derive(Default)]
pub(super) struct Patience(f64);

/// What becomes of the answer, and of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As always.
    Calm,
    /// The answer comes late.
    Slow,
    /// The answer comes late, and the connection is over.
    Ends,
}

impl Patience {
    /// Takes note of an answer.
    pub(super) fn note(&mut self, behaviour: &Behaviour, reason: Reason) -> Mood {
        let weight = match (reason, reason.status()) {
            (Reason::ApnsBadDeviceToken, _) => BAD_TOKEN_WEIGHT,
            (_, 410 | 429) => 0.0,
            (_, 400..=499) => 1.0,
            _ => 0.0,
        };
        self.0 += (weight - self.0) / SLOWDOWN_ANSWERS;
        let beyond = |limit: Option<f64>| limit.is_some_and(|limit| self.0 > limit);
        if beyond(behaviour.apns_disconnect_share) {
            Mood::Ends
        } else if beyond(behaviour.apns_slowdown_share) {
            Mood::Slow
        } else {
            Mood::Calm
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many answers of this kind the mood changes.
    fn answers_until(mood: Mood, reason: Reason) -> Option<usize> {
        let behaviour = Behaviour {
            apns_slowdown_share: Some(0.2),
            apns_disconnect_share: Some(0.5),
            ..Behaviour::default()
        };
        let mut patience = Patience::default();
        (1..=1_000).find(|_| patience.note(&behaviour, reason) == mood)
    }

    #[test]
    fn it_ends_sooner_for_bad_tokens_and_never_for_dead_ones() {
        assert_eq!(answers_until(Mood::Slow, Reason::ApnsBadTopic), Some(23));
        assert_eq!(answers_until(Mood::Ends, Reason::ApnsBadTopic), Some(69));
        assert_eq!(answers_until(Mood::Slow, Reason::ApnsBadDeviceToken), Some(11));
        for harmless in [Reason::ApnsUnregistered, Reason::ApnsTooManyRequests, Reason::ApnsAccepted] {
            assert_eq!(answers_until(Mood::Slow, harmless), None);
        }
    }

    #[test]
    fn it_comes_back() {
        let behaviour = Behaviour { apns_slowdown_share: Some(0.2), ..Behaviour::default() };
        let mut patience = Patience::default();
        while patience.note(&behaviour, Reason::ApnsBadTopic) == Mood::Calm {}
        assert_eq!(patience.note(&behaviour, Reason::ApnsAccepted), Mood::Slow);
        while patience.note(&behaviour, Reason::ApnsAccepted) == Mood::Slow {}
    }
}
