//! Keys of the small tables: a letter for the table, then numbers in big-endian, so that their order is the rows' order.

use common::access::TokenId;
use common::ids::{BatchKey, CampaignId, ShardNo, WorkerId};
use common::time::UnixMs;
use common::webhook::{Delivery, HookId};
use std::ops::RangeInclusive;

/// The audit trail's.
pub(super) const AUDIT: u8 = b'a';
/// Campaign records'.
pub(super) const CAMPAIGN: u8 = b'c';
/// Campaigns by the time of their creation.
pub(super) const CREATED: u8 = b'd';
/// Webhooks'.
pub(super) const HOOK: u8 = b'h';
/// Deliveries to webhooks'.
pub(super) const DELIVERY: u8 = b'm';
/// Counter rows'.
pub(super) const COUNTER: u8 = b'n';
/// Shard records'.
pub(super) const SHARD: u8 = b's';
/// The fleet's slot.
pub(super) const SLOT: &[u8] = b"l";
/// Access tokens'.
pub(super) const TOKEN: u8 = b't';
/// Heartbeats'.
pub(super) const WORKER: u8 = b'w';

/// Of a signed number: as unsigned, in the same order.
pub(super) fn signed(n: i64) -> [u8; 8] {
    (n ^ i64::MIN).to_be_bytes()
}

/// The number that [`signed`] made this of.
pub(super) fn unsigned(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

/// A table's letter, and parts.
pub(super) fn of(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// A campaign's record.
pub(super) fn campaign(id: CampaignId) -> Vec<u8> {
    of(CAMPAIGN, &[id.0.as_bytes()])
}

/// A shard's record.
pub(super) fn shard(campaign: CampaignId, shard: ShardNo) -> Vec<u8> {
    of(SHARD, &[campaign.0.as_bytes(), &shard.0.to_be_bytes()])
}

/// A worker's heartbeat.
pub(super) fn worker(worker: WorkerId) -> Vec<u8> {
    of(WORKER, &[&worker.0.to_be_bytes()])
}

/// An access token's record.
pub(super) fn token(id: TokenId) -> Vec<u8> {
    of(TOKEN, &[&id.0.to_be_bytes()])
}

/// A webhook's record.
pub(super) fn hook(id: HookId) -> Vec<u8> {
    of(HOOK, &[&id.0.to_be_bytes()])
}

/// A delivery: by webhook, then by time.
pub(super) fn delivery(d: &Delivery) -> Vec<u8> {
    delivery_of(d.hook, d.at, d.message.0)
}

fn delivery_of(hook: HookId, at: UnixMs, message: u128) -> Vec<u8> {
    of(DELIVERY, &[&hook.0.to_be_bytes(), &signed(at.0), &message.to_be_bytes()])
}

/// A webhook's deliveries from this time on.
pub(super) fn deliveries(hook: HookId, from: UnixMs) -> RangeInclusive<Vec<u8>> {
    delivery_of(hook, from, 0)..=delivery_of(hook, UnixMs(i64::MAX), u128::MAX)
}

/// The time in a delivery's key.
pub(super) fn delivery_at(key: &[u8]) -> Option<UnixMs> {
    key.get(9..).and_then(<[u8]>::first_chunk).map(|at| UnixMs(unsigned(*at)))
}

/// A worker's counts of one second.
pub(super) fn counter(campaign: CampaignId, second: i64, worker: WorkerId) -> Vec<u8> {
    of(COUNTER, &[campaign.0.as_bytes(), &signed(second), &worker.0.to_be_bytes()])
}

/// A batch in the ledger's own keyspace.
pub(super) fn batch(campaign: CampaignId, key: BatchKey) -> [u8; 22] {
    let mut out = [0; 22];
    out[..16].copy_from_slice(campaign.0.as_bytes());
    out[16..18].copy_from_slice(&key.shard.0.to_be_bytes());
    out[18..].copy_from_slice(&key.number.0.to_be_bytes());
    out
}
