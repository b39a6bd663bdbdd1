//! Rules of the campaign records and of the fleet's slot: conditional writes.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::{campaign, draft, life};
use common::campaign::Campaign;
use common::fleet::{ScaleWish, Slot};
use common::ports::Written;
use std::time::Duration;

const RACERS: u32 = 12;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("campaigns.create", "create stores a new record, and conflicts with an old one", |b| {
            Box::pin(create(b))
        }),
        Rule::new("campaigns.update", "update needs exactly the version before", |b| Box::pin(update(b))),
        Rule::new("campaigns.whole", "a record comes back as it was written", |b| Box::pin(whole(b))),
        Rule::new("campaigns.version", "the version is that of the last write", |b| Box::pin(version(b))),
        Rule::new("campaigns.race", "of concurrent updates exactly one wins", |b| Box::pin(race(b))),
        Rule::new("campaigns.create_race", "of concurrent creates exactly one wins", |b| {
            Box::pin(create_race(b))
        }),
        Rule::new("campaigns.list", "list answers the newest first, so many at most", |b| Box::pin(list(b))),
        Rule::new("campaigns.slot", "the slot needs exactly the version before, from 0", |b| {
            Box::pin(slot(b))
        }),
        Rule::new("campaigns.slot_race", "of concurrent writes of the slot exactly one wins", |b| {
            Box::pin(slot_race(b))
        }),
    ]
}

async fn stored(b: &Bench, c: &Campaign, what: &str) -> Checked {
    same(what, &b.backend().campaigns.get(c.id).await?, &Some(c.clone()))
}

async fn create(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().campaigns, draft("one", b.now()));
    same("get of none", &table.get(one.id).await?, &None)?;
    same("create", &table.create(&one).await?, &Written::Yes)?;
    let other = Campaign { name: "other".to_owned(), ..one.clone() };
    same("create again", &table.create(&other).await?, &Written::Conflict)?;
    stored(b, &one, "stored").await
}

async fn update(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().campaigns, draft("one", b.now()));
    let version = |version, name: &str| Campaign { version, name: name.to_owned(), ..one.clone() };
    same("update of none", &table.update(&version(2, "x")).await?, &Written::Conflict)?;
    same("get", &table.get(one.id).await?, &None)?;
    table.create(&one).await?;
    same("update to 2", &table.update(&version(2, "two")).await?, &Written::Yes)?;
    for wrong in [1, 2, 4, 0] {
        let answer = table.update(&version(wrong, "wrong")).await?;
        same(&format!("update of 2 to {wrong}"), &answer, &Written::Conflict)?;
        stored(b, &version(2, "two"), "stored after a conflict").await?;
    }
    same("update to 3", &table.update(&version(3, "three")).await?, &Written::Yes)?;
    stored(b, &version(3, "three"), "stored").await
}

async fn whole(b: &mut Bench) -> Checked {
    let table = b.backend().campaigns;
    for (n, step) in life(b.now())?.iter().enumerate() {
        let written = if n == 0 { table.create(step).await? } else { table.update(step).await? };
        same("written", &written, &Written::Yes)?;
        stored(b, step, "a record").await?;
    }
    Ok(())
}

async fn version(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().campaigns, draft("one", b.now()));
    same("version of none", &table.version(one.id).await?, &None)?;
    table.create(&one).await?;
    same("version of a new one", &table.version(one.id).await?, &Some(one.version))?;
    for version in [one.version + 1, one.version + 2] {
        table.update(&Campaign { version, ..one.clone() }).await?;
        same("version after an update", &table.version(one.id).await?, &Some(version))?;
    }
    let wrong = Campaign { version: one.version + 7, ..one.clone() };
    same("update", &table.update(&wrong).await?, &Written::Conflict)?;
    same("version after a conflict", &table.version(one.id).await?, &Some(one.version + 2))
}

async fn race(b: &mut Bench) -> Checked {
    let one = draft("one", b.now());
    b.backend().campaigns.create(&one).await?;
    for version in 2..6 {
        let mut racers = tokio::task::JoinSet::new();
        for n in 0..RACERS {
            let table = b.backend().campaigns;
            let next = Campaign { version, name: format!("{version} by {n}"), ..one.clone() };
            racers.spawn(async move { (table.update(&next).await, next) });
        }
        let mut won = Vec::new();
        while let Some(done) = racers.join_next().await {
            let (written, next) = done?;
            won.extend((written? == Written::Yes).then_some(next));
        }
        same("updates that won", &won.len(), &1)?;
        stored(b, &won[0], "stored").await?;
    }
    Ok(())
}

async fn create_race(b: &mut Bench) -> Checked {
    let (one, mut racers) = (draft("one", b.now()), tokio::task::JoinSet::new());
    for n in 0..RACERS {
        let table = b.backend().campaigns;
        let next = Campaign { name: format!("by {n}"), ..one.clone() };
        racers.spawn(async move { (table.create(&next).await, next) });
    }
    let mut won = Vec::new();
    while let Some(done) = racers.join_next().await {
        let (written, next) = done?;
        won.extend((written? == Written::Yes).then_some(next));
    }
    same("creates that won", &won.len(), &1)?;
    stored(b, &won[0], "stored").await
}

async fn list(b: &mut Bench) -> Checked {
    let (table, mut ids) = (b.backend().campaigns, Vec::new());
    for n in 0..5 {
        let one = draft(&format!("c{n}"), b.now().plus(Duration::from_secs(n)));
        table.create(&one).await?;
        ids.insert(0, one.id);
    }
    for limit in [0, 1, 3, 5, 100] {
        let got: Vec<_> = table.list(limit).await?.into_iter().map(|c| c.id).collect();
        same(&format!("list of {limit}"), &got, &ids[..limit.min(5)].to_vec())?;
    }
    Ok(())
}

async fn slot(b: &mut Bench) -> Checked {
    let table = b.backend().campaigns;
    same("a slot never written", &table.slot().await?, &Slot::default())?;
    let scale = ScaleWish {
        interim: 20,
        push: 500,
        until: Some(b.now()),
        by: "sven".to_owned(),
        at: b.now(),
        noted: true,
    };
    let slot = |version, taken: bool| {
        let scale = (!taken).then(|| scale.clone());
        Slot { version, campaign: taken.then(campaign), scale }
    };
    let first = slot(1, true);
    same("write of 1", &table.set_slot(&first).await?, &Written::Yes)?;
    for wrong in [0, 1, 3] {
        let answer = table.set_slot(&slot(wrong, true)).await?;
        same(&format!("write of {wrong} after 1"), &answer, &Written::Conflict)?;
        same("slot after a conflict", &table.slot().await?, &first)?;
    }
    let second = slot(2, false);
    same("write of 2", &table.set_slot(&second).await?, &Written::Yes)?;
    same("slot", &table.slot().await?, &second)
}

async fn slot_race(b: &mut Bench) -> Checked {
    for version in 1..5 {
        let mut racers = tokio::task::JoinSet::new();
        for _ in 0..RACERS {
            let (table, next) =
                (b.backend().campaigns, Slot { version, campaign: Some(campaign()), scale: None });
            racers.spawn(async move { (table.set_slot(&next).await, next) });
        }
        let mut won = Vec::new();
        while let Some(done) = racers.join_next().await {
            let (written, next) = done?;
            won.extend((written? == Written::Yes).then_some(next));
        }
        same("writes that won", &won.len(), &1)?;
        same("slot", &b.backend().campaigns.slot().await?, &won[0])?;
    }
    Ok(())
}
