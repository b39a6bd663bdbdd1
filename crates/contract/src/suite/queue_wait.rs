//! Rules of both queues: waiting receivers.

use super::Rule;
use super::bench::{BRIEF, Bench, Checked, LONG, Seen, Which, bodies, same};
use super::make::{all_bodies, envelopes};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);

pub(super) fn rules(w: Which) -> Vec<Rule> {
    let name = |rule: &str| format!("{}.{rule}", w.label());
    vec![
        Rule::new(name("wait_for_send"), "a waiting receiver gets what is sent meanwhile", move |b| {
            Box::pin(wait_for_send(b, w))
        }),
        Rule::new(name("wait_for_return"), "a waiting receiver gets what comes back meanwhile", move |b| {
            Box::pin(wait_for_return(b, w))
        })
        .seconds(3),
        Rule::new(name("wait_in_vain"), "a receiver stops waiting when its wait is over", move |b| {
            Box::pin(wait_in_vain(b, w))
        })
        .seconds(1),
        Rule::new(
            name("cancel"),
            "a dropped receive hides nothing for longer than its visibility",
            move |b| Box::pin(cancel(b, w)),
        )
        .seconds(3),
    ]
}

async fn wait_for_send(b: &mut Bench, w: Which) -> Checked {
    let queue = b.queue(w);
    let waiting = tokio::spawn(async move { queue.receive(10, WAIT, LONG).await });
    settle().await;
    b.send(w, &envelopes(w, 1)).await?;
    let got = waiting.await??;
    same("bodies", &bodies(&got), &all_bodies(1))
}

async fn wait_for_return(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    b.take(w, 1, BRIEF).await?;
    let queue = b.queue(w);
    let waiting = tokio::spawn(async move { queue.receive(10, WAIT, LONG).await });
    settle().await;
    b.pass(3).await;
    let got = waiting.await??;
    same("bodies", &bodies(&got), &all_bodies(1))
}

async fn wait_in_vain(b: &mut Bench, w: Which) -> Checked {
    let queue = b.queue(w);
    let waiting = tokio::spawn(async move { queue.receive(1, Duration::from_secs(1), LONG).await });
    settle().await;
    b.pass(1).await;
    let got = waiting.await??;
    same("handed out", &got.len(), &0)
}

async fn cancel(b: &mut Bench, w: Which) -> Checked {
    for _ in 0..3 {
        let queue = b.queue(w);
        let waiting = tokio::spawn(async move { queue.receive(10, WAIT, BRIEF).await });
        settle().await;
        waiting.abort();
        // Sent while the abort is on its way: the receiver may or may not have it.
        if waiting.await.is_ok_and(|got| got.is_ok_and(|got| got.is_empty())) {
            return Err(Seen::Wrong("it did not wait at all".to_owned()));
        }
    }
    b.send(w, &envelopes(w, 3)).await?;
    b.pass(3).await;
    let got = b.take(w, 3, LONG).await?;
    same("bodies", &bodies(&got), &all_bodies(3))
}

/// Lets a spawned receiver get as far as it can without time passing.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
