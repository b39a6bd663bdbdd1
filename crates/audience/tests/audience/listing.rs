//! A snapshot as people see it.

use crate::world::{World, device, options, row};
use audience::listing::{self, ListingError, Summary};
use common::campaign::{DropReason, ListFormat};
use common::ids::{BatchNo, ShardNo, SnapshotId};
use common::ports::PutMode;
use common::snapshot::{keys, shard_of};

#[tokio::test]
async fn users_batches_and_reasons() {
    let world = World::new();
    let mut out = row("out", device(50, 0, ""));
    out.opted_out = Some(true);
    world
        .devices(
            (0..20)
                .map(|n| row(&format!("u{n}"), device(n, 1, "de")))
                .chain([out, row("late", device(3, 0, "en"))])
                .collect(),
        )
        .await;
    let list: String =
        (0..20).map(|n| format!("u{n}\n")).collect::<String>() + "u3\nout\nnobody\nlate\n spaced\n";
    let campaign = world.campaign(list.as_bytes(), ListFormat::Plain, options(2, 3)).await;
    let snapshot = world.build(&campaign, 2).await.unwrap();
    let objects = &*world.backend.objects;
    let manifest = listing::manifest(objects, campaign.id, snapshot.id).await.unwrap();

    let summary = Summary::of(&manifest);
    assert_eq!((summary.uploaded, summary.users, summary.shards), (25, 20, 2));
    assert_eq!((summary.devices["apns"], summary.devices["fcm"]), (13, 7));
    assert_eq!(summary.locales, ["de", "en"]);
    assert!(serde_json::to_string(&summary).unwrap().contains("\"bad_line\":1"));

    let shard = shard_of("u7", 2);
    let found = listing::find_user(objects, &manifest, "u7").await.unwrap().unwrap();
    let batch = listing::batch(objects, &manifest, shard, found.batch).await.unwrap();
    assert_eq!((found.shard, batch.contains(&found.user)), (shard, true));
    assert_eq!(found.user.devices[0].token_hash, format!("{:016x}", device(7, 0, "").target.hash()));
    let all = listing::users(objects, &manifest, shard, 0, 1000).await.unwrap();
    assert_eq!(listing::users(objects, &manifest, shard, 4, 3).await.unwrap(), all[4..7]);
    assert_eq!(listing::find_user(objects, &manifest, "late").await.unwrap(), None);

    for (user, line, reason, detail) in [
        ("u3", 21, DropReason::Duplicate, Some("stands on line 4 already")),
        ("out", 22, DropReason::OptedOut, None),
        ("nobody", 23, DropReason::Unknown, None),
        ("late", 24, DropReason::NoDevice, Some("other_user")),
        (
            " spaced",
            25,
            DropReason::BadLine,
            Some("user_id: has spaces around it or a control character in it"),
        ),
    ] {
        let lines = listing::find_dropped(objects, &manifest, user).await.unwrap();
        assert_eq!(lines.len(), 1, "{user}");
        assert_eq!((lines[0].line, lines[0].reason, lines[0].detail.as_deref()), (line, reason, detail));
    }
    assert_eq!(listing::find_dropped(objects, &manifest, "u7").await.unwrap(), []);

    let none = listing::batch(objects, &manifest, shard, BatchNo(99)).await.unwrap_err();
    assert!(matches!(none, ListingError::NoBatch { .. }));
    let none = listing::shard(objects, &manifest, ShardNo(2)).await.unwrap_err();
    assert_eq!(none.to_string(), "the snapshot has 2 shards, counted from 0: there is no shard 2");
    let none = listing::manifest(objects, campaign.id, SnapshotId([0; 32])).await.unwrap_err();
    assert!(matches!(none, ListingError::NoSnapshot(_)));

    let key = keys::shard(campaign.id, shard, manifest.shards[usize::from(shard.0)].blake3);
    objects.put(&key, "rubbish".into(), PutMode::Replace).await.unwrap();
    let damaged = listing::find_user(objects, &manifest, "u7").await.unwrap_err();
    assert!(matches!(damaged, ListingError::Damaged(_)));
    let key = keys::manifest(campaign.id, snapshot.id);
    objects.put(&key, "{}".into(), PutMode::Replace).await.unwrap();
    let damaged = listing::manifest(objects, campaign.id, snapshot.id).await.unwrap_err();
    assert!(matches!(damaged, ListingError::Damaged(_)));
}
