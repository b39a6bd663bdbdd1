//! Small things that both gateways do with a group of pushes.

use super::{PoolState, Response};
use crate::gateway::{Answer, Answered, Push};
use common::fleet::LinkRow;
use common::time::UnixMs;
use std::time::Duration;

/// How long preparing waits for connections (ours; a dial's own limit).
pub(crate) const READY_WITHIN: Duration = super::limits::DIAL_WITHIN;

/// The same answer to each.
pub(crate) fn all(pushes: &[Push<'_>], answer: Answer, at: UnixMs) -> Vec<Answered> {
    pushes.iter().map(|push| Answered { place: push.place, answer, at }).collect()
}

/// What a completion means; `judge` knows the gateway's answers.
pub(crate) fn answers(
    completions: Vec<super::Completion>,
    mut judge: impl FnMut(&Response) -> Answer,
) -> impl Iterator<Item = Answered> {
    completions.into_iter().map(move |done| {
        let answer = match &done.reply {
            super::Reply::Answered(response) => judge(response),
            super::Reply::NotSent => Answer::NotSent,
            super::Reply::Ambiguous => Answer::Ambiguous,
        };
        Answered { place: done.place, answer, at: done.at }
    })
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
