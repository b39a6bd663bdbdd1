//! Rules of both queues: waiting receivers.

use super::Rule;
use super::bench::{BRIEF, Bench, Checked, LONG, Which, bodies, ensure, same};
use super::make::{all_bodies, envelope, envelopes};
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
    const ROUNDS: u32 = 3;
    // A receive that is dropped at different moments around the send that wakes it.
    const MOMENTS: [usize; 6] = [0, 1, 2, 3, 5, 8];
    for (n, yields) in MOMENTS.into_iter().enumerate() {
        let queue = b.queue(w);
        let waiting = tokio::spawn(async move { queue.receive(10, WAIT, BRIEF).await });
        settle().await;
        ensure(n > 0 || !waiting.is_finished(), || "it did not wait at all".to_owned())?;
        b.send(w, &[envelope(w, n)]).await?;
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        // It may have been too late for the abort; what it has then counts as handed out, and comes back too.
        drop(waiting.await);
        b.queue(w).receive(10, Duration::ZERO, BRIEF).await?;
    }
    // Somebody far away may notice late that nobody waits any more, and hide once again what came back meanwhile.
    let mut got = Vec::new();
    for _ in 0..ROUNDS {
        b.pass(3).await;
        while got.len() < MOMENTS.len() {
            match b.queue(w).receive(10, Duration::ZERO, LONG).await? {
                more if more.is_empty() => break,
                more => got.extend(more),
            }
        }
    }
    same("bodies", &bodies(&got), &all_bodies(MOMENTS.len()))
}

/// Lets a spawned receiver get as far as it can without time passing.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
