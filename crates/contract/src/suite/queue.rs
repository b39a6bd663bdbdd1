//! Rules of both queues: handing out, hiding, bringing back, deleting, dead letters, depth.

use super::Rule;
use super::bench::{BRIEF, Bench, Checked, LONG, Which, bodies, ensure, same};
use super::make::{all_bodies, body, envelope, envelopes};
use bytes::Bytes;
use common::limits::RECEIVES_MAX;
use common::ports::{Depth, EntryResult, Received};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a dead letter is hidden from others who look through them: longer than an adapter may wait for one.
const DEAD_HIDE: Duration = Duration::from_secs(3);

pub(super) fn rules(w: Which) -> Vec<Rule> {
    let name = |rule: &str| format!("{}.{rule}", w.label());
    vec![
        Rule::new(name("handed_out"), "what was answered Ok is handed out, byte for byte", move |b| {
            Box::pin(handed_out(b, w))
        }),
        Rule::new(name("max"), "a receive hands out `max` at most", move |b| Box::pin(max(b, w))),
        Rule::new(name("hidden"), "nothing is handed out twice inside its visibility", move |b| {
            Box::pin(hidden(b, w))
        })
        .seconds(1),
        Rule::new(name("redelivery"), "what is not deleted comes back after its visibility", move |b| {
            Box::pin(redelivery(b, w))
        })
        .seconds(3),
        Rule::new(name("delete"), "what is deleted never comes back", move |b| Box::pin(delete(b, w)))
            .seconds(3),
        Rule::new(name("hide"), "hiding counts from now, and the ack id stays good", move |b| {
            Box::pin(hide(b, w))
        })
        .seconds(6),
        Rule::new(name("give_back"), "hiding for zero gives back at once", move |b| {
            Box::pin(give_back(b, w))
        }),
        Rule::new(name("receive_count"), "the receive count includes this time", move |b| {
            Box::pin(receive_count(b, w))
        }),
        Rule::new(name("dead_letters"), "after RECEIVES_MAX receives it is a dead letter", move |b| {
            Box::pin(dead_letters(b, w))
        })
        .seconds(4),
        Rule::new(name("depth"), "depth counts what is visible and in flight", move |b| {
            Box::pin(depth(b, w))
        }),
        Rule::new(name("partial_failure"), "an entry answered Failed is not in, the others are", move |b| {
            Box::pin(partial_failure(b, w))
        }),
        Rule::new(name("concurrent"), "concurrent receivers never share an envelope", move |b| {
            Box::pin(concurrent(b, w))
        }),
        Rule::new(name("separate"), "the two queues are two", move |b| Box::pin(separate(b, w))),
    ]
}

async fn handed_out(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 10)).await?;
    let got = b.take(w, 10, LONG).await?;
    same("bodies", &bodies(&got), &all_bodies(10))
}

async fn max(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 5)).await?;
    for max in [1, 3] {
        let got = b.queue(w).receive(max, Duration::ZERO, LONG).await?.len();
        ensure(got <= max, || format!("{got} handed out with a max of {max}"))?;
    }
    Ok(())
}

async fn hidden(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 3)).await?;
    b.take(w, 3, BRIEF).await?;
    b.none(w, "at once").await?;
    b.pass(1).await;
    b.none(w, "1 s into a visibility of 2 s").await
}

async fn redelivery(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 3)).await?;
    b.take(w, 3, BRIEF).await?;
    b.pass(3).await;
    let again = b.take(w, 3, LONG).await?;
    same("bodies", &bodies(&again), &all_bodies(3))
}

async fn delete(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 10)).await?;
    let got = b.take(w, 10, BRIEF).await?;
    b.delete(w, &got).await?;
    b.pass(3).await;
    b.none(w, "3 s after the delete").await?;
    let depth = b.queue(w).depth().await?;
    same("depth", &depth, &Depth::default())
}

async fn hide(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    let got = b.take(w, 1, BRIEF).await?;
    b.pass(1).await;
    b.hide(w, &got, 4).await?;
    b.pass(2).await;
    b.none(w, "2 s after hiding it for 4 s").await?;
    b.hide(w, &got, 1).await?;
    b.pass(2).await;
    let again = b.take(w, 1, LONG).await?;
    b.hide(w, &again, 60).await?;
    b.delete(w, &again).await?;
    b.pass(1).await;
    b.none(w, "after the delete").await
}

async fn give_back(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 10)).await?;
    let got = b.take(w, 10, LONG).await?;
    b.hide(w, &got, 0).await?;
    let again = b.take(w, 10, LONG).await?;
    same("bodies", &bodies(&again), &all_bodies(10))
}

async fn receive_count(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    for want in 1..=4 {
        let got = b.take_one(w, LONG).await?;
        same("receive count", &got.receive_count, &want)?;
        b.hide(w, &[got], 0).await?;
    }
    Ok(())
}

async fn dead_letters(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    for _ in 0..RECEIVES_MAX {
        let got = b.take(w, 1, LONG).await?;
        b.hide(w, &got, 0).await?;
    }
    b.none(w, "after RECEIVES_MAX receives").await?;
    let depth = b.queue(w).depth().await?;
    same("depth", &depth, &Depth { dead: 1, ..Depth::default() })?;
    let bodies = |got: &[Received]| got.iter().map(|r| r.body.clone()).collect::<Vec<_>>();
    let old = b.queue(w).receive_dead(10, DEAD_HIDE).await?;
    same("dead letters", &bodies(&old), &vec![body(0)])?;
    let again = b.queue(w).receive_dead(10, DEAD_HIDE).await?;
    same("dead letters while they are hidden", &bodies(&again), &vec![])?;
    same("dead letters that nobody deleted", &b.queue(w).depth().await?.dead, &1)?;
    b.pass(DEAD_HIDE.as_secs() + 1).await;
    let new = b.queue(w).receive_dead(10, LONG).await?;
    same("dead letters, once they are visible again", &bodies(&new), &vec![body(0)])?;
    let deleted = b.queue(w).delete_dead(&[new[0].ack.clone()]).await?;
    same("delete", &deleted, &vec![EntryResult::Ok])?;
    same("depth, then", &b.queue(w).depth().await?, &Depth::default())
}

async fn depth(b: &mut Bench, w: Which) -> Checked {
    same("depth of a new queue", &b.queue(w).depth().await?, &Depth::default())?;
    b.send(w, &envelopes(w, 5)).await?;
    let got = b.take(w, 2, LONG).await?;
    let want = Depth { visible: 3, in_flight: 2, ..Depth::default() };
    same("depth with two of five in flight", &b.queue(w).depth().await?, &want)?;
    b.delete(w, &got).await?;
    let want = Depth { visible: 3, ..Depth::default() };
    same("depth with those deleted", &b.queue(w).depth().await?, &want)
}

async fn partial_failure(b: &mut Bench, w: Which) -> Checked {
    // Not the same places from the other end: answers in the wrong order are to be seen.
    const FAILING: [usize; 2] = [2, 6];
    let all = envelopes(w, 10);
    if !b.fail_send_entries(w, &FAILING).await {
        return Err(super::Seen::Skip("it can't make single entries fail".to_owned()));
    }
    let answers = b.queue(w).send(&all).await?;
    let failed: Vec<usize> =
        (0..answers.len()).filter(|i| matches!(answers[*i], EntryResult::Failed(_))).collect();
    same("places of the failed entries", &failed, &FAILING.to_vec())?;
    same("depth", &b.queue(w).depth().await?.visible, &8)?;
    b.send(w, &[all[2].clone(), all[6].clone()]).await?;
    let got = b.take(w, 10, LONG).await?;
    same("bodies, after sending the failed ones again", &bodies(&got), &all_bodies(10))
}

async fn concurrent(b: &mut Bench, w: Which) -> Checked {
    const ENVELOPES: usize = 60;
    for call in envelopes(w, ENVELOPES).chunks(10) {
        b.send(w, call).await?;
    }
    let mut receivers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let queue = b.queue(w);
        receivers.spawn(async move {
            let mut got: Vec<Received> = Vec::new();
            loop {
                let more = queue.receive(7, Duration::from_secs(1), LONG).await?;
                if more.is_empty() {
                    return Ok::<_, super::Seen>(got);
                }
                got.extend(more);
                tokio::task::yield_now().await;
            }
        });
    }
    let mut got = Vec::new();
    while let Some(one) = receivers.join_next().await {
        got.extend(one??);
    }
    let distinct: BTreeSet<&Bytes> = got.iter().map(|r| &r.body).collect();
    same("envelopes handed out, and distinct ones", &(got.len(), distinct.len()), &(ENVELOPES, ENVELOPES))
}

async fn separate(b: &mut Bench, w: Which) -> Checked {
    let other = if w == Which::Shards { Which::Batches } else { Which::Shards };
    b.send(w, &[envelope(w, 0)]).await?;
    b.none(other, "after a send to the other queue").await?;
    b.take(w, 1, LONG).await.map(|_| ())
}
