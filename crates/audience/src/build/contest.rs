//! Stage 3: a device that stands more than once goes to its latest registration; of equal ones to the user that comes
//! first in the snapshot's order, which is fixed by the ids alone.
//!
//! Devices are told apart by a 128-bit hash of their target: among 60 million, two that share one by chance are as good
//! as impossible (10^-23). The claims are gone through bucket by bucket of the hash, so that only some are in memory.
//! There is no checkpoint: it takes a second for 4 million users, and its result follows from stage 2.

use super::resolve::{Rank, Work, name};
use super::scratch::Head;
use super::{BuildError, Ctx, beside};
use common::device::{Target, TargetRef};
use common::time::UnixMs;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Length of a claim in a scratch object.
pub(super) const CLAIM_BYTES: usize = 29;
/// Parts of the hash's range; each is looked at as a whole.
pub(super) const BUCKETS: usize = 64;
/// Claims in memory at a time, unless one bucket has more: 96 MiB with what sorting needs.
const PASS_CLAIMS: u64 = 1 << 20;
const STAGE: &str = "settling devices of two users";

/// One device of one user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    hash: [u64; 2],
    at: i64,
    user: u32,
    shard: u16,
    device: u8,
}

/// A device that a user does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Loser {
    /// The user's place in the shard's records.
    pub(super) user: u32,
    /// The device's place in the user's record.
    pub(super) device: u8,
    /// The user has the same device once more, and keeps that.
    pub(super) same_user: bool,
}

impl Claim {
    pub(super) fn new(target: &Target, at: UnixMs, user: u32, device: u8) -> Self {
        let hash = match target.as_ref() {
            TargetRef::Apns(bytes) => xxh3_128_with_seed(bytes, 0),
            TargetRef::FcmToken(text) => xxh3_128_with_seed(text.as_bytes(), 1),
            TargetRef::FcmFid(text) => xxh3_128_with_seed(text.as_bytes(), 2),
        };
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let hash = [(hash >> 64) as u64, hash as u64];
        Self { hash, at: at.0, user, shard: 0, device }
    }

    pub(super) fn rank(&self) -> Rank {
        let hash = u128::from(self.hash[0]) << 64 | u128::from(self.hash[1]);
        (hash, Reverse(self.at), self.shard, self.user, self.device)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for n in self.hash {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.user.to_le_bytes());
        out.push(self.device);
    }

    fn read(bytes: &[u8], shard: u16) -> Option<Self> {
        let (hi, rest) = bytes.split_first_chunk()?;
        let (lo, rest) = rest.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (user, rest) = rest.split_first_chunk()?;
        Some(Self {
            hash: [u64::from_le_bytes(*hi), u64::from_le_bytes(*lo)],
            at: i64::from_le_bytes(*at),
            user: u32::from_le_bytes(*user),
            shard,
            device: *rest.first()?,
        })
    }
}

/// Which part of the hash's range a claim lies in.
pub(super) fn bucket_of(claim: &Claim) -> usize {
    usize::try_from(claim.hash[0] >> (64 - BUCKETS.trailing_zeros())).unwrap_or(0)
}

/// The devices to leave out, for each shard, in order.
pub(super) async fn contest(ctx: &Arc<Ctx>, works: &[Head<Work>]) -> Result<Vec<Vec<Loser>>, BuildError> {
    let total = works.iter().map(|w| w.head.devices()).sum();
    let mut losers = vec![vec![]; works.len()];
    let mut done = 0;
    for buckets in passes(works) {
        ctx.keeper.tick(STAGE, done, total).await?;
        let mut claims = vec![];
        for (shard, work) in (0u16..).zip(works) {
            let at = work.head.claims_at(buckets.clone());
            let bytes = ctx.scratch.body(&name(shard), work, at).await?;
            claims.extend(bytes.chunks_exact(CLAIM_BYTES).filter_map(|c| Claim::read(c, shard)));
        }
        done += claims.len() as u64;
        for (shard, loser) in beside(move || Ok(settle(claims))).await? {
            losers[usize::from(shard)].push(loser);
        }
    }
    losers.iter_mut().for_each(|l| l.sort_unstable());
    Ok(losers)
}

/// Runs of buckets with about [`PASS_CLAIMS`] claims each.
fn passes(works: &[Head<Work>]) -> Vec<Range<usize>> {
    let claims = |buckets: Range<usize>| {
        let bytes = |w: &Head<Work>| w.head.claims_at(buckets.clone());
        works.iter().map(bytes).map(|at| (at.end - at.start) / CLAIM_BYTES as u64).sum::<u64>()
    };
    let (mut passes, mut start) = (vec![], 0);
    for end in 1..=BUCKETS {
        if end == BUCKETS || claims(start..end + 1) > PASS_CLAIMS {
            passes.push(start..end);
            start = end;
        }
    }
    passes
}

fn settle(mut claims: Vec<Claim>) -> Vec<(u16, Loser)> {
    // Each shard's claims are in order already, and a stable sort makes use of that.
    claims.sort_by_key(Claim::rank);
    let groups = claims.chunk_by(|a, b| a.hash == b.hash).filter(|group| group.len() > 1);
    groups
        .flat_map(|group| {
            let keeper = group[0];
            group[1..].iter().map(move |c| {
                let same_user = (c.shard, c.user) == (keeper.shard, keeper.user);
                (c.shard, Loser { user: c.user, device: c.device, same_user })
            })
        })
        .collect()
}
