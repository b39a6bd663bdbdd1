//! Sends one batch that is held: both gateways at once, a second request where one at once may help, and then the
//! decision about each device.

use crate::admit::Part;
use crate::claim::InHand;
use crate::fate::{Around, Fate, fate, is_success, wants_second_try};
use crate::gateway::{Answer, Answered, Gateway, Push};
use crate::lane::Lane;
use crate::measure;
use crate::retry::{self, Later};
use common::device::Platform;
use common::ledger::DeviceResult;
use common::outcome::Outcome;
use common::time::UnixMs;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tracing::Instrument;

/// A gateway that took nothing of a whole batch is left alone for this long.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);

/// What one batch's turn came to.
#[derive(Debug)]
pub(crate) struct Turn {
    /// For the ledger.
    pub(crate) results: Vec<DeviceResult>,
    /// For the live counters: outcome byte and time of each device that got one.
    pub(crate) counted: Vec<(u8, UnixMs)>,
    /// What comes again, by platform.
    pub(crate) later: [Vec<Later>; 2],
    /// When the last request was handed to a connection.
    pub(crate) sent_at: Option<UnixMs>,
}

impl Turn {
    /// With room for so many devices.
    fn of(devices: usize) -> Self {
        let (results, counted) = (Vec::with_capacity(devices), Vec::with_capacity(devices));
        Self { results, counted, later: [Vec::new(), Vec::new()], sent_at: None }
    }
}

impl Lane {
    /// Sends what is granted, in the envelope, and admitted.
    pub(crate) async fn send(&self, hand: &InHand) -> Turn {
        let pushes = pushes(hand);
        let sent_at = Cell::new(None);
        let [apns, fcm] = Platform::ALL.map(|p| self.send_part(hand, p, &pushes[p as usize], &sent_at));
        let (apns, fcm) = futures::join!(apns, fcm);
        let devices = pushes.iter().map(Vec::len).sum();
        let mut turn = Turn { sent_at: sent_at.get(), ..Turn::of(devices) };
        for (platform, answers) in Platform::ALL.into_iter().zip([apns, fcm]) {
            self.decide(hand, platform, &pushes[platform as usize], &answers, &mut turn);
        }
        turn
    }

    fn may_send(&self, hand: &InHand) -> bool {
        let shared = &self.shared;
        !shared.is_stopped() && hand.allows(shared.clock.mono()) && shared.watch.may_send(&hand.batch.head)
    }

    async fn send_part(
        &self,
        hand: &InHand,
        platform: Platform,
        pushes: &[Push<'_>],
        sent_at: &Cell<Option<UnixMs>>,
    ) -> Vec<Answered> {
        let (Part::Send(_), Some(link)) = (hand.parts[platform as usize], self.link(platform)) else {
            return Vec::new();
        };
        if pushes.is_empty() {
            return Vec::new();
        }
        let gateway = Rc::clone(&link.gateway);
        let mut answers = self.request(hand, &*gateway, pushes, sent_at).await;
        let again: Vec<u16> =
            answers.iter().filter(|a| wants_second_try(a.answer)).map(|a| a.place).collect();
        let again: Vec<_> = pushes.iter().filter(|p| again.contains(&p.place)).copied().collect();
        if !again.is_empty() && self.may_send(hand) {
            for second in self.request(hand, &*gateway, &again, sent_at).await {
                if let Some(first) = answers.iter_mut().find(|a| a.place == second.place) {
                    *first = second;
                }
            }
        }
        self.learn(hand, platform, &answers);
        answers
    }

    /// One call; a push that the gateway forgot to answer counts as ambiguous.
    async fn request(
        &self,
        hand: &InHand,
        gateway: &dyn Gateway,
        pushes: &[Push<'_>],
        sent_at: &Cell<Option<UnixMs>>,
    ) -> Vec<Answered> {
        let agreed_at = Cell::new(None);
        let may_send = || {
            let may = self.may_send(hand);
            if may {
                agreed_at.set(Some(self.shared.clock.now()));
            }
            may
        };
        let (deadline_at, patience) = (hand.batch.head.deadline_at, self.shared.config.patience);
        let span = measure::group_span(hand, gateway.platform(), pushes.len());
        let began = self.shared.clock.mono();
        let sending = gateway.send(pushes, deadline_at, &may_send, patience);
        let mut answers = sending.instrument(span.clone()).await;
        if answers.len() != pushes.len() {
            let at = self.shared.clock.now();
            for place in pushes.iter().map(|p| p.place) {
                if !answers.iter().any(|a| a.place == place) {
                    answers.push(Answered { place, answer: Answer::Ambiguous, at });
                }
            }
        }
        sent_at.set(sent_at.get().max(last_write(agreed_at.get(), &answers)));
        let took = self.shared.clock.mono().saturating_sub(began);
        measure::answers(gateway.platform(), &answers, took, &span);
        answers
    }

    /// Tells breaker and pacing what was answered.
    fn learn(&self, hand: &InHand, platform: Platform, answers: &[Answered]) {
        let now = self.shared.clock.mono();
        let count = |wanted: &dyn Fn(Answer) -> bool| {
            u32::try_from(answers.iter().filter(|a| wanted(a.answer)).count()).unwrap_or(u32::MAX)
        };
        let good = count(&|a| is_success(a) == Some(true));
        // What is tried again is a selection of bad ones: it says nothing new about the gateway.
        let first_try = hand.batch.attempt == 0;
        // Nor do our own cuts, once the run is over.
        let bad = if first_try && self.may_send(hand) { count(&|a| is_success(a) == Some(false)) } else { 0 };
        let not_sent = count(&|a| a == Answer::NotSent);
        let throttled = answers.iter().filter_map(|a| match a.answer {
            Answer::Throttled { retry_after, device: false } => {
                Some(retry_after.unwrap_or_else(|| retry::back_off(hand.batch.key, hand.batch.attempt)))
            }
            _ => None,
        });
        let pause = throttled.max();
        let unreachable = good + bad == 0 && not_sent > 0 && pause.is_none() && self.may_send(hand);
        let mut control = self.shared.control(platform);
        control.bucket.refund(not_sent);
        if let Some(pause) = pause {
            control.bucket.pause(pause, now);
        }
        if unreachable {
            control.bucket.rest(UNREACHABLE_PAUSE, now);
        }
        if control.breaker.observe(good, bad, now) {
            let (worker, gateway) = (self.shared.id, platform.label());
            tracing::warn!(%worker, gateway, good, bad, "breaker tripped: many answers and no success");
        }
    }

    /// Turns one platform's answers, and what was not sent, into results and later tries.
    fn decide(
        &self,
        hand: &InHand,
        platform: Platform,
        pushes: &[Push<'_>],
        answers: &[Answered],
        turn: &mut Turn,
    ) {
        let now = self.shared.clock.now();
        let tripped_pause = self.shared.control(platform).tripped_pause();
        let around = Around {
            batch: &hand.batch,
            health: self.shared.health(platform),
            tripped_pause,
            resend_ambiguous: self.resends_ambiguous(),
            now,
        };
        for (n, push) in pushes.iter().enumerate() {
            let place = push.place;
            // Most come in the order in which they were asked.
            let in_order = answers.get(n).filter(|a| a.place == place);
            let answered = in_order.or_else(|| answers.iter().find(|a| a.place == place));
            let fate = match (answered, hand.parts[platform as usize]) {
                (Some(a), _) => fate(place, a.answer, &around),
                (None, Part::Unsendable) => Fate::Record(Outcome::Unsendable),
                (None, Part::Later(after)) => Fate::Again(Later { place, counts: false, after }),
                (None, Part::Send(_)) => fate(place, Answer::NotSent, &around),
            };
            let at = answered.map_or(now, |a| a.at);
            let dead_since = match answered.map(|a| a.answer) {
                Some(Answer::TokenGone { since }) => since,
                _ => None,
            };
            let (outcome, later) = match fate {
                Fate::Record(outcome) => (outcome, None),
                Fate::Again(later) => (Outcome::Unsent, Some(later)),
                Fate::Resend(later) => (Outcome::Ambiguous, Some(later)),
            };
            turn.later[platform as usize].extend(later);
            turn.results.push(DeviceResult { index: place, outcome, at, dead_since });
            if outcome != Outcome::Unsent && later.is_none() {
                turn.counted.push((outcome.to_byte(platform), at));
            }
        }
    }
}

/// When the last of these requests was handed to a connection. A gateway asks before each group of writes, so it was when it
/// was last told that it may; it also asks while the rest waits, which may then not leave at all, but not after the last
/// answer. If the rest did not leave, what was written and never answered says nothing: its end is its patience's.
fn last_write(agreed_at: Option<UnixMs>, answers: &[Answered]) -> Option<UnixMs> {
    let some_stayed = answers.iter().any(|a| a.answer == Answer::NotSent);
    let says = |answer| answer != Answer::NotSent && !(some_stayed && answer == Answer::Ambiguous);
    let last_answer = answers.iter().filter(|a| says(a.answer)).map(|a| a.at).max()?;
    Some(agreed_at?.min(last_answer))
}

/// The devices that are both in the envelope and granted, by platform.
fn pushes(hand: &InHand) -> [Vec<Push<'_>>; 2] {
    let mut pushes = Platform::ALL.map(|p| Vec::with_capacity(hand.devices.count(p)));
    for (i, device) in hand.devices.views().enumerate() {
        let place = hand.batch.place(i);
        if hand.unsent.get(usize::from(place)) == Some(&true) {
            let push = Push { place, target: device.target, locale: device.locale };
            pushes[device.target.platform() as usize].push(push);
        }
    }
    pushes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_is_told_from_what_only_waited() {
        let at = |place, answer, ms| Answered { place, answer, at: UnixMs(ms) };
        let accepted = at(0, Answer::Accepted, 40);
        assert_eq!(last_write(Some(UnixMs(10)), &[accepted, at(1, Answer::Ambiguous, 90)]), Some(UnixMs(10)));
        // The rest waited until its patience was over.
        assert_eq!(
            last_write(Some(UnixMs(900)), &[accepted, at(1, Answer::NotSent, 1_000)]),
            Some(UnixMs(40))
        );
        assert_eq!(last_write(Some(UnixMs(900)), &[at(1, Answer::NotSent, 1_000)]), None);
        let never_answered = at(2, Answer::Ambiguous, 1_000);
        let (stayed, agreed_at) = (at(1, Answer::NotSent, 1_000), Some(UnixMs(900)));
        assert_eq!(last_write(agreed_at, &[accepted, stayed, never_answered]), Some(UnixMs(40)));
        assert_eq!(last_write(agreed_at, &[stayed, never_answered]), None);
        assert_eq!(last_write(None, &[accepted]), None);
    }
}
