//! Rules of what was acknowledged: it is there after a restart, and what was deleted is not.

use super::Rule;
use super::audit::entry;
use super::bench::{BRIEF, Bench, Checked, LONG, Which, bodies, ensure, same};
use super::fleet::{counter, worker};
use super::ledger::{granted, record};
use super::make::{
    all_bodies, batch, body, campaign, claim, complete, draft, envelope, envelopes, grouped, row,
};
use super::tokens::{record as token, stored};
use super::webhooks::{delivery, hook};
use bytes::Bytes;
use common::campaign::Campaign;
use common::envelope::NewEnvelope;
use common::fleet::Slot;
use common::ids::{Epoch, ShardNo};
use common::outcome::Outcome;
use common::ports::{EntryResult, PutMode};
use common::time::UnixMs;
use std::time::Duration;

pub(super) fn queue_rules(w: Which) -> Vec<Rule> {
    let name = |rule: &str| format!("{}.{rule}", w.label());
    vec![
        Rule::new(name("restart"), "after a restart all is there that was sent and not deleted", move |b| {
            Box::pin(queue(b, w))
        })
        .seconds(3)
        .restart(),
        Rule::new(name("restart_dead"), "dead letters outlive a restart, taken ones don't", move |b| {
            Box::pin(dead(b, w))
        })
        .restart(),
        Rule::new(name("restart_ack"), "no ack id from before a restart acts on a later receive", move |b| {
            Box::pin(old_ack(b, w))
        })
        .seconds(6)
        .restart(),
    ]
}

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("shards.restart_dedup", "deduplication ids outlive a restart", |b| Box::pin(dedup(b)))
            .restart(),
        Rule::new("shards.restart_order", "order and lock of a group outlive a restart", |b| {
            Box::pin(order(b))
        })
        .seconds(3)
        .restart(),
        Rule::new("batches.restart_delay", "a delayed envelope outlives a restart", |b| Box::pin(delay(b)))
            .seconds(4)
            .restart(),
        Rule::new("objects.restart", "objects outlive a restart, unfinished ones don't", |b| {
            Box::pin(objects(b))
        })
        .restart(),
        Rule::new("campaigns.restart", "records and the slot outlive a restart", |b| Box::pin(campaigns(b)))
            .restart(),
        Rule::new("ledger.restart", "claims, results and shard records outlive a restart", |b| {
            Box::pin(ledger(b))
        })
        .restart(),
        Rule::new("devices.restart", "devices outlive a restart", |b| Box::pin(devices(b))).restart(),
        Rule::new("fleet.restart", "counters and heartbeats outlive a restart", |b| Box::pin(fleet(b)))
            .restart(),
        Rule::new("audit.restart", "the audit trail outlives a restart", |b| Box::pin(audit(b))).restart(),
        Rule::new("tokens.restart", "tokens outlive a restart", |b| Box::pin(tokens(b))).restart(),
        Rule::new("webhooks.restart", "webhooks and their log outlive a restart", |b| Box::pin(webhooks(b)))
            .restart(),
    ]
}

async fn queue(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 9)).await?;
    let got = b.take(w, 3, BRIEF).await?;
    b.delete(w, &got).await?;
    let kept = b.take(w, 3, BRIEF).await?;
    b.restart().await?;
    b.pass(3).await;
    let left = b.take(w, 6, LONG).await?;
    let deleted = bodies(&got);
    let want: Vec<Bytes> = all_bodies(9).into_iter().filter(|x| !deleted.contains(x)).collect();
    same("bodies", &bodies(&left), &want)?;
    let seen = bodies(&kept).iter().all(|x| want.contains(x));
    ensure(seen, || "an envelope in flight got lost".to_owned())?;
    b.none(w, "with all of them in flight").await
}

async fn dead(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 2)).await?;
    for _ in 0..common::limits::RECEIVES_MAX {
        let got = b.take(w, 2, LONG).await?;
        b.hide(w, &got, 0).await?;
    }
    b.none(w, "after RECEIVES_MAX receives").await?;
    let one = b.queue(w).receive_dead(1, LONG).await?;
    same("dead letters received", &one.len(), &1)?;
    b.queue(w).delete_dead(&[one[0].ack.clone()]).await?;
    b.restart().await?;
    same("dead letters after a restart", &b.queue(w).depth().await?.dead, &1)?;
    let other = b.queue(w).receive_dead(10, LONG).await?;
    same("dead letters received then", &other.len(), &1)?;
    b.queue(w).delete_dead(&[other[0].ack.clone()]).await?;
    b.restart().await?;
    same("dead letters after another", &b.queue(w).receive_dead(10, LONG).await?.len(), &0)
}

async fn old_ack(b: &mut Bench, w: Which) -> Checked {
    b.send(w, &envelopes(w, 1)).await?;
    let old = b.take_one(w, BRIEF).await?;
    b.restart().await?;
    b.pass(3).await;
    let new = b.take_one(w, BRIEF).await?;
    ensure(old.ack != new.ack, || "the same ack id before and after a restart".to_owned())?;
    let answer = b.queue(w).hide(std::slice::from_ref(&old.ack), Duration::ZERO).await?;
    ensure(answer != [EntryResult::Ok], || "an ack id from before the restart was let hide".to_owned())?;
    b.queue(w).delete(&[old.ack]).await?;
    b.pass(3).await;
    b.take(w, 1, LONG).await.map(|_| ())
}

async fn dedup(b: &mut Bench) -> Checked {
    let w = Which::Shards;
    b.send(w, &envelopes(w, 2)).await?;
    let got = b.take(w, 2, LONG).await?;
    b.delete(w, &got).await?;
    b.restart().await?;
    b.send(w, &[envelope(w, 0), envelope(w, 1), envelope(w, 2)]).await?;
    let got = b.take_one(w, LONG).await?;
    same("body of the only new one", &got.body, &body(2))?;
    b.none(w, "after sending ids from before the restart").await
}

async fn order(b: &mut Bench) -> Checked {
    let w = Which::Shards;
    b.send(w, &[grouped("a", 0), grouped("a", 1), grouped("a", 2)]).await?;
    b.take(w, 1, BRIEF).await?;
    b.restart().await?;
    // Whether the first is still hidden or back already: the second may not overtake it.
    let early = b.queue(w).receive(1, Duration::ZERO, BRIEF).await?;
    let overtook = early.iter().any(|r| r.body != body(0));
    ensure(!overtook, || "another of the group was handed out before the one in flight".to_owned())?;
    b.pass(3).await;
    for n in 0..3 {
        let got = b.take_one(w, LONG).await?;
        same("body in order", &got.body, &body(n))?;
        b.none(w, "with one of the group in flight").await?;
        b.delete(w, &[got]).await?;
    }
    Ok(())
}

async fn delay(b: &mut Bench) -> Checked {
    let w = Which::Batches;
    b.send(w, &[NewEnvelope { delay: Duration::from_secs(3), ..envelope(w, 0) }]).await?;
    b.restart().await?;
    b.none(w, "inside the delay").await?;
    b.pass(4).await;
    b.take(w, 1, LONG).await.map(|_| ())
}

async fn objects(b: &mut Bench) -> Checked {
    let text = |s: &'static str| Bytes::from_static(s.as_bytes());
    for (key, mode) in [("a/1", PutMode::Replace), ("a/2", PutMode::IfAbsent), ("a/3", PutMode::Replace)] {
        b.backend().objects.put(key, text("put"), mode).await?;
    }
    b.backend().objects.delete("a/3").await?;
    let mut writer = b.backend().objects.writer("a/4").await?;
    writer.write(text("written")).await?;
    writer.finish().await?;
    let mut writer = b.backend().objects.writer("a/5").await?;
    writer.write(text("unfinished")).await?;
    drop(writer);
    b.restart().await?;
    let keys: Vec<_> = b.backend().objects.list("").await?.into_iter().map(|m| (m.key, m.bytes)).collect();
    let want = [("a/1", 3), ("a/2", 3), ("a/4", 7)].map(|(k, n)| (k.to_owned(), n));
    same("objects", &keys, &want.to_vec())?;
    same("one of them", &b.backend().objects.get("a/4", None).await?, &Some(text("written")))
}

async fn campaigns(b: &mut Bench) -> Checked {
    let one = draft("one", b.now());
    let two = Campaign { version: 2, name: "two".to_owned(), ..one.clone() };
    let slot = Slot { version: 1, campaign: Some(one.id), scale: None };
    b.backend().campaigns.create(&one).await?;
    b.backend().campaigns.update(&two).await?;
    b.backend().campaigns.set_slot(&slot).await?;
    b.restart().await?;
    same("record", &b.backend().campaigns.get(one.id).await?, &Some(two))?;
    same("slot", &b.backend().campaigns.slot().await?, &slot)
}

async fn ledger(b: &mut Bench) -> Checked {
    let (c, now) = (campaign(), b.now());
    let [held, done] = [batch(1, 0), batch(2, 150)];
    granted(b, c, claim(held, 1, 7, now)).await?;
    let fence = granted(b, c, claim(done, 1, 7, now)).await?;
    b.backend().ledger.complete_many(c, &[complete(done, fence, &[0], Outcome::Accepted, now)]).await?;
    b.backend().ledger.mark_dispatched(c, Epoch(1), &[(ShardNo(1), 2)], now).await?;
    b.backend().ledger.mark_expanded(c, Epoch(1), ShardNo(1), now).await?;
    let before = (record(b, c, held).await?, record(b, c, done).await?, b.backend().ledger.shards(c).await?);
    b.restart().await?;
    let after = (record(b, c, held).await?, record(b, c, done).await?, b.backend().ledger.shards(c).await?);
    same("records", &after, &before)?;
    ensure(before.0.is_some() && before.1.is_some() && before.2.len() == 1, || "records missing".to_owned())
}

async fn devices(b: &mut Bench) -> Checked {
    b.backend().devices.upsert(vec![row("u", 1, 10), row("v", 2, 10)], &mut Vec::new()).await?;
    let before = b.backend().devices.get_many(&["u", "v", "w"]).await?;
    b.restart().await?;
    same("items", &b.backend().devices.get_many(&["u", "v", "w"]).await?, &before)?;
    same("users", &before.iter().flatten().count(), &2)
}

async fn fleet(b: &mut Bench) -> Checked {
    let (c, now) = (campaign(), b.now());
    b.backend().fleet.beat(&worker(0, now)).await?;
    b.backend().fleet.count(c, &counter(0, 100, 5)).await?;
    b.restart().await?;
    same("counters", &b.backend().fleet.counters(c, 0).await?, &vec![counter(0, 100, 5)])?;
    same("workers", &b.backend().fleet.workers(UnixMs(0)).await?, &vec![worker(0, now)])
}

async fn audit(b: &mut Bench) -> Checked {
    let (one, two) = (entry(0, b.now()), entry(1, b.now().plus(Duration::from_secs(1))));
    b.backend().audit.append(&one).await?;
    b.restart().await?;
    b.backend().audit.append(&two).await?;
    same("entries", &b.backend().audit.list(10).await?, &vec![two, one])
}

async fn tokens(b: &mut Bench) -> Checked {
    let one = token(1, b.now());
    b.backend().tokens.put_new(&one).await?;
    b.restart().await?;
    stored(b, &one, "a token").await
}

async fn webhooks(b: &mut Bench) -> Checked {
    let now = b.now();
    let (kept, gone) = (hook(1, now), hook(2, now));
    let told = delivery(&kept, campaign(), now, 0);
    for one in [&kept, &gone] {
        b.backend().webhooks.put_new(one).await?;
    }
    b.backend().webhooks.remove(gone.id).await?;
    b.backend().webhooks.put_delivery(&told).await?;
    b.restart().await?;
    same("webhooks", &b.backend().webhooks.list().await?, &vec![kept.clone()])?;
    same("the log", &b.backend().webhooks.deliveries(kept.id, now, 10).await?, &vec![told])
}
