//! Small things that both gateways do with a group of pushes.

use super::{Origin, Reply, Response, limits};
use crate::gateway::{Answer, Answered, Push};
use common::fleet::LinkRow;
use common::outcome::Outcome;
use common::time::{Clock, UnixMs};
use std::rc::Rc;
use std::time::Duration;
use wire::driver::{Ended, Pool, PoolSettings, PoolState};

/// How long preparing waits for connections (ours; a dial's own limit).
pub(crate) const READY_WITHIN: Duration = limits::DIAL_WITHIN;

/// Starts to open connections. Must be called inside a `LocalSet`.
pub(crate) fn pool(origin: &Origin, connections: u16) -> Rc<Pool> {
    Rc::new(Pool::open(PoolSettings { target: origin.target(), connections, connection: connection() }))
}

/// As [`pool`], of one connection that keeps what a twin wants to know.
pub(crate) fn pool_of_twin(origin: &Origin) -> Rc<Pool> {
    let mut connection = connection();
    connection.keep_successes = true;
    connection.wanted.push(APNS_ID.to_owned());
    Rc::new(Pool::open(PoolSettings { target: origin.target(), connections: 1, connection }))
}

/// Apple's id of a notification.
const APNS_ID: &str = "apns-id";
/// Its place among the headers that a twin's connection keeps.
pub(crate) const APNS_ID_PLACE: usize = 1;

/// How connections to both gateways behave.
#[must_use]
pub fn connection() -> wire::Config {
    wire::Config {
        streams_first: limits::STREAMS_FIRST,
        streams_max: limits::STREAMS_MAX,
        out_bytes_max: limits::OUT_BYTES_MAX,
        answer_bytes_max: limits::ANSWER_BYTES_MAX,
        keep_successes: false,
        window_bytes: limits::CONNECTION_WINDOW_BYTES,
        wanted: vec![http::header::RETRY_AFTER.as_str().to_owned()],
        ping_busy_every: limits::PING_BUSY_EVERY,
        ping_idle_every: limits::PING_IDLE_EVERY,
        pong_within: limits::PONG_WITHIN,
    }
}

/// The same answer to each.
pub(crate) fn all(pushes: &[Push<'_>], answer: Answer, at: UnixMs) -> Vec<Answered> {
    pushes.iter().map(|push| Answered { place: push.place, answer, at }).collect()
}

/// What the ends of requests mean, whose tags are places; `judge` knows the gateway's answers. `foreign` are places of
/// pushes that are not this gateway's to send.
pub(crate) fn answers(
    ended: Vec<Ended>,
    clock: &dyn Clock,
    mut judge: impl FnMut(&Response) -> Answer,
    foreign: impl Iterator<Item = u16>,
) -> Vec<Answered> {
    let (now, instant) = (clock.now(), tokio::time::Instant::now());
    // Those that came with one read have one time.
    let mut last = (instant, now);
    let mut answered = Vec::with_capacity(ended.len());
    for Ended { tag, outcome, at } in ended {
        if at != last.0 {
            last = (at, now.minus(instant.saturating_duration_since(at)));
        }
        let answer = match outcome.into() {
            Reply::Answered(response) => judge(&response),
            Reply::NotSent => Answer::NotSent,
            Reply::Ambiguous => Answer::Ambiguous,
        };
        answered.push(Answered { place: tag as u16, answer, at: last.1 });
    }
    let unsendable = Answer::Rejected(Outcome::Unsendable);
    answered.extend(foreign.map(|place| Answered { place, answer: unsendable, at: now }));
    answered
}

/// A heartbeat's row without quota and credentials.
pub(crate) fn link(gateway: &str, state: PoolState, trouble: Option<String>) -> LinkRow {
    LinkRow {
        gateway: gateway.to_owned(),
        connections: state.connections,
        streams: state.streams,
        quota_per_s: None,
        credentials_until: None,
        trouble: trouble.or(state.trouble),
    }
}
