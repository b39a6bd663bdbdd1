//! What this worker counts for the metrics: once for each call, batch or group of requests, never for each push.

use crate::claim::InHand;
use crate::gateway::{Answer, Answered};
use crate::shared::Shared;
use common::device::Platform;
use common::fleet::WorkerRow;
use common::ledger::{ClaimAnswer, CompleteAnswer};
use common::outcome::{Class, Outcome};
use common::ports::{EntryResult, PortError};
use common::time::UnixMs;
use std::time::Duration;
use telemetry::metrics::{
    ACCEPTED_SECONDS, Answered as Label, BREAKER, CLAIMS_HELD, CONNECTIONS, CREDENTIAL_AGE_SECONDS, Claim,
    Completion, DEVICES_IN_FLIGHT, DEVICES_SETTLED, ENVELOPES, Event, GATEWAY_ANSWERS, GATEWAY_SECONDS,
    Gateway, QUEUE_FAILURES, Queue, STREAMS, Settled,
};
use telemetry::{Label as _, Tally};
use tracing::Span;

/// Tokens of both gateways are made for an hour: ours for Apple, Google's for us.
const CREDENTIALS_LIVE: Duration = Duration::from_secs(3600);

impl Shared {
    /// Sets the gauges to what the heartbeat says.
    pub(crate) fn measure(&self, row: &WorkerRow) {
        CLAIMS_HELD.set((), i64::from(row.claims));
        let in_flight: usize = self.lanes().iter().map(|l| l.devices_in_flight).sum();
        DEVICES_IN_FLIGHT.set_count((), in_flight);
        for link in &row.links {
            let Some(gateway) = Gateway::named(&link.gateway) else { continue };
            CONNECTIONS.set(gateway, i64::from(link.connections));
            STREAMS.set(gateway, i64::from(link.streams));
            if let Some(until) = link.credentials_until {
                let age = CREDENTIALS_LIVE.saturating_sub(until.since(self.clock.now()));
                CREDENTIAL_AGE_SECONDS.set_count(gateway, age.as_secs());
            }
        }
        for platform in Platform::ALL {
            let control = self.control(platform);
            let state = if control.fleet_tripped { 2 } else { i64::from(control.breaker.is_tripped()) };
            BREAKER.set(platform.into(), state);
        }
    }
}

/// Counts what became of a call's entries.
pub(crate) fn acked(event: Event, done: &Result<Vec<EntryResult>, PortError>) {
    match done {
        Ok(answers) => {
            let ok = answers.iter().filter(|a| **a == EntryResult::Ok).count();
            let failed = answers.iter().filter(|a| matches!(a, EntryResult::Failed(_))).count();
            ENVELOPES.add_len((Queue::Batches, event), ok);
            QUEUE_FAILURES.add_len(Queue::Batches, failed);
        }
        Err(_) => QUEUE_FAILURES.one(Queue::Batches),
    }
}

/// Counts envelopes that come again later.
pub(crate) fn sent_later(answers: &[EntryResult]) {
    let ok = answers.iter().filter(|a| **a == EntryResult::Ok).count();
    ENVELOPES.add_len((Queue::Batches, Event::SentLater), ok);
    QUEUE_FAILURES.add_len(Queue::Batches, answers.len() - ok);
}

pub(crate) fn claim(answer: &ClaimAnswer) -> Claim {
    match answer {
        ClaimAnswer::Granted { .. } => Claim::Granted,
        ClaimAnswer::Done => Claim::Done,
        ClaimAnswer::Stale => Claim::Stale,
        ClaimAnswer::HeldUntil(_) => Claim::Held,
    }
}

pub(crate) fn completion(answer: &CompleteAnswer) -> Completion {
    match answer {
        CompleteAnswer::Taken { .. } => Completion::Taken,
        CompleteAnswer::Merged => Completion::Merged,
        CompleteAnswer::Unknown => Completion::Unknown,
    }
}

/// A span for one group of requests, where its batch is one of those that are followed.
pub(crate) fn group_span(hand: &InHand, platform: Platform, devices: usize) -> Span {
    if hand.trace.is_none() {
        return Span::none();
    }
    let (gateway, accepted) = (platform.label(), tracing::field::Empty);
    tracing::info_span!("gateway group", gateway, devices, accepted)
}

/// Counts the answers to a group of requests.
pub(crate) fn answers(platform: Platform, answers: &[Answered], took: Duration, span: &Span) {
    let mut counts = [0_u64; Label::VALUES.len()];
    for answered in answers {
        counts[label(answered.answer).index()] += 1;
    }
    for (label, count) in Label::ALL.iter().zip(counts) {
        GATEWAY_ANSWERS.add((platform.into(), *label), count);
    }
    GATEWAY_SECONDS.observe(platform.into(), took);
    span.record("accepted", counts[Label::Accepted.index()]);
}

/// How an answer is counted.
fn label(answer: Answer) -> Label {
    match answer {
        Answer::Accepted => Label::Accepted,
        Answer::TokenGone { .. } => Label::Unregistered,
        Answer::Rejected(outcome) => Label::refused(outcome),
        Answer::Throttled { device: true, .. } => Label::TooManyRequests,
        Answer::Throttled { device: false, .. } => Label::Throttled,
        Answer::Unavailable { .. } => Label::Unavailable,
        Answer::Misconfigured => Label::Misconfigured,
        Answer::CredentialsExpired => Label::CredentialsExpired,
        Answer::NotSent => Label::NotSent,
        Answer::Ambiguous => Label::Ambiguous,
    }
}

/// Counts a batch's devices that got their outcome, and how long after the press the accepted ones were accepted.
pub(crate) fn settled(counted: &[(u8, UnixMs)], pressed_at: UnixMs) {
    let mut classes = [[0_u64; Settled::VALUES.len()]; 2];
    let mut accepted = [Tally::default(), Tally::default()];
    for (byte, at) in counted {
        let (outcome, platform) = Outcome::from_byte(*byte);
        classes[platform as usize][Settled::from(outcome.class()).index()] += 1;
        if outcome.class() == Class::Accepted {
            accepted[platform as usize].count(at.since(pressed_at));
        }
    }
    for platform in Platform::ALL {
        for (class, count) in Settled::ALL.iter().zip(classes[platform as usize]) {
            DEVICES_SETTLED.add((platform.into(), *class), count);
        }
        ACCEPTED_SECONDS.add(platform.into(), &accepted[platform as usize]);
    }
}
