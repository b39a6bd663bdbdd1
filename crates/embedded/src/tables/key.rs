//! Keys of the small tables: a letter for the table, then numbers in big-endian, so that their order is the rows' order.

use common::access::TokenId;
use common::ids::{BatchKey, CampaignId, ShardNo, WorkerId};

/// The audit trail's.
pub(super) const AUDIT: u8 = b'a';
/// Campaign records'.
pub(super) const CAMPAIGN: u8 = b'c';
/// Campaigns by the time of their creation.
pub(super) const CREATED: u8 = b'd';
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
