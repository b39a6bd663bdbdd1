//! Rules of the access tokens: conditional writes, and a list that misses none.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::stamp;
use common::access::{Role, Token, TokenId, TokenRecord};
use common::ports::Written;
use common::time::UnixMs;

const RACERS: u32 = 12;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("tokens.put_new", "put_new stores a new record, and conflicts with an old one", |b| {
            Box::pin(put_new(b))
        }),
        Rule::new("tokens.update", "update needs exactly the version before", |b| Box::pin(update(b))),
        Rule::new("tokens.whole", "a record comes back as it was written", |b| Box::pin(whole(b))),
        Rule::new("tokens.list", "list answers every record, by id", |b| Box::pin(list(b))),
        Rule::new("tokens.race", "of concurrent writes of one record exactly one wins", |b| {
            Box::pin(race(b))
        }),
    ]
}

/// The record of token number `n`. Ids differ in their first and their last digit.
pub(super) fn record(n: u32, at: UnixMs) -> TokenRecord {
    let mut secret = [0xf7; 32];
    secret[..4].copy_from_slice(&n.to_le_bytes());
    let id = TokenId((n << 28) | n);
    let role = Role::ALL[n as usize % Role::ALL.len()];
    TokenRecord::new(
        &Token::new(id, secret),
        "Zo\u{eb} \u{1f989}",
        role,
        stamp("egon", at),
        Some(UnixMs(at.0 + 7)),
    )
}

/// A record as it can be compared: a hash has no `==` of its own.
fn seen(record: &TokenRecord) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

pub(super) async fn stored(b: &Bench, wanted: &TokenRecord, what: &str) -> Checked {
    let got = b.backend().tokens.get(wanted.id).await?;
    same(what, &got.as_ref().map(seen), &Some(seen(wanted)))
}

async fn put_new(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().tokens, record(1, b.now()));
    same("get of none", &table.get(one.id).await?.as_ref().map(seen), &None)?;
    same("put_new", &table.put_new(&one).await?, &Written::Yes)?;
    let other = TokenRecord { name: "other".to_owned(), ..one.clone() };
    same("put_new again", &table.put_new(&other).await?, &Written::Conflict)?;
    stored(b, &one, "stored").await
}

async fn update(b: &mut Bench) -> Checked {
    let (table, one) = (b.backend().tokens, record(1, b.now()));
    let version = |version, name: &str| TokenRecord { version, name: name.to_owned(), ..one.clone() };
    same("update of none", &table.update(&version(2, "x")).await?, &Written::Conflict)?;
    same("get", &table.get(one.id).await?.as_ref().map(seen), &None)?;
    table.put_new(&one).await?;
    same("update to 2", &table.update(&version(2, "two")).await?, &Written::Yes)?;
    for wrong in [1, 2, 4, 0] {
        let answer = table.update(&version(wrong, "wrong")).await?;
        same(&format!("update of 2 to {wrong}"), &answer, &Written::Conflict)?;
        stored(b, &version(2, "two"), "stored after a conflict").await?;
    }
    Ok(())
}

async fn whole(b: &mut Bench) -> Checked {
    let (table, now) = (b.backend().tokens, b.now());
    let one = record(1, now);
    table.put_new(&one).await?;
    let forever = TokenRecord { expires_at: None, ..record(2, now) };
    table.put_new(&forever).await?;
    stored(b, &forever, "one that never ends").await?;
    if let Some(gone) = one.revoke(stamp("sven", now)) {
        table.update(&gone).await?;
        stored(b, &gone, "a revoked one").await?;
    }
    Ok(())
}

async fn list(b: &mut Bench) -> Checked {
    let (table, now) = (b.backend().tokens, b.now());
    same("an empty list", &table.list().await?.len(), &0)?;
    let mut all: Vec<_> = [9, 3, 15, 0, 8].map(|n| record(n, now)).into();
    for one in &all {
        table.put_new(one).await?;
    }
    all.sort_by_key(|t| t.id);
    if let Some(gone) = all[2].revoke(stamp("sven", now)) {
        table.update(&gone).await?;
        all[2] = gone;
    }
    let listed: Vec<_> = table.list().await?.iter().map(seen).collect();
    same("list", &listed, &all.iter().map(seen).collect())
}

async fn race(b: &mut Bench) -> Checked {
    let one = record(1, b.now());
    for update in [false, true] {
        let mut racers = tokio::task::JoinSet::new();
        for n in 0..RACERS {
            let table = b.backend().tokens;
            let version = one.version + u64::from(update);
            let mine = TokenRecord { name: format!("racer {n}"), version, ..one.clone() };
            racers.spawn(async move {
                match update {
                    true => table.update(&mine).await,
                    false => table.put_new(&mine).await,
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
