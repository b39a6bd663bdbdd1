//! Rules of the device table.

use super::Rule;
use super::bench::{Bench, Checked, same};
use super::make::{row, target};
use common::device::{DeviceRow, UserDevices};
use common::limits::USER_DEVICES_MAX;
use common::ports::Upserted;
use common::time::UnixMs;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("devices.upsert", "rows are merged into one item per user", |b| Box::pin(merges(b))),
        Rule::new("devices.opted_out", "a row that says nothing of opting out leaves it", |b| {
            Box::pin(opted_out(b))
        }),
        Rule::new("devices.refused", "a device too many is refused by its place, the others go in", |b| {
            Box::pin(refused(b))
        }),
        Rule::new("devices.get_many", "get_many answers in order, with None for nobody", |b| {
            Box::pin(get_many(b))
        }),
        Rule::new("devices.many", "any number of rows and ids in one call", |b| Box::pin(many(b))),
        Rule::new("devices.upsert_race", "concurrent imports for one user are all kept", |b| {
            Box::pin(upsert_race(b))
        }),
        Rule::new("devices.remove_dead", "a dead token goes, unless it registered again since", |b| {
            Box::pin(remove_dead(b))
        }),
        Rule::new("devices.users", "users counts the users", |b| Box::pin(users(b))),
    ]
}

async fn upsert(b: &Bench, rows: Vec<DeviceRow>) -> Checked<(Upserted, Vec<usize>)> {
    let mut places = Vec::new();
    let counted = b.backend().devices.upsert(rows, &mut places).await?;
    Ok((counted, places))
}

async fn get(b: &Bench, user: &str) -> Checked<Option<UserDevices>> {
    Ok(b.backend().devices.get_many(&[user]).await?.pop().flatten())
}

/// What merging these rows gives.
fn merged(rows: &[DeviceRow]) -> Option<UserDevices> {
    let mut item = UserDevices::default();
    for row in rows {
        item.merge(row.clone());
    }
    Some(item)
}

async fn merges(b: &mut Bench) -> Checked {
    let newer = DeviceRow {
        device: common::device::Device { locale: "de".into(), ..row("u", 1, 20).device },
        ..row("u", 1, 20)
    };
    let first = vec![row("u", 1, 10), row("v", 9, 10), row("u", 2, 10)];
    let second = vec![newer.clone(), row("u", 2, 5), row("u", 3, 10)];
    let (counted, places) = upsert(b, first.clone()).await?;
    same("counted", &counted, &Upserted { taken: 3, refused: 0, ..Upserted::default() })?;
    same("refused", &places, &Vec::new())?;
    upsert(b, second.clone()).await?;
    let rows: Vec<_> = first.into_iter().chain(second).filter(|r| &*r.user_id == "u").collect();
    same("the user's item", &get(b, "u").await?, &merged(&rows))?;
    same("the other's", &get(b, "v").await?, &merged(&[row("v", 9, 10)]))
}

async fn opted_out(b: &mut Bench) -> Checked {
    let says = |out| DeviceRow { opted_out: out, ..row("u", 1, 10) };
    for (said, want) in [(None, false), (Some(true), true), (None, true), (Some(false), false)] {
        upsert(b, vec![says(said)]).await?;
        let got = get(b, "u").await?.map(|item| item.opted_out);
        same(&format!("opted out after a row that says {said:?}"), &got, &Some(want))?;
    }
    Ok(())
}

async fn refused(b: &mut Bench) -> Checked {
    let full: Vec<_> = (0..USER_DEVICES_MAX - 1).map(|n| row("full", n, 10)).collect();
    upsert(b, full.clone()).await?;
    let rows = vec![
        row("other", 100, 10),
        row("full", 200, 10),
        row("full", 201, 10),
        row("other", 101, 10),
        row("full", 202, 10),
        row("full", 0, 20),
    ];
    let (counted, mut places) = upsert(b, rows.clone()).await?;
    places.sort_unstable();
    same("refused places", &places, &vec![2, 4])?;
    same("counted", &counted, &Upserted { taken: 4, refused: 2, ..Upserted::default() })?;
    let all: Vec<_> = full.into_iter().chain([rows[1].clone(), rows[5].clone()]).collect();
    same("the full user's item", &get(b, "full").await?, &merged(&all))?;
    same("the other's devices", &get(b, "other").await?.map(|i| i.devices.len()), &Some(2))
}

async fn get_many(b: &mut Bench) -> Checked {
    let table = b.backend().devices;
    same("of none", &table.get_many(&[]).await?, &vec![])?;
    upsert(b, vec![row("b", 1, 10), row("a", 2, 10), row("\u{e9}mile", 3, 10)]).await?;
    let item = |user, n| merged(&[row(user, n, 10)]);
    let got = table.get_many(&["x", "b", "\u{e9}mile", "a", "y", "b"]).await?;
    let want = vec![None, item("b", 1), item("\u{e9}mile", 3), item("a", 2), None, item("b", 1)];
    same("items", &got, &want)
}

async fn many(b: &mut Bench) -> Checked {
    let names: Vec<String> = (0..400).map(|n| format!("user-{n}")).collect();
    // The two rows of a user stand far apart.
    let pass = |offset: usize| names.iter().enumerate().map(move |(n, name)| row(name, n * 2 + offset, 10));
    let (counted, _) = upsert(b, pass(0).chain(pass(1)).collect()).await?;
    same("counted", &counted, &Upserted { taken: 800, refused: 0, ..Upserted::default() })?;
    let ids: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    let got = b.backend().devices.get_many(&ids).await?;
    let want: Vec<_> = (0..400)
        .rev()
        .map(|n: usize| merged(&[row(&names[n], n * 2, 10), row(&names[n], n * 2 + 1, 10)]))
        .collect();
    super::bench::ensure(got == want, || format!("{} items, which are not as merged", got.len()))
}

async fn upsert_race(b: &mut Bench) -> Checked {
    let mut imports = tokio::task::JoinSet::new();
    for n in 0..8 {
        let table = b.backend().devices;
        imports.spawn(async move { table.upsert(vec![row("u", n, 10)], &mut Vec::new()).await });
    }
    while let Some(done) = imports.join_next().await {
        done??;
    }
    same("devices", &get(b, "u").await?.map(|i| i.devices.len()), &Some(8))
}

async fn remove_dead(b: &mut Bench) -> Checked {
    upsert(b, vec![row("u", 1, 10), row("u", 2, 10), row("u", 3, 30), row("v", 4, 10)]).await?;
    let dead = |user: &str, n, since| (user.to_owned(), target(n), UnixMs(since));
    let asks = [
        dead("u", 1, 20),
        dead("u", 3, 20),
        dead("u", 9, 20),
        dead("nobody", 1, 20),
        dead("v", 1, 20),
        dead("v", 4, 10),
    ];
    same("gone", &b.backend().devices.remove_dead(&asks).await?, &2)?;
    same("the user's item", &get(b, "u").await?, &merged(&[row("u", 2, 10), row("u", 3, 30)]))?;
    same("nobody", &get(b, "nobody").await?, &None)?;
    let left = get(b, "v").await?.map_or(0, |item| item.devices.len());
    same("the other's devices", &left, &0)
}

async fn users(b: &mut Bench) -> Checked {
    same("users of an empty table", &b.backend().devices.users().await?, &0)?;
    upsert(b, vec![row("u", 1, 10), row("u", 2, 10), row("v", 3, 10)]).await?;
    upsert(b, vec![row("u", 1, 20)]).await?;
    same("users", &b.backend().devices.users().await?, &2)
}
