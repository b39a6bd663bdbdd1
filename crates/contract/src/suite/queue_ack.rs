//! Rules of both queues: what an ack id is good for, and answers for each entry.

use super::Rule;
use super::bench::{BRIEF, Bench, Checked, LONG, Which, acks, ensure, same};
use super::make::envelopes;
use common::ports::{AckId, EntryResult};
use std::time::Duration;

pub(super) fn rules(w: Which) -> Vec<Rule> {
    let name = |rule: &str| format!("{}.{rule}", w.label());
    vec![
        Rule::new(name("ack_ids_change"), "each receive has an ack id of its own", move |b| {
            Box::pin(ack_ids_change(b, w))
        }),
        Rule::new(name("stale_ack_deletes_nothing"), "only the newest ack id deletes", move |b| {
            Box::pin(stale_ack_deletes_nothing(b, w))
        })
        .seconds(3),
        Rule::new(name("stale_ack_hides_nothing"), "only the newest ack id hides or gives back", move |b| {
            Box::pin(stale_ack_hides_nothing(b, w))
        }),
        Rule::new(
            name("stale_ack_answer"),
            "an ack id that is not the newest is answered StaleAck",
            move |b| Box::pin(stale_ack_answer(b, w)),
        ),
        Rule::new(
            name("gone_ack_answer"),
            "an ack id of a deleted envelope is answered StaleAck",
            move |b| Box::pin(gone_ack_answer(b, w)),
        ),
        Rule::new(name("answer_for_each"), "every entry has its answer, in order", move |b| {
            Box::pin(answer_for_each(b, w))
        }),
    ]
}

async fn ack_ids_change(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 2)).await?;
    let first = b.take(w, 2, LONG).await?;
    b.hide(w, &first, 0).await?;
    let second = b.take(w, 2, LONG).await?;
    let mut all = [acks(&first), acks(&second)].concat();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup();
    same("distinct ack ids of four receives", &all.len(), &4)
}

/// An envelope received twice: the older ack id, and the newer one.
async fn twice(b: &mut Bench, w: Which, visibility: Duration) -> Checked<(AckId, AckId)> {
    b.send(w, &envelopes(w, 1)).await?;
    let old = b.take_one(w, LONG).await?;
    b.hide(w, std::slice::from_ref(&old), 0).await?;
    let new = b.take_one(w, visibility).await?;
    Ok((old.ack, new.ack))
}

async fn stale_ack_deletes_nothing(b: &mut Bench, w: Which) -> Checked {
    let (old, _) = twice(b, w, BRIEF).await?;
    b.queue(w).delete(&[old]).await?;
    b.pass(3).await;
    let again = b.take(w, 1, LONG).await?;
    b.delete(w, &again).await
}

async fn stale_ack_hides_nothing(b: &mut Bench, w: Which) -> Checked {
    let (old, new) = twice(b, w, LONG).await?;
    let answer = b.queue(w).hide(&[old], Duration::ZERO).await?;
    ensure(answer != [EntryResult::Ok], || "an older ack id was let hide".to_owned())?;
    b.none(w, "after an older ack id asked to give back").await?;
    same("the newest one's delete", &b.queue(w).delete(&[new]).await?, &vec![EntryResult::Ok])
}

async fn stale_ack_answer(b: &mut Bench, w: Which) -> Checked {
    let (old, _) = twice(b, w, LONG).await?;
    let stale = vec![EntryResult::StaleAck];
    same("hide", &b.queue(w).hide(std::slice::from_ref(&old), LONG).await?, &stale)?;
    same("delete", &b.queue(w).delete(&[old]).await?, &stale)
}

async fn gone_ack_answer(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    let got = b.take(w, 1, LONG).await?;
    b.delete(w, &got).await?;
    let stale = vec![EntryResult::StaleAck];
    same("hide", &b.queue(w).hide(&acks(&got), LONG).await?, &stale)?;
    same("delete", &b.queue(w).delete(&acks(&got)).await?, &stale)
}

async fn answer_for_each(b: &mut Bench, w: Which) -> Checked {
    let none = Vec::<EntryResult>::new();
    same("a send of nothing", &b.queue(w).send(&[]).await?, &none)?;
    same("a delete of nothing", &b.queue(w).delete(&[]).await?, &none)?;
    same("a hide of nothing", &b.queue(w).hide(&[], LONG).await?, &none)?;
    b.send(w, &envelopes(w, 3)).await?;
    let first = b.take(w, 3, LONG).await?;
    b.hide(w, &first[1..2], 0).await?;
    let again = b.take(w, 1, LONG).await?;
    let mixed = [acks(&first[..1]), acks(&first[1..2]), acks(&first[2..]), acks(&again)].concat();
    let hidden = b.queue(w).hide(&mixed, LONG).await?;
    same("hides that were Ok", &ok(&hidden), &vec![true, false, true, true])?;
    let deleted = b.queue(w).delete(&mixed).await?;
    // What SQS answers to an older ack id of a standard queue is its own affair: see `stale_ack_answer`.
    same("number of answers to a delete", &deleted.len(), &4)?;
    same("deletes that were Ok", &[ok(&deleted)[0], ok(&deleted)[2], ok(&deleted)[3]], &[true; 3])
}

fn ok(answers: &[EntryResult]) -> Vec<bool> {
    answers.iter().map(|a| *a == EntryResult::Ok).collect()
}
