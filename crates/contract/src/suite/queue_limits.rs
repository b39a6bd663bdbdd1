//! Rules of both queues: what is refused, and that a refused call did nothing.

use super::Rule;
use super::bench::{Bench, Checked, LONG, Which, acks, refused, same};
use super::make::{body, envelope, envelopes, key};
use bytes::Bytes;
use common::envelope::NewEnvelope;
use common::limits::{ENVELOPE_BYTES_MAX, QUEUE_DELAY_MAX, QUEUE_VISIBILITY_MAX, QUEUE_WAIT_MAX};
use common::ports::Depth;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn rules(w: Which) -> Vec<Rule> {
    let name = |rule: &str| format!("{}.{rule}", w.label());
    vec![
        Rule::new(name("eleven"), "more than ten entries are refused, and nothing is done", move |b| {
            Box::pin(eleven(b, w))
        }),
        Rule::new(name("receive_range"), "a receive is for 1 to 10 envelopes, 20 s and 12 h", move |b| {
            Box::pin(receive_range(b, w))
        }),
        Rule::new(name("oversized"), "too many bytes are refused, and nothing is done", move |b| {
            Box::pin(oversized(b, w))
        }),
        Rule::new(name("largest"), "ten envelopes of the largest size fit one call", move |b| {
            Box::pin(largest(b, w))
        }),
        Rule::new(
            name("fifo_key"),
            "FIFO needs a key, standard refuses one, and nothing is done",
            move |b| Box::pin(fifo_key(b, w)),
        ),
        Rule::new(name("delay_range"), "FIFO refuses a delay, standard one beyond 15 minutes", move |b| {
            Box::pin(delay_range(b, w))
        }),
    ]
}

async fn empty(b: &Bench, w: Which, when: &str) -> Checked {
    b.none(w, when).await?;
    same("depth", &b.queue(w).depth().await?, &Depth::default())
}

async fn eleven(b: &mut Bench, w: Which) -> Checked {
    refused("a send of eleven", &b.queue(w).send(&envelopes(w, 11)).await)?;
    empty(b, w, "after a send of eleven").await?;
    for call in [0..10, 10..11] {
        b.send(w, &envelopes(w, 11)[call]).await?;
    }
    let got = b.take(w, 11, LONG).await?;
    refused("a hide of eleven", &b.queue(w).hide(&acks(&got), Duration::ZERO).await)?;
    b.none(w, "after a hide of eleven").await?;
    refused("a delete of eleven", &b.queue(w).delete(&acks(&got)).await)?;
    same("depth after a delete of eleven", &b.queue(w).depth().await?.in_flight, &11)
}

async fn receive_range(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    for max in [0, 11] {
        refused(&format!("a receive of {max}"), &b.queue(w).receive(max, Duration::ZERO, LONG).await)?;
    }
    refused("a wait of 21 s", &b.queue(w).receive(1, QUEUE_WAIT_MAX + SECOND, LONG).await)?;
    let too_long = QUEUE_VISIBILITY_MAX + SECOND;
    refused("a visibility beyond 12 h", &b.queue(w).receive(1, Duration::ZERO, too_long).await)?;
    b.take(w, 1, LONG).await.map(|_| ())
}

fn sized(w: Which, n: usize, bytes: usize) -> NewEnvelope {
    let mut whole = body(n).to_vec();
    whole.resize(bytes, 0xee);
    NewEnvelope { body: whole.into(), ..envelope(w, n) }
}

async fn oversized(b: &mut Bench, w: Which) -> Checked {
    let one = [envelope(w, 0), sized(w, 1, ENVELOPE_BYTES_MAX + 1)];
    refused("an envelope one byte too long", &b.queue(w).send(&one).await)?;
    let call: Vec<_> = (0..10).map(|n| sized(w, n, 110_000)).collect();
    refused("a call of more than 1 MiB", &b.queue(w).send(&call).await)?;
    empty(b, w, "after refused sends").await
}

async fn largest(b: &mut Bench, w: Which) -> Checked {
    let all: Vec<_> = (0..10).map(|n| sized(w, n, ENVELOPE_BYTES_MAX)).collect();
    b.send(w, &all).await?;
    let got = b.take(w, 10, LONG).await?;
    let want: Vec<Bytes> = all.into_iter().map(|e| e.body).collect();
    let intact = super::bench::bodies(&got) == want;
    super::bench::ensure(intact, || "large bodies came back changed".to_owned())
}

async fn fifo_key(b: &mut Bench, w: Which) -> Checked {
    let fifo = (w == Which::Batches).then(|| key("group", "id"));
    let wrong = NewEnvelope { fifo, ..NewEnvelope::plain(body(1)) };
    refused("a send with one key wrong", &b.queue(w).send(&[envelope(w, 0), wrong]).await)?;
    empty(b, w, "after a refused send").await
}

async fn delay_range(b: &mut Bench, w: Which) -> Checked {
    let delay = if w == Which::Shards { SECOND } else { QUEUE_DELAY_MAX + SECOND };
    let wrong = NewEnvelope { delay, ..envelope(w, 1) };
    refused("a send with one delay wrong", &b.queue(w).send(&[envelope(w, 0), wrong]).await)?;
    empty(b, w, "after a refused send").await
}
