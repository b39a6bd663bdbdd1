//! Rules of webhooks and their log: conditional writes, lists that miss none, and an order by time.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::{campaign, stamp};
use common::ids::CampaignId;
use common::ports::Written;
use common::time::UnixMs;
use common::webhook::{Came, Delivery, Event, HookId, HookSecret, MessageId, Webhook};
use std::collections::BTreeSet;
use std::time::Duration;

const RACERS: u32 = 12;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("webhooks.put_new", "put_new stores a new record, and conflicts with an old one", |b| {
            Box::pin(put_new(b))
        }),
        Rule::new("webhooks.update", "update needs exactly the version before", |b| Box::pin(update(b))),
        Rule::new("webhooks.remove", "what is removed is gone, and no late update brings it back", |b| {
            Box::pin(remove(b))
        }),
        Rule::new("webhooks.list", "list answers every record, by id", |b| Box::pin(list(b))),
        Rule::new("webhooks.put_delivery", "a message is put once, and comes back as it was", |b| {
            Box::pin(put_delivery(b))
        }),
        Rule::new("webhooks.update_delivery", "a delivery's update needs the version before", |b| {
            Box::pin(update_delivery(b))
        }),
        Rule::new("webhooks.deliveries", "one webhook's newest come first, from a time on", |b| {
            Box::pin(deliveries(b))
        }),
        Rule::new("webhooks.race", "of concurrent claims of one delivery exactly one wins", |b| {
            Box::pin(race(b))
        }),
    ]
}

pub(super) fn hook(n: u8, at: UnixMs) -> Webhook {
    Webhook {
        // Ids differ in their first and their last digit.
        id: HookId((u64::from(n) << 60) | u64::from(n)),
        version: 1,
        name: "Zo\u{eb} \u{1f989}".to_owned(),
        url: "https://example.com/hook?a=b".to_owned(),
        events: BTreeSet::from([Event::Armed, Event::Done]),
        secret: HookSecret::new([n; 32]),
        created: stamp("egon", at),
        disabled: None,
    }
}

/// One about a campaign, so long after `now`. Numbers before `now` are negative.
pub(super) fn delivery(hook: &Webhook, campaign: CampaignId, now: UnixMs, ms: i64) -> Delivery {
    let (at, number) = (UnixMs(now.0 + ms), ms.cast_unsigned());
    let message = MessageId::of(hook.id, campaign, Event::Armed, number);
    Delivery::new(hook.id, at, message, Event::Armed, Some(campaign), format!("{{\"n\":{ms}}}"))
}

async fn put_new(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().webhooks, hook(1, b.now()));
    same("get of none", &table.get(one.id).await?, &None)?;
    same("put_new", &table.put_new(&one).await?, &Written::Yes)?;
    let other = Webhook { name: "other".to_owned(), ..one.clone() };
    same("put_new again", &table.put_new(&other).await?, &Written::Conflict)?;
    same("stored", &table.get(one.id).await?, &Some(one))
}

async fn update(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().webhooks, hook(1, b.now()));
    let version = |version, name: &str| Webhook { version, name: name.to_owned(), ..one.clone() };
    same("update of none", &table.update(&version(2, "x")).await?, &Written::Conflict)?;
    table.put_new(&one).await?;
    same("update to 2", &table.update(&version(2, "two")).await?, &Written::Yes)?;
    for wrong in [1, 2, 4, 0] {
        let answer = table.update(&version(wrong, "wrong")).await?;
        same(&format!("update of 2 to {wrong}"), &answer, &Written::Conflict)?;
    }
    same("stored", &table.get(one.id).await?, &Some(version(2, "two")))?;
    let gone = version(2, "two").disable(b.now(), "it said 410");
    if let Some(gone) = &gone {
        table.update(gone).await?;
    }
    same("a disabled one", &table.get(one.id).await?, &gone)
}

async fn remove(b: &mut Bench) -> Checked {
    let (table, one, two) = (b.backend().webhooks, hook(1, b.now()), hook(2, b.now()));
    table.remove(one.id).await?;
    table.put_new(&one).await?;
    table.put_new(&two).await?;
    table.remove(one.id).await?;
    same("get", &table.get(one.id).await?, &None)?;
    let late = Webhook { version: 2, ..one };
    same("a late update", &table.update(&late).await?, &Written::Conflict)?;
    same("list", &table.list().await?, &vec![two])
}

async fn list(b: &mut Bench) -> Checked {
    let (table, now) = (b.backend().webhooks, b.now());
    same("an empty list", &table.list().await?.len(), &0)?;
    let mut all: Vec<_> = [9, 3, 15, 0, 8].map(|n| hook(n, now)).into();
    for one in &all {
        table.put_new(one).await?;
        // The log is no part of it.
        table.put_delivery(&delivery(one, campaign(), now, 0)).await?;
    }
    all.sort_by_key(|hook| hook.id);
    same("list", &table.list().await?, &all)
}

async fn put_delivery(b: &mut Bench) -> Checked {
    let (table, now) = (b.backend().webhooks, b.now());
    let one = delivery(&hook(1, now), campaign(), now, 0);
    same("put_delivery", &table.put_delivery(&one).await?, &Written::Yes)?;
    let twin = Delivery { body: "{}".to_owned(), ..one.clone() };
    same("put_delivery again", &table.put_delivery(&twin).await?, &Written::Conflict)?;
    same("stored", &table.deliveries(one.hook, now, 10).await?, &vec![one])
}

async fn update_delivery(b: &mut Bench) -> Checked {
    let (table, now) = (b.backend().webhooks, b.now());
    let one = delivery(&hook(1, now), campaign(), now, 0);
    let Some(claimed) = one.claim(now) else { return Ok(()) };
    same("update of none", &table.update_delivery(&claimed).await?, &Written::Conflict)?;
    same("none", &table.deliveries(one.hook, now, 10).await?, &vec![])?;
    table.put_delivery(&one).await?;
    same("claim", &table.update_delivery(&claimed).await?, &Written::Yes)?;
    same("claim again", &table.update_delivery(&claimed).await?, &Written::Conflict)?;
    let failed = claimed.settle(&Came::Nothing("no route".to_owned()), now);
    let skipped = Delivery { version: failed.version + 1, ..failed.clone() };
    same("a skipped version", &table.update_delivery(&skipped).await?, &Written::Conflict)?;
    same("settle", &table.update_delivery(&failed).await?, &Written::Yes)?;
    same("stored", &table.deliveries(one.hook, now, 10).await?, &vec![failed.clone()])?;
    let taken = Came::Answer { status: 204, retry_after: None, text: String::new() };
    let delivered = failed.settle(&taken, now);
    table.update_delivery(&delivered).await?;
    same("delivered", &table.deliveries(one.hook, now, 10).await?, &vec![delivered.clone()])?;
    let gone = Came::Answer { status: 410, retry_after: None, text: String::new() };
    let given_up = delivered.settle(&gone, now);
    table.update_delivery(&given_up).await?;
    same("given up", &table.deliveries(one.hook, now, 10).await?, &vec![given_up])
}

async fn deliveries(b: &mut Bench) -> Checked {
    let (table, now, about) = (b.backend().webhooks, b.now(), campaign());
    let (mine, other) = (hook(1, now), hook(2, now));
    let times = [3, -2, 7, 0, -900_000, 11, 1_000];
    let mut all: Vec<_> = times.map(|ms| delivery(&mine, about, now, ms)).into();
    for one in &all {
        table.put_delivery(one).await?;
    }
    table.put_delivery(&delivery(&other, about, now, 5)).await?;
    all.sort_by_key(|d| std::cmp::Reverse(d.at));
    for limit in [0, 1, 4, 7, 100] {
        let want = all[..limit.min(all.len())].to_vec();
        same(&format!("newest {limit}"), &table.deliveries(mine.id, UnixMs(0), limit).await?, &want)?;
    }
    let late: Vec<_> = all.iter().filter(|d| d.at >= now).cloned().collect();
    same("from a time on", &table.deliveries(mine.id, now, 100).await?, &late)?;
    let later = now.plus(Duration::from_secs(2));
    same("from later", &table.deliveries(mine.id, later, 100).await?, &vec![])
}

async fn race(b: &mut Bench) -> Checked {
    let now = b.now();
    let one = delivery(&hook(1, now), campaign(), now, 0);
    for claims in [false, true] {
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..RACERS {
            let (table, one) = (b.backend().webhooks, one.clone());
            racers.spawn(async move {
                match one.claim(now).filter(|_| claims) {
                    Some(claimed) => table.update_delivery(&claimed).await,
                    None => table.put_delivery(&one).await,
                }
            });
        }
        let mut won = 0;
        while let Some(answer) = racers.join_next().await {
            won += usize::from(answer?? == Written::Yes);
        }
        same("winners", &won, &1)?;
    }
    Ok(())
}
