//! Rules of the object store.

use super::Rule;
use super::bench::{Bench, Checked, Seen, ensure, same};
use bytes::Bytes;
use common::ports::{ObjectMeta, Put, PutMode};
use futures::future::try_join_all;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        Rule::new("objects.put_get", "a get sees what was put, whole, and its size", |b| {
            Box::pin(put_get(b))
        }),
        Rule::new("objects.none", "what isn't there is None, and deleting it is fine", |b| Box::pin(none(b))),
        Rule::new("objects.replace", "a put replaces; a deleted object is gone", |b| Box::pin(replace(b))),
        Rule::new("objects.if_absent", "IfAbsent keeps what is there and says so", |b| {
            Box::pin(if_absent(b))
        }),
        Rule::new("objects.if_absent_race", "of concurrent IfAbsent puts exactly one stores", |b| {
            Box::pin(if_absent_race(b))
        }),
        Rule::new("objects.ranges", "a range is cut at the object's end", |b| Box::pin(ranges(b))),
        Rule::new("objects.list", "list answers every object under the prefix, by key", |b| {
            Box::pin(list(b))
        }),
        Rule::new("objects.list_many", "list answers more than one page", |b| Box::pin(list_many(b))),
        Rule::new("objects.writer", "parts become one object, whose length is answered", |b| {
            Box::pin(writer(b))
        }),
        Rule::new("objects.unfinished", "nothing is visible before finish", |b| Box::pin(unfinished(b))),
        Rule::new("objects.dropped_writer", "a writer that is dropped leaves nothing", |b| {
            Box::pin(dropped_writer(b))
        }),
        Rule::new("objects.whole_or_old", "a reader sees a whole object, old or new", |b| {
            Box::pin(whole_or_old(b))
        }),
    ]
}

fn text(s: &'static str) -> Bytes {
    Bytes::from_static(s.as_bytes())
}

async fn put(b: &Bench, key: &str, bytes: Bytes) -> Checked {
    let put = b.backend().objects.put(key, bytes, PutMode::Replace).await?;
    same("a put", &put, &Put::Stored)
}

async fn get(b: &Bench, key: &str) -> Checked<Option<Bytes>> {
    Ok(b.backend().objects.get(key, None).await?)
}

async fn put_get(b: &mut Bench) -> Checked {
    let all: Bytes = (0..=u8::MAX).collect::<Vec<u8>>().into();
    for (key, bytes) in [("a/b-1", all), ("a/empty", Bytes::new())] {
        put(b, key, bytes.clone()).await?;
        let meta = ObjectMeta { key: key.to_owned(), bytes: u64::try_from(bytes.len()).unwrap_or(0) };
        same("get", &get(b, key).await?, &Some(bytes))?;
        same("head", &b.backend().objects.head(key).await?, &Some(meta))?;
    }
    Ok(())
}

async fn none(b: &mut Bench) -> Checked {
    same("get", &get(b, "a/none").await?, &None)?;
    same("get of a range", &b.backend().objects.get("a/none", Some(0..1)).await?, &None)?;
    same("head", &b.backend().objects.head("a/none").await?, &None)?;
    same("list", &b.backend().objects.list("a/").await?, &Vec::new())?;
    b.backend().objects.delete("a/none").await?;
    Ok(())
}

async fn replace(b: &mut Bench) -> Checked {
    put(b, "k", text("a longer first one")).await?;
    put(b, "k", text("second")).await?;
    same("get", &get(b, "k").await?, &Some(text("second")))?;
    b.backend().objects.delete("k").await?;
    b.backend().objects.delete("k").await?;
    same("get after delete", &get(b, "k").await?, &None)
}

async fn if_absent(b: &mut Bench) -> Checked {
    let objects = b.backend().objects;
    let first = objects.put("k", text("first"), PutMode::IfAbsent).await?;
    let second = objects.put("k", text("second"), PutMode::IfAbsent).await?;
    same("answers", &[first, second], &[Put::Stored, Put::Exists])?;
    same("get", &get(b, "k").await?, &Some(text("first")))
}

async fn if_absent_race(b: &mut Bench) -> Checked {
    for round in 0..5 {
        let (key, mut puts) = (format!("k{round}"), tokio::task::JoinSet::new());
        for n in 0..8_u8 {
            let (objects, key) = (b.backend().objects, key.clone());
            puts.spawn(async move { (n, objects.put(&key, vec![n; 99].into(), PutMode::IfAbsent).await) });
        }
        let mut stored = Vec::new();
        while let Some(done) = puts.join_next().await {
            let (n, answer) = done?;
            if answer? == Put::Stored {
                stored.push(n);
            }
        }
        same("puts that stored", &stored.len(), &1)?;
        same("get", &get(b, &key).await?, &Some(vec![stored[0]; 99].into()))?;
    }
    Ok(())
}

async fn ranges(b: &mut Bench) -> Checked {
    put(b, "k", text("0123456789")).await?;
    for (range, want) in [
        (0..10, "0123456789"),
        (2..5, "234"),
        (9..10, "9"),
        (8..100, "89"),
        (10..20, ""),
        (50..60, ""),
        (3..3, ""),
    ] {
        let got = b.backend().objects.get("k", Some(range.clone())).await?;
        same(&format!("bytes {range:?} of ten"), &got, &Some(text(want)))?;
    }
    Ok(())
}

async fn list(b: &mut Bench) -> Checked {
    for key in ["s/2/b", "s/10/a", "s/2/a", "s/2a", "t/1", "s/2/c/d"] {
        put(b, key, text("xyz")).await?;
    }
    for (prefix, want) in [
        ("s/2/", vec!["s/2/a", "s/2/b", "s/2/c/d"]),
        ("s/2", vec!["s/2/a", "s/2/b", "s/2/c/d", "s/2a"]),
        ("s/", vec!["s/10/a", "s/2/a", "s/2/b", "s/2/c/d", "s/2a"]),
        ("u", vec![]),
    ] {
        let got = b.backend().objects.list(prefix).await?;
        let want: Vec<_> = want.iter().map(|k| ObjectMeta { key: (*k).to_owned(), bytes: 3 }).collect();
        same(&format!("list of `{prefix}`"), &got, &want)?;
    }
    Ok(())
}

async fn list_many(b: &mut Bench) -> Checked {
    let keys: Vec<String> = (0..1_005).map(|n| format!("m/{n:05}")).collect();
    for some in keys.chunks(50) {
        try_join_all(some.iter().map(|key| put(b, key, text("x")))).await?;
    }
    let got: Vec<String> = b.backend().objects.list("m/").await?.into_iter().map(|m| m.key).collect();
    ensure(got == keys, || format!("{} keys, expected {} in order", got.len(), keys.len()))
}

/// Bytes that differ from place to place.
fn stuff(len: usize, salt: usize) -> Bytes {
    let byte = |i: usize| u8::try_from((i * 31 + i / 251 + salt) % 251).unwrap_or(0);
    (0..len).map(byte).collect::<Vec<u8>>().into()
}

async fn writer(b: &mut Bench) -> Checked {
    // More than one part of an S3 multipart upload (5 MiB), in pieces of odd sizes.
    let whole = stuff(12_000_001, 1);
    let mut writer = b.backend().objects.writer("w/big").await?;
    for piece in whole.chunks(1_234_567) {
        writer.write(whole.slice_ref(piece)).await?;
    }
    same("length", &writer.finish().await?, &12_000_001)?;
    let got = get(b, "w/big").await?;
    ensure(got.as_ref() == Some(&whole), || "what was written in parts came back changed".to_owned())?;
    let range = b.backend().objects.get("w/big", Some(5_999_990..6_000_010)).await?;
    same("a range over parts", &range, &Some(whole.slice(5_999_990..6_000_010)))?;
    let empty = b.backend().objects.writer("w/empty").await?;
    same("length of nothing", &empty.finish().await?, &0)?;
    same("nothing", &get(b, "w/empty").await?, &Some(Bytes::new()))
}

async fn unfinished(b: &mut Bench) -> Checked {
    put(b, "w/old", text("old")).await?;
    for (key, want) in [("w/new", None), ("w/old", Some(text("old")))] {
        let mut writer = b.backend().objects.writer(key).await?;
        writer.write(stuff(6_000_000, 2)).await?;
        same("get before finish", &get(b, key).await?, &want)?;
        let listed: Vec<String> = b.backend().objects.list("w/").await?.into_iter().map(|m| m.key).collect();
        let fine = |k: &String| k == "w/old" || (k == "w/new" && key == "w/old");
        ensure(listed.iter().all(fine), || format!("listed before finish of {key}: {listed:?}"))?;
        writer.finish().await?;
        let size = b.backend().objects.head(key).await?.map(|m| m.bytes);
        same("size after finish", &size, &Some(6_000_000))?;
    }
    Ok(())
}

async fn dropped_writer(b: &mut Bench) -> Checked {
    put(b, "w/old", text("old")).await?;
    for key in ["w/new", "w/old"] {
        let mut writer = b.backend().objects.writer(key).await?;
        writer.write(stuff(100_000, 3)).await?;
        drop(writer);
    }
    same("the old one", &get(b, "w/old").await?, &Some(text("old")))?;
    let keys: Vec<String> = b.backend().objects.list("").await?.into_iter().map(|m| m.key).collect();
    same("every key", &keys, &vec!["w/old".to_owned()])
}

async fn whole_or_old(b: &mut Bench) -> Checked {
    let versions = [stuff(300_000, 4), stuff(200_000, 5)];
    put(b, "k", versions[0].clone()).await?;
    let (objects, both) = (b.backend().objects, versions.clone());
    let writer = tokio::spawn(async move {
        for n in 0..20_usize {
            objects.put("k", both[n % 2].clone(), PutMode::Replace).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, Seen>(())
    });
    let mut seen = 0;
    while !writer.is_finished() || seen < 20 {
        let got = get(b, "k").await?;
        let whole = got.as_ref().is_some_and(|g| versions.contains(g));
        ensure(whole, || format!("a part of {:?} bytes", got.map(|g| g.len())))?;
        seen += 1;
        tokio::task::yield_now().await;
    }
    writer.await?
}
