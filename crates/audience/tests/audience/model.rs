//! Random audiences and devices against a model that does it the plain way, all in memory.

use crate::world::{World, device, options, row};
use audience::listing;
use common::campaign::{DropReason, ListFormat, Options};
use common::device::{Device, Environment, Target};
use common::ids::ShardNo;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One user of the device table: opted out, and devices as (number, registered at, locale, app, sandbox).
type User = (bool, Vec<(u64, i64, u8, bool, bool)>);

const LOCALES: [&str; 4] = ["", "de", "pt-BR", "en"];

#[derive(Debug, Clone)]
struct Case {
    table: BTreeMap<String, User>,
    lines: Vec<String>,
    shards: u16,
    batch_users: u16,
    one_app: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let one = (0u64..60, 0i64..4, 0u8..4, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let user = (prop::bool::weighted(0.1), prop::collection::vec(one, 0..4));
    let table = prop::collection::btree_map((0u32..60).prop_map(|n| format!("u{n}")), user, 0..50);
    let line = prop_oneof![9 => (0u32..80).prop_map(|n| format!("u{n}")), 1 => Just(" bad".to_owned())];
    let lines = prop::collection::vec(line, 0..150);
    (table, lines, 1u16..9, 1u16..6, any::<bool>()).prop_map(
        |(table, mut lines, shards, batch_users, one_app)| {
            // Enough good lines, so that the file is not refused as a whole.
            lines.extend((0..lines.len() + 1).map(|n| format!("v{n}")));
            Case { table, lines, shards, batch_users, one_app }
        },
    )
}

fn devices_of(user: &User) -> Vec<Device> {
    let make = |&(number, at, locale, other_app, sandbox): &(u64, i64, u8, bool, bool)| Device {
        app: if other_app { "other".into() } else { "app".into() },
        environment: if sandbox { Environment::Sandbox } else { Environment::Production },
        ..device(number, at, LOCALES[usize::from(locale)])
    };
    user.1.iter().map(make).collect()
}

#[derive(Debug, Default, PartialEq)]
struct Expected {
    users: BTreeMap<String, BTreeSet<Target>>,
    dropped: BTreeMap<DropReason, u64>,
}

fn expect(case: &Case) -> Expected {
    let mut out = Expected::default();
    let mut drop = |reason| *out.dropped.entry(reason).or_default() += 1;
    let (mut seen, mut candidates) = (BTreeSet::new(), vec![]);
    for line in &case.lines {
        if line.starts_with(' ') {
            drop(DropReason::BadLine);
        } else if !seen.insert(line) {
            drop(DropReason::Duplicate);
        } else {
            match case.table.get(line) {
                // A row makes a user: one without devices never came into the table.
                Some(user) if !user.1.is_empty() => candidates.push((line, user)),
                _ => drop(DropReason::Unknown),
            }
        }
    }
    candidates.retain(|(_, user)| {
        if user.0 {
            drop(DropReason::OptedOut);
        }
        !user.0
    });
    let fits = |d: &Device| d.environment == Environment::Production && (!case.one_app || &*d.app == "app");
    // Within a user the latest registration of a device counts, and the last of equal ones, as the table merges them.
    let merged = |user: &User| {
        let mut all: BTreeMap<Target, Device> = BTreeMap::new();
        for d in devices_of(user) {
            if all.get(&d.target).is_none_or(|old| old.registered_at <= d.registered_at) {
                all.insert(d.target.clone(), d);
            }
        }
        all.into_values().filter(fits).collect::<Vec<_>>()
    };
    let mut owners: BTreeMap<Target, (i64, std::cmp::Reverse<(u64, String)>)> = BTreeMap::new();
    for (id, user) in &candidates {
        for d in merged(user) {
            let key = std::cmp::Reverse((common::snapshot::user_hash(id), (*id).clone()));
            let claim = (d.registered_at.0, key);
            let best = owners.entry(d.target).or_insert_with(|| claim.clone());
            *best = claim.max(best.clone());
        }
    }
    for (id, _) in &candidates {
        let mine = owners.iter().filter(|(_, (_, owner))| owner.0.1 == **id).map(|(t, _)| t.clone());
        let mine: BTreeSet<_> = mine.collect();
        if mine.is_empty() {
            drop(DropReason::NoDevice);
        } else {
            out.users.insert((*id).clone(), mine);
        }
    }
    out
}

async fn check(case: Case) {
    let mut ids = BTreeSet::new();
    for concurrency in [1, 3] {
        let world = World::new();
        for (id, user) in &case.table {
            let rows = devices_of(user)
                .into_iter()
                .map(|d| common::device::DeviceRow { opted_out: user.0.then_some(true), ..row(id, d) });
            world.devices(rows.collect()).await;
        }
        let app = case.one_app.then(|| "app".to_owned());
        let options = Options { app, ..options(case.shards, case.batch_users) };
        let campaign = world.campaign(case.lines.join("\n").as_bytes(), ListFormat::Plain, options).await;
        let snapshot = world.build(&campaign, concurrency).await.unwrap();
        ids.insert(snapshot.id);
        let dropped: u64 = snapshot.dropped.values().sum();
        assert_eq!(snapshot.uploaded, case.lines.len() as u64);
        assert_eq!(snapshot.uploaded, snapshot.users + dropped);

        let objects = &*world.backend.objects;
        let manifest = listing::manifest(objects, campaign.id, snapshot.id).await.unwrap();
        let (mut found, mut listed_dropped) = (Expected::default(), 0);
        let mut hashes = BTreeSet::new();
        for shard in (0..case.shards).map(ShardNo) {
            for user in listing::users(objects, &manifest, shard, 0, usize::MAX).await.unwrap() {
                for d in &user.devices {
                    assert!(hashes.insert(d.token_hash.clone()), "a device twice");
                }
                let place = listing::find_user(objects, &manifest, &user.user).await.unwrap().unwrap();
                assert_eq!((place.shard, &place.user), (shard, &user));
                found.users.insert(user.user, BTreeSet::new());
            }
            for line in listing::dropped(objects, &manifest, shard).await.unwrap() {
                *found.dropped.entry(line.reason).or_default() += 1;
                listed_dropped += 1;
                assert_eq!(case.lines[usize::try_from(line.line).unwrap() - 1], line.user);
            }
        }
        let expected = expect(&case);
        assert_eq!((&snapshot.dropped, listed_dropped), (&expected.dropped, dropped));
        assert_eq!(found.dropped, expected.dropped);
        assert_eq!(found.users.keys().collect::<Vec<_>>(), expected.users.keys().collect::<Vec<_>>());
        for (id, targets) in &expected.users {
            let user = listing::find_user(objects, &manifest, id).await.unwrap().unwrap().user;
            let wanted: BTreeSet<_> = targets.iter().map(|t| format!("{:016x}", t.hash())).collect();
            assert_eq!(
                user.devices.into_iter().map(|d| d.token_hash).collect::<BTreeSet<_>>(),
                wanted,
                "{id}"
            );
        }
        assert_eq!(world.scratch().await, [""; 0]);
    }
    assert_eq!(ids.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// uploaded = users + dropped; no device twice; the latest registration keeps it; the same id however it was built.
    #[test]
    fn it_is_what_the_plain_way_gives(case in case()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(check(case));
    }
}

#[tokio::test]
async fn the_order_of_lines_and_the_form_of_the_list_do_not_change_the_snapshot() {
    let mut ids = BTreeSet::new();
    for (format, list) in [
        (ListFormat::Plain, "a\nb\nc\n"),
        (ListFormat::Csv, "x,user_id\n1,c\n2,b\n3,\"a\"\n"),
        (ListFormat::Ndjson, "\"b\"\n{\"user_id\":\"a\"}\n\"c\"\n"),
    ] {
        let world = World::new();
        world
            .devices(vec![
                row("a", device(1, 5, "de")),
                row("b", device(1, 6, "en")),
                row("c", device(2, 0, "")),
            ])
            .await;
        let campaign = world.campaign(list.as_bytes(), format, options(3, 2)).await;
        let snapshot = world.build(&campaign, 2).await.unwrap();
        assert_eq!((snapshot.users, snapshot.dropped[&DropReason::NoDevice]), (2, 1));
        assert_eq!(snapshot.dropped_devices["other_user"], 1);
        ids.insert(snapshot.id);
    }
    assert_eq!(ids.len(), 1);
}
