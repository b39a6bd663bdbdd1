use super::*;
use crate::device::{Platform, Target};
use crate::envelope::{BatchBody, BatchEnvelope, Devices, Head, UserWriter};
use crate::ids::{BatchKey, BatchNo, ContentId, Epoch};
use crate::limits::BATCH_BODY_BYTES_MAX;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// An audience of `n` users with 1 to 3 devices each, tokens made from the number.
fn audience(n: u32) -> Vec<(String, Vec<Target>)> {
    let user = |i: u32| {
        let token = |d: u32| {
            let hash = blake3::hash(&[i.to_le_bytes(), d.to_le_bytes()].concat());
            if (i + d).is_multiple_of(2) {
                Target::Apns(hash.as_bytes()[..].into())
            } else {
                Target::FcmToken(hash.to_hex().as_str().into())
            }
        };
        (format!("user{i}"), (0..=i % 3).map(token).collect())
    };
    (0..n).map(user).collect()
}

fn build(users: &[(String, Vec<Target>)], shards: u16, batch_users: u16) -> Vec<Shard> {
    let mut writers: Vec<_> = (0..shards).map(|s| ShardWriter::new(ShardNo(s), batch_users)).collect();
    let mut sorted: Vec<_> = users.iter().collect();
    sorted.sort_by_key(|(id, _)| user_hash(id));
    for (id, devices) in sorted {
        let mut user = UserWriter::new(id);
        devices.iter().for_each(|d| user.device(d.as_ref(), 0));
        writers[usize::from(shard_of(id, shards).0)].push(user);
    }
    let open = |(s, w): (usize, ShardWriter)| {
        let bytes = w.finish();
        let sum = SnapshotId(*blake3::hash(&bytes).as_bytes());
        Shard::open(ShardNo(s as u16), &bytes, sum).unwrap()
    };
    writers.into_iter().enumerate().map(open).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Invariant 1: the union of the batches is the snapshot, no device is in two, and limits are kept.
    #[test]
    fn batches_are_exactly_the_snapshot(n in 0u32..1500, shards in 1u16..=1000, batch_users in 1u16..=1000) {
        let users = audience(n);
        let mut seen = BTreeSet::new();
        for shard in build(&users, shards, batch_users) {
            for number in (0..shard.batches()).map(BatchNo) {
                let body = shard.batch(number).unwrap();
                let (in_batch, devices) = shard.batch_counts(number).unwrap();
                prop_assert!(in_batch <= batch_users && in_batch > 0 && body.len() <= BATCH_BODY_BYTES_MAX);
                let found = Devices::find(body.clone(), 0).unwrap();
                prop_assert_eq!(found.len(), usize::from(devices));
                prop_assert_eq!(BatchBody::new(&body).users().count(), usize::from(in_batch));
                prop_assert!(found.views().eq(BatchBody::new(&body).devices()), "both walks see the same devices");
                let whose = |p| found.platforms().filter(|q| *q == p).count();
                prop_assert!(Platform::ALL.into_iter().all(|p| found.count(p) == whose(p)));
                let whose = found.views().map(|d| d.target.platform());
                prop_assert!(found.platforms().eq(whose));
                for device in BatchBody::new(&body).devices() {
                    prop_assert!(seen.insert(device.target.to_owned()), "in two batches");
                }
            }
        }
        let all: BTreeSet<_> = users.iter().flat_map(|(_, d)| d.iter().cloned()).collect();
        prop_assert_eq!(seen, all);
    }

    /// Every user is found where it stands, and nobody else is.
    #[test]
    fn every_user_is_found(n in 1u32..400, shards in 1u16..20, batch_users in 1u16..50) {
        let users = audience(n);
        let built = build(&users, shards, batch_users);
        for (id, devices) in &users {
            let shard = &built[usize::from(shard_of(id, shards).0)];
            let place = shard.find(id).expect("found");
            prop_assert_eq!(usize::from(place.devices), devices.len());
            let body = shard.batch(place.number).unwrap();
            let at = BatchBody::new(&body).devices().nth(usize::from(place.first)).unwrap().target;
            prop_assert_eq!(&at.to_owned(), &devices[0]);
        }
        for shard in &built {
            prop_assert_eq!(shard.find("nobody"), None);
        }
    }

    /// Reading never panics, whatever the bytes.
    #[test]
    fn rubbish_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), flip in 0usize..2000, to in any::<u8>()) {
        let _ = Shard::open_unchecked(&bytes.clone().into());
        let _ = BatchEnvelope::decode(&bytes.into());
        let good = build(&audience(20), 1, 7).remove(0);
        let mut bytes = good.bytes.to_vec();
        let at = flip % bytes.len();
        bytes[at] = to;
        if let Ok(shard) = Shard::open_unchecked(&bytes.into()) {
            for n in 0..shard.batches() {
                let body = shard.batch(BatchNo(n)).unwrap();
                let _ = Devices::find(body, 7);
                let _ = shard.find("user3");
            }
        }
    }
}

#[test]
fn a_batch_is_cut_by_bytes_too() {
    let big = Target::FcmToken("x".repeat(1000).into());
    let users: Vec<_> = (0..300).map(|i| (format!("u{i}"), vec![big.clone()])).collect();
    let shard = build(&users, 1, 1000).remove(0);
    assert!(shard.batches() >= 4);
    assert!((0..shard.batches()).all(|n| shard.batch(BatchNo(n)).unwrap().len() <= BATCH_BODY_BYTES_MAX));
}

#[test]
fn envelopes_survive_their_bytes_and_a_retry_names_only_what_is_left() {
    let shard = build(&audience(50), 1, 10).remove(0);
    let head = Head {
        campaign: CampaignId::random(),
        epoch: Epoch(2),
        snapshot: SnapshotId([3; 32]),
        content: ContentId([4; 32]),
        shards: 1,
        batch_users: 10,
        pressed_at: UnixMs(5),
        deadline_at: UnixMs(6),
    };
    let key = BatchKey { shard: ShardNo(0), number: BatchNo(1) };
    let (_, devices) = shard.batch_counts(key.number).unwrap();
    let whole = BatchEnvelope {
        head,
        key,
        attempt: 0,
        only: vec![],
        devices,
        body: shard.batch(key.number).unwrap(),
    };
    assert_eq!(BatchEnvelope::decode(&whole.encode()).as_ref(), Ok(&whole));
    let retry = whole.retry(|place| place % 3 == 0).unwrap();
    assert_eq!(whole.retry(|_| false), None);
    let back = BatchEnvelope::decode(&retry.encode()).unwrap();
    assert_eq!(back, retry);
    let target = |e: &BatchEnvelope, p: u16| {
        let devices = BatchEnvelope::decode_with_devices(&e.encode()).unwrap().1;
        let at = (0..devices.len()).position(|i| e.place(i) == p)?;
        devices.views().nth(at).map(|d| d.target.to_owned())
    };
    for place in (0..devices).step_by(3) {
        assert_eq!(target(&back, place), target(&whole, place));
    }
    let again = back.retry(|place| place == 3).unwrap();
    assert_eq!((again.only.clone(), again.attempt), (vec![3], 2));
    assert_eq!(target(&again, 3), target(&whole, 3));
}

#[test]
fn damage_is_told_by_the_checksum() {
    let good = build(&audience(5), 1, 7).remove(0);
    let error = Shard::open(ShardNo(0), &good.bytes.slice(1..), SnapshotId([0; 32])).unwrap_err();
    assert!(matches!(error, BadShard::Checksum { .. }), "{error}");
}
