//! The things that rules send, store and compare.

use super::bench::{Checked, Seen, Which};
use bytes::Bytes;
use common::campaign::{Campaign, Decision, ListFormat, Options, SnapshotRef, Stamp, Upload};
use common::content::Content;
use common::device::{Device, DeviceRow, Environment, Platform, Target};
use common::envelope::{FifoKey, NewEnvelope};
use common::fleet::Expect;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, Fence, ShardNo, SnapshotId, WorkerId};
use common::ledger::{ClaimRequest, CloseRequest, CompleteRequest, DeviceResult, RenewRequest};
use common::outcome::Outcome;
use common::time::UnixMs;
use std::collections::BTreeMap;
use std::time::Duration;

/// The lease that claims ask for.
pub(super) const LEASE: Duration = Duration::from_secs(8);
/// Devices of every batch.
pub(super) const DEVICES: u16 = 4;

/// Envelope number `n`; on the FIFO queue with a group and a deduplication id of its own.
pub(super) fn envelope(which: Which, n: usize) -> NewEnvelope {
    let fifo = (which == Which::Shards).then(|| key(&format!("group {n}"), &format!("id {n}")));
    NewEnvelope { fifo, ..NewEnvelope::plain(body(n)) }
}

/// Envelopes `0..n`.
pub(super) fn envelopes(which: Which, n: usize) -> Vec<NewEnvelope> {
    (0..n).map(|i| envelope(which, i)).collect()
}

/// The body of envelope number `n`: sorts by number, and has bytes that are no text.
pub(super) fn body(n: usize) -> Bytes {
    let mut bytes = format!("{n:06}").into_bytes();
    bytes.extend(0..=u8::MAX);
    bytes.into()
}

/// The bodies of envelopes `0..n`.
pub(super) fn all_bodies(n: usize) -> Vec<Bytes> {
    (0..n).map(body).collect()
}

pub(super) fn key(group: &str, dedup: &str) -> FifoKey {
    // Group and id must be letters, digits and punctuation (SQS).
    FifoKey { group: group.replace(' ', "-"), dedup: dedup.replace(' ', "-") }
}

/// Envelope number `n` in a group.
pub(super) fn grouped(group: &str, n: usize) -> NewEnvelope {
    NewEnvelope { fifo: Some(key(group, &format!("{group} {n}"))), ..NewEnvelope::plain(body(n)) }
}

pub(super) fn stamp(by: &str, at: UnixMs) -> Stamp {
    Stamp::new(by, at)
}

/// A campaign in draft.
pub(super) fn draft(name: &str, at: UnixMs) -> Campaign {
    Campaign::new(name, Content::english("Now", "It begins"), Options::default(), stamp("marta", at))
}

fn changed(decision: Decision) -> Checked<Campaign> {
    match decision {
        Decision::Change(next) => Ok(*next),
        other => Err(Seen::Wrong(format!("the suite's own campaign could not be made: {other:?}"))),
    }
}

/// The life of a campaign up to the press: one record after each step.
pub(super) fn life(at: UnixMs) -> Checked<Vec<Campaign>> {
    let upload = Upload { object: "up".into(), format: ListFormat::Csv, bytes: 7, stamp: stamp("egon", at) };
    let snapshot = SnapshotRef {
        id: SnapshotId([7; 32]),
        uploaded: 9,
        users: 8,
        devices: BTreeMap::from([("apns".to_owned(), 8)]),
        batches: 50,
        dropped: BTreeMap::from([(common::campaign::DropReason::Duplicate, 1)]),
        dropped_devices: BTreeMap::new(),
        built_at: at,
        build_ms: 12,
    };
    let draft = draft("Grand final: \u{1f989} & <b>", at);
    let building = changed(draft.upload(upload))?;
    let ready = changed(building.build_done(snapshot))?;
    let armed = changed(ready.arm(stamp("sven", at), Expect::default(), BTreeMap::new()))?;
    let sending = changed(armed.press(stamp("marta", at)))?;
    Ok(vec![draft, building, ready, armed, sending])
}

pub(super) fn batch(shard: u16, number: u32) -> BatchKey {
    BatchKey { shard: ShardNo(shard), number: BatchNo(number) }
}

/// Devices of both gateways, unsent.
pub(super) fn blank() -> Vec<u8> {
    let platform = |i| if i % 2 == 0 { Platform::Apns } else { Platform::Fcm };
    (0..DEVICES).map(|i| Outcome::Unsent.to_byte(platform(i))).collect()
}

pub(super) fn claim(key: BatchKey, epoch: u32, holder: u64, now: UnixMs) -> ClaimRequest {
    ClaimRequest {
        key,
        epoch: Epoch(epoch),
        holder: WorkerId(holder),
        lease: LEASE,
        blank: blank(),
        only: Vec::new(),
        resend_ambiguous: false,
        now,
    }
}

pub(super) fn result(index: u16, outcome: Outcome, at: UnixMs) -> DeviceResult {
    DeviceResult { index, outcome, at, dead_since: None }
}

/// The same outcome for these devices.
pub(super) fn complete(
    key: BatchKey,
    fence: Fence,
    devices: &[u16],
    outcome: Outcome,
    now: UnixMs,
) -> CompleteRequest {
    let results = devices.iter().map(|i| result(*i, outcome, now)).collect();
    CompleteRequest { key, fence, results, sent_at: Some(now), now }
}

pub(super) fn renew(key: BatchKey, fence: Fence, now: UnixMs) -> RenewRequest {
    RenewRequest { key, fence, lease: LEASE, now }
}

pub(super) fn close(key: BatchKey, now: UnixMs) -> CloseRequest {
    CloseRequest { key, blank: blank(), now }
}

pub(super) fn campaign() -> CampaignId {
    CampaignId::random()
}

/// A target that differs by number.
pub(super) fn target(n: usize) -> Target {
    if n.is_multiple_of(2) {
        Target::Apns(blob(n).into())
    } else {
        Target::FcmToken(format!("registration-token:{n:08}").into())
    }
}

fn blob(n: usize) -> Vec<u8> {
    let mut bytes = vec![0xab; 24];
    bytes.extend_from_slice(&u64::try_from(n).unwrap_or(0).to_be_bytes());
    bytes
}

/// A row that adds device `n` to a user.
pub(super) fn row(user: &str, n: usize, registered_at: i64) -> DeviceRow {
    let device = Device {
        target: target(n),
        locale: "pt-BR".into(),
        timezone: "America/Sao_Paulo".into(),
        registered_at: UnixMs(registered_at),
        app: "com.example.app".into(),
        environment: if n.is_multiple_of(3) { Environment::Sandbox } else { Environment::Production },
    };
    DeviceRow { user_id: user.into(), opted_out: None, device }
}
