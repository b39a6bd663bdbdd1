//! Rules of the FIFO queue: order and lock of a group, deduplication.

use super::Rule;
use super::bench::{BRIEF, Bench, Checked, LONG, Which, bodies, same};
use super::make::{all_bodies, body, envelope, grouped};
use common::envelope::NewEnvelope;
use common::ports::EntryResult;

const W: Which = Which::Shards;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("shards.order", "a group is handed out in order", |b| Box::pin(order(b))),
        Rule::new("shards.group_lock", "nothing of a group while another of it is in flight", |b| {
            Box::pin(group_lock(b))
        })
        .seconds(1),
        Rule::new("shards.other_groups", "a locked group doesn't stop the others", |b| {
            Box::pin(other_groups(b))
        }),
        Rule::new("shards.head_comes_back", "what comes back goes out before its followers", |b| {
            Box::pin(head_comes_back(b))
        })
        .seconds(3),
        Rule::new("shards.dead_head", "a dead letter lets its group go on", |b| Box::pin(dead_head(b))),
        Rule::new("shards.dedup", "an id seen in the last 5 minutes is answered Ok and dropped", |b| {
            Box::pin(dedup(b))
        }),
        Rule::new("shards.dedup_after_delete", "an id is remembered when its envelope is deleted", |b| {
            Box::pin(dedup_after_delete(b))
        }),
        Rule::new("shards.dedup_five_minutes", "an id is remembered for 5 minutes", |b| {
            Box::pin(dedup_five_minutes(b))
        })
        .seconds(290),
        Rule::new("shards.dedup_ends", "an id is forgotten after 5 minutes", |b| Box::pin(dedup_ends(b)))
            .seconds(310),
        Rule::new("shards.dedup_concurrent", "concurrent sends of one id put one envelope in", |b| {
            Box::pin(dedup_concurrent(b))
        }),
    ]
}

fn group_of(n: usize) -> Vec<NewEnvelope> {
    (0..n).map(|i| grouped("a", i)).collect()
}

async fn order(b: &mut Bench) -> Checked {
    for call in group_of(15).chunks(10) {
        b.send(W, call).await?;
    }
    for n in 0..15 {
        let got = b.take_one(W, LONG).await?;
        same("body in order", &got.body, &body(n))?;
        b.delete(W, &[got]).await?;
    }
    Ok(())
}

async fn group_lock(b: &mut Bench) -> Checked {
    b.send(W, &group_of(3)).await?;
    let first = b.take(W, 1, BRIEF).await?;
    b.none(W, "with one of the group in flight").await?;
    b.pass(1).await;
    b.none(W, "1 s later").await?;
    b.delete(W, &first).await?;
    let second = b.take_one(W, LONG).await?;
    same("body after the delete", &second.body, &body(1))?;
    b.none(W, "with the second in flight").await
}

async fn other_groups(b: &mut Bench) -> Checked {
    b.send(W, &group_of(2)).await?;
    b.take(W, 1, LONG).await?;
    b.send(W, &[grouped("b", 2)]).await?;
    let got = b.take_one(W, LONG).await?;
    same("body", &got.body, &body(2))
}

async fn head_comes_back(b: &mut Bench) -> Checked {
    b.send(W, &group_of(2)).await?;
    let first = b.take(W, 1, LONG).await?;
    b.hide(W, &first, 0).await?;
    let again = b.take_one(W, BRIEF).await?;
    same("body after giving back", &again.body, &body(0))?;
    b.pass(3).await;
    let again = b.take_one(W, LONG).await?;
    same("body after the visibility", &again.body, &body(0))?;
    b.none(W, "with the first in flight again").await
}

async fn dead_head(b: &mut Bench) -> Checked {
    b.send(W, &group_of(2)).await?;
    for _ in 0..common::limits::RECEIVES_MAX {
        let got = b.take(W, 1, LONG).await?;
        same("bodies", &bodies(&got), &all_bodies(1))?;
        b.hide(W, &got, 0).await?;
    }
    let next = b.take_one(W, LONG).await?;
    same("body after the head died", &next.body, &body(1))
}

async fn dedup(b: &mut Bench) -> Checked {
    b.send(W, &[envelope(W, 0), envelope(W, 0)]).await?;
    b.send(W, &[envelope(W, 0), envelope(W, 1)]).await?;
    let got = b.take(W, 2, LONG).await?;
    same("bodies", &bodies(&got), &all_bodies(2))?;
    b.send(W, &[envelope(W, 0)]).await?;
    b.delete(W, &got).await?;
    b.none(W, "with both deleted").await
}

async fn sent_and_deleted(b: &mut Bench) -> Checked {
    b.send(W, &[envelope(W, 0)]).await?;
    let got = b.take(W, 1, LONG).await?;
    b.delete(W, &got).await
}

async fn dedup_after_delete(b: &mut Bench) -> Checked {
    sent_and_deleted(b).await?;
    b.send(W, &[envelope(W, 0)]).await?;
    b.none(W, "after sending the id of a deleted envelope").await
}

async fn dedup_five_minutes(b: &mut Bench) -> Checked {
    sent_and_deleted(b).await?;
    b.pass(290).await;
    b.send(W, &[envelope(W, 0)]).await?;
    b.none(W, "after sending an id again after 290 s").await
}

async fn dedup_ends(b: &mut Bench) -> Checked {
    sent_and_deleted(b).await?;
    b.pass(310).await;
    b.send(W, &[envelope(W, 0)]).await?;
    b.take(W, 1, LONG).await.map(|_| ())
}

async fn dedup_concurrent(b: &mut Bench) -> Checked {
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let queue = b.queue(W);
        presses.spawn(async move { queue.send(&[envelope(W, 0), envelope(W, 1)]).await });
    }
    while let Some(answer) = presses.join_next().await {
        same("answers", &answer??, &vec![EntryResult::Ok; 2])?;
    }
    let got = b.take(W, 2, LONG).await?;
    same("bodies", &bodies(&got), &all_bodies(2))?;
    b.delete(W, &got).await?;
    b.none(W, "with both deleted").await
}
