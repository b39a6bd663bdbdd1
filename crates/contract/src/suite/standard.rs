//! Rules of the standard queue: delays.

use super::Rule;
use super::bench::{Bench, Checked, LONG, Which, same};
use super::make::{body, envelope};
use common::envelope::NewEnvelope;
use common::ports::Depth;
use std::time::Duration;

const W: Which = Which::Batches;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("batches.delay", "a delayed envelope is not handed out before its delay", |b| {
            Box::pin(delay(b))
        })
        .seconds(5),
        Rule::new("batches.same_twice", "a standard queue keeps two of the same", |b| {
            Box::pin(same_twice(b))
        }),
    ]
}

async fn delay(b: &mut Bench) -> Checked {
    let late = NewEnvelope { delay: Duration::from_secs(3), ..envelope(W, 0) };
    b.send(W, &[late, envelope(W, 1)]).await?;
    let at_once = b.take_one(W, LONG).await?;
    same("body of what is not delayed", &at_once.body, &body(1))?;
    b.none(W, "inside the delay").await?;
    let want = Depth { in_flight: 1, delayed: 1, ..Depth::default() };
    same("depth", &b.queue(W).depth().await?, &want)?;
    b.pass(1).await;
    b.none(W, "1 s into a delay of 3 s").await?;
    b.pass(4).await;
    let got = b.take_one(W, LONG).await?;
    same("body after the delay", &got.body, &body(0))?;
    same("its receive count", &got.receive_count, &1)
}

async fn same_twice(b: &mut Bench) -> Checked {
    b.send(W, &[envelope(W, 0), envelope(W, 0)]).await?;
    b.take(W, 2, LONG).await.map(|_| ())
}
