//! A shard's object and a manifest: damage is an error, never a panic, and a good shard gives back what was put into it.

use crate::script::Script;
use bytes::Bytes;
use common::device::Target;
use common::envelope::{BatchBody, UserWriter};
use common::ids::{BatchNo, ShardNo, SnapshotId};
use common::snapshot::{Manifest, Shard, ShardWriter, user_hash};
use std::collections::BTreeSet;

/// See `docs/fuzzing.md`.
pub fn snapshot(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    match script.byte() % 3 {
        0 => walk(&Bytes::copy_from_slice(script.rest())),
        1 => damaged(script),
        _ => manifest(script.rest()),
    }
}

/// Everything that anybody asks a shard.
fn walk(bytes: &Bytes) {
    let Ok(shard) = Shard::open_unchecked(bytes) else { return };
    assert_eq!(shard.bytes(), bytes.len());
    for number in (0..shard.batches()).map(BatchNo) {
        let body = shard.batch(number).expect("each batch is there");
        assert_eq!(shard.blank(number).len(), BatchBody::new(&body).devices().count());
        shard.batch_counts(number).expect("each batch is counted");
        for user in BatchBody::new(&body).users() {
            // Where users do not stand in order it may miss one, and must still come to an end.
            let _ = shard.find(user.id);
        }
    }
    assert!(shard.batch(BatchNo(shard.batches())).is_none());
}

/// A good shard, and the same with a few bytes changed.
fn damaged(mut script: Script<'_>) {
    let batch_users = u16::from(script.byte() % 8) + 1;
    let users: BTreeSet<(u64, String)> = (0..script.byte() % 64)
        .map(|_| {
            let id: String = script.some().iter().take(20).map(|b| char::from(b'a' + b % 26)).collect();
            (user_hash(&id), id)
        })
        .filter(|(_, id)| !id.is_empty())
        .collect();
    let mut writer = ShardWriter::new(ShardNo(3), batch_users);
    for (hash, id) in &users {
        let mut user = UserWriter::new(id);
        user.device(Target::Apns(hash.to_le_bytes()[..].into()).as_ref(), 0);
        writer.push(user);
    }
    let bytes = writer.finish();
    let sum = |bytes: &Bytes| SnapshotId(*blake3::hash(bytes).as_bytes());
    let shard = Shard::open(ShardNo(3), &bytes, sum(&bytes)).expect("what was written can be read");
    let found: Vec<_> = (0..shard.batches())
        .map(|n| shard.batch(BatchNo(n)).expect("each batch is there"))
        .flat_map(|body| BatchBody::new(&body).users().map(|u| u.id.to_owned()).collect::<Vec<_>>())
        .collect();
    assert!(users.iter().map(|(_, id)| id).eq(found.iter()), "every user once, in order");
    assert!(users.iter().all(|(_, id)| shard.find(id).is_some()), "every user is found");
    let mut broken = bytes.to_vec();
    for _ in 0..=script.byte() % 4 {
        let place = usize::from(script.byte()) * 256 + usize::from(script.byte());
        let length = broken.len();
        broken[place % length] ^= script.byte();
    }
    let broken = Bytes::from(broken);
    assert_eq!(Shard::open(ShardNo(3), &broken, sum(&bytes)).is_ok(), broken == bytes, "damage is seen");
    walk(&broken);
}

fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let _ = (manifest.id(), manifest.users(), manifest.device_count(), manifest.batches());
        let written = serde_json::to_vec(&manifest).expect("JSON");
        let again: Manifest = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, manifest);
    }
}
