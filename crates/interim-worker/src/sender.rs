//! Puts batch envelopes on the queue: many calls in flight, failed entries again, and an end as soon as the gate closes.

use crate::expand::calls;
use common::envelope::{Head, NewEnvelope};
use common::ids::BatchNo;
use common::ports::{EntryResult, Queue};
use common::snapshot::Shard;
use futures::{StreamExt, stream};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use telemetry::metrics::Queue::Batches;
use telemetry::metrics::{ENVELOPES, Event, QUEUE_FAILURES};

/// Pause before the first repetition; doubled for each further one.
const BACK_OFF: Duration = Duration::from_millis(50);
/// Longest pause between repetitions.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// What sending a shard's batches came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendEnd {
    /// All are on the queue.
    All,
    /// The gate closed first; some may be on the queue.
    Closed,
}

/// What a call came to: how many of its entries are in, or why it failed.
pub(crate) type Told<'a> = &'a (dyn Fn(Result<usize, &dyn Display>) + Sync);

/// Sends the batches with these numbers. `open` is asked before every call; `told` hears what each call came to.
pub(crate) async fn send_all(
    queue: &Arc<dyn Queue>,
    (head, shard, numbers): (&Head, &Shard, &[BatchNo]),
    in_flight: usize,
    open: &(dyn Fn() -> bool + Sync),
    told: Told<'_>,
) -> SendEnd {
    let trace = telemetry::trace::current();
    let numbered = calls(head, shard, numbers, trace.as_ref()).enumerate();
    let sent = stream::iter(numbered).map(|(n, call)| send_call(queue, call, n, open, told));
    let mut sent = sent.buffer_unordered(in_flight.max(1));
    let mut end = SendEnd::All;
    // Once closed, every call that is left answers at once: the rest of the shard is not even encoded.
    while let Some(whole) = sent.next().await {
        if !whole {
            end = SendEnd::Closed;
            break;
        }
    }
    end
}

/// One call, until every entry is in. False when the gate closed first.
async fn send_call(
    queue: &Arc<dyn Queue>,
    mut call: Vec<NewEnvelope>,
    number: usize,
    open: &(dyn Fn() -> bool + Sync),
    told: Told<'_>,
) -> bool {
    for turn in 0_u32.. {
        if !open() {
            return false;
        }
        match queue.send(&call).await {
            Ok(answers) => {
                let before = call.len();
                call = failed(call, &answers);
                ENVELOPES.add_len((Batches, Event::Sent), before - call.len());
                QUEUE_FAILURES.add_len(Batches, call.len());
                told(Ok(before - call.len()));
                if let Some(EntryResult::Failed(why)) = answers.iter().find(|a| **a != EntryResult::Ok) {
                    told(Err(why));
                }
            }
            Err(error) => {
                QUEUE_FAILURES.one(Batches);
                tracing::warn!(%error, entries = call.len(), "batch envelopes not sent, trying again");
                told(Err(&error));
            }
        }
        if call.is_empty() {
            return true;
        }
        tokio::time::sleep(back_off(turn, number)).await;
    }
    false
}

fn failed(call: Vec<NewEnvelope>, answers: &[EntryResult]) -> Vec<NewEnvelope> {
    let is_in = |n: usize| answers.get(n) == Some(&EntryResult::Ok);
    call.into_iter().enumerate().filter(|(n, _)| !is_in(*n)).map(|(_, e)| e).collect()
}

/// Doubles with each turn, and differs from call to call so that they don't all come back at once.
fn back_off(turn: u32, number: usize) -> Duration {
    let whole = BACK_OFF.saturating_mul(1 << turn.min(10)).min(BACK_OFF_MAX);
    let spread = u32::try_from(number.wrapping_mul(37) % 50).unwrap_or(0);
    whole * (50 + spread) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_is_bounded_and_spread() {
        assert!(back_off(0, 0) < back_off(3, 0));
        assert!((0..2000).all(|n| back_off(u32::MAX, n) <= BACK_OFF_MAX && back_off(0, n) >= BACK_OFF / 2));
        assert_ne!(back_off(2, 1), back_off(2, 2));
    }

    #[test]
    fn entries_without_an_ok_are_sent_again() {
        let call = |n: u8| NewEnvelope::plain(vec![n].into());
        let answers = [EntryResult::Ok, EntryResult::Failed("busy".into())];
        let left = failed(vec![call(0), call(1), call(2)], &answers);
        assert_eq!(left, [call(1), call(2)], "a missing answer is no ok");
    }
}
