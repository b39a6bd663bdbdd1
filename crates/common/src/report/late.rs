//! Who was late: how many by reason, and the latest by name of their place.

use crate::ids::BatchKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// So many late devices are named.
pub const LATE_NAMED: usize = 100;

/// Who was later than 5 s, and why.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Late {
    /// Devices.
    pub devices: u64,
    /// Because their batch was claimed late: it waited on a queue.
    pub waited_on_queue: u64,
    /// Because their batch was claimed again after a lapsed claim or a retry.
    pub tried_again: u64,
    /// Because the gateway (or our connection to it) took that long.
    pub slow_gateway: u64,
    /// The latest hundred, latest first, each with its batch and time.
    pub examples: Vec<LateDevice>,
}

/// One late device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateDevice {
    /// Its batch.
    pub batch: BatchKey,
    /// Its place in it.
    pub place: u16,
    /// Milliseconds from the press.
    pub ms: i64,
    /// The reason, in words.
    pub why: String,
}

/// The latest devices so far, in whatever order they come. Bounded: a campaign in which everybody is late costs no more.
#[derive(Debug, Default)]
pub(super) struct Latest(BinaryHeap<Reverse<One>>);

/// Ordered by time; at the same time, the one that stands first in the snapshot is the later one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct One {
    ms: i64,
    batch: Reverse<BatchKey>,
    place: Reverse<u16>,
    why: &'static str,
}

impl Latest {
    pub(super) fn add(&mut self, ms: i64, batch: BatchKey, place: u16, why: &'static str) {
        let one = One { ms, batch: Reverse(batch), place: Reverse(place), why };
        if self.0.len() < LATE_NAMED {
            self.0.push(Reverse(one));
        } else if let Some(mut next_to_go) = self.0.peek_mut()
            && one > next_to_go.0
        {
            *next_to_go = Reverse(one);
        }
    }

    /// The latest first.
    pub(super) fn named(self) -> Vec<LateDevice> {
        let name = |Reverse(one): Reverse<One>| LateDevice {
            batch: one.batch.0,
            place: one.place.0,
            ms: one.ms,
            why: one.why.to_owned(),
        };
        self.0.into_sorted_vec().into_iter().map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{BatchNo, ShardNo};
    use proptest::prelude::*;

    fn named(devices: &[(i64, u16, u32, u16)]) -> Vec<(i64, u16, u32, u16)> {
        let mut latest = Latest::default();
        for (ms, shard, batch, place) in devices {
            let key = BatchKey { shard: ShardNo(*shard), number: BatchNo(*batch) };
            latest.add(*ms, key, *place, "it was tried again");
        }
        latest.named().iter().map(|d| (d.ms, d.batch.shard.0, d.batch.number.0, d.place)).collect()
    }

    proptest! {
        /// Whatever the order in which shards and batches are read: the same hundred, and nobody later is left out.
        #[test]
        fn the_latest_are_named_whatever_the_order(
            devices in proptest::collection::btree_set((5_001..5_200_i64, 0..8_u16, 0..9_u32, 0..6_u16), 0..400),
            shuffled in Just(()).prop_perturb(|(), rng| rng),
        ) {
            let mut devices: Vec<_> = devices.into_iter().collect();
            let mut wanted = devices.clone();
            wanted.sort_by_key(|(ms, shard, batch, place)| (Reverse(*ms), *shard, *batch, *place));
            wanted.truncate(LATE_NAMED);
            prop_assert_eq!(named(&devices), &*wanted);
            let mut dice = shuffled;
            for i in (1..devices.len()).rev() {
                devices.swap(i, dice.random_range(0..=i));
            }
            prop_assert_eq!(named(&devices), &*wanted);
        }
    }
}
