//! Who was late: how many by reason, and the latest by name of their place.

use crate::ids::BatchKey;
use crate::ledger::BatchRecord;
use crate::limits::CLAIM_LEASE;
use crate::outcome::Outcome;
use crate::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// So many late devices are named.
pub const LATE_NAMED: usize = 100;

/// Who was later than 5 s, and why: each device has one reason. What came in its batch's first turn is late for what took the
/// longest part of its way; what came in a later turn, for that.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Late {
    /// Devices.
    pub devices: u64,
    /// Because their batch was claimed late: it waited on a queue, or was put off as a whole by a gateway's quota.
    pub waited_on_queue: u64,
    /// Because they came in a later turn of their batch: they were tried again (after an answer, a stop or a lapsed claim), or
    /// a gateway's quota put them off.
    pub tried_again: u64,
    /// Because the gateway took that long. Where the worker did not say when it sent, our connection to it as well.
    pub slow_gateway: u64,
    /// The latest hundred, latest first, each with its batch and time.
    pub examples: Vec<LateDevice>,
    /// Because we sent late: requests of their batch waited for a stream, or for our CPU.
    #[serde(default)]
    pub left_late: u64,
}

impl Late {
    /// One more, for this reason.
    pub(super) fn count(&mut self, reason: Reason) {
        self.devices += 1;
        *match reason {
            Reason::WaitedOnQueue => &mut self.waited_on_queue,
            Reason::LeftLate => &mut self.left_late,
            Reason::SlowGateway => &mut self.slow_gateway,
            Reason::LaterTurn => &mut self.tried_again,
        } += 1;
    }
}

/// Why a device was late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    WaitedOnQueue,
    LeftLate,
    SlowGateway,
    LaterTurn,
}

impl Reason {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::WaitedOnQueue => "its batch waited on a queue, or for a quota",
            Self::LeftLate => "we sent late: it waited for a stream, or for our CPU",
            Self::SlowGateway => "the gateway's answer took that long",
            Self::LaterTurn => "it came in a later turn: it was tried again, or a quota put it off",
        }
    }
}

/// What a batch's record shows of the way that its devices took.
#[derive(Debug)]
pub(super) struct Way {
    pressed_at: UnixMs,
    claimed_at: UnixMs,
    /// When the last request of its first turn left, if anybody said.
    sent_at: Option<UnixMs>,
    /// What was answered before this was answered in the first turn; `None`: all was.
    first_turn_until: Option<UnixMs>,
}

impl Way {
    pub(super) fn of(record: &BatchRecord, pressed_at: UnixMs) -> Self {
        let sent_at = Some(record.sent_at).filter(|at| at.0 > 0);
        let first_turn_until = first_turn_until(record, sent_at);
        Self { pressed_at, claimed_at: record.created_at, sent_at, first_turn_until }
    }

    /// Why a device came so late that was accepted then.
    pub(super) fn reason(&self, accepted_at: UnixMs) -> Reason {
        if self.first_turn_until.is_some_and(|until| accepted_at >= until) {
            return Reason::LaterTurn;
        }
        // Clocks differ, and an answer may come before the last request of its batch left.
        let claimed_at = self.claimed_at.max(self.pressed_at).min(accepted_at);
        let sent_at = self.sent_at.unwrap_or(claimed_at).max(claimed_at).min(accepted_at);
        let parts = [
            (claimed_at.since(self.pressed_at), Reason::WaitedOnQueue),
            (sent_at.since(claimed_at), Reason::LeftLate),
            (accepted_at.since(sent_at), Reason::SlowGateway),
        ];
        parts.into_iter().max_by_key(|(took, _)| *took).map_or(Reason::SlowGateway, |(_, reason)| reason)
    }
}

/// Until when an answer belongs to the batch's first turn; `None` when it had no other. The record knows how many turns there
/// were and about when the newest began, but not when the first one ended: of three turns or more, what was answered after
/// the first one's last request counts as a later turn's.
fn first_turn_until(record: &BatchRecord, sent_at: Option<UnixMs>) -> Option<UnixMs> {
    // Whoever closes a batch at the deadline raises the fence too, and nobody else calls a device expired.
    let is_closed = || record.outcomes().any(|(outcome, _)| outcome == Outcome::Expired);
    let turns = match record.fence.0 {
        0 | 1 => return None,
        fence => fence - u32::from(is_closed()),
    };
    // A lease counts from its claim; one that was renewed, from a moment within the turn: of two long turns, the second one's
    // first answers are then taken for the first one's.
    let newest_began = record.lease_until.minus(CLAIM_LEASE);
    match turns {
        0 | 1 => None,
        2 => Some(newest_began),
        _ => Some(sent_at.unwrap_or_default().min(newest_began)),
    }
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
    use crate::device::Platform;
    use crate::ids::{BatchNo, Epoch, ShardNo, WorkerId};
    use crate::ledger::{
        ClaimAnswer, ClaimRequest, CloseRequest, CompleteRequest, DeviceResult, claim, close, complete,
    };
    use crate::report::BooksBuilder;
    use proptest::prelude::*;

    const KEY: BatchKey = BatchKey { shard: ShardNo(3), number: BatchNo(7) };

    /// So many milliseconds after the press.
    fn at(ms: i64) -> UnixMs {
        UnixMs(1_000_000 + ms)
    }

    fn blank() -> Vec<u8> {
        vec![Outcome::Unsent.to_byte(Platform::Fcm); 3]
    }

    /// A batch of three devices, on its way through the ledger.
    #[derive(Default)]
    struct Batch(Option<BatchRecord>);

    impl Batch {
        /// Somebody claims it, and vanishes.
        fn claimed(mut self, ms: i64) -> Self {
            let ask = ClaimRequest {
                key: KEY,
                epoch: Epoch(1),
                holder: WorkerId(1),
                lease: CLAIM_LEASE,
                blank: blank(),
                only: Vec::new(),
                resend_ambiguous: false,
                now: at(ms),
            };
            let (answer, next) = claim(self.0.as_ref(), &ask);
            assert!(matches!(answer, ClaimAnswer::Granted { .. }), "{answer:?}");
            self.0 = next;
            self
        }

        /// A whole turn: claimed, the last request sent, these devices accepted at these times, and reported.
        fn turn(self, claimed: i64, sent: Option<i64>, accepted: &[(u16, i64)]) -> Self {
            let Self(Some(record)) = self.claimed(claimed) else { unreachable!("a granted claim is stored") };
            let result = |&(index, ms): &(u16, i64)| DeviceResult {
                index,
                outcome: Outcome::Accepted,
                at: at(ms),
                dead_since: None,
            };
            let end = accepted.iter().map(|(_, ms)| *ms).max().unwrap_or(claimed);
            let done = CompleteRequest {
                key: KEY,
                fence: record.fence,
                results: accepted.iter().map(result).collect(),
                sent_at: sent.map(at),
                now: at(end + 5),
            };
            Self(complete(Some(&record), &done).1)
        }

        fn closed(self, ms: i64) -> Self {
            Self(close(self.0.as_ref(), &CloseRequest { key: KEY, blank: blank(), now: at(ms) }).1)
        }

        /// Who was late, and why: waited on a queue, left late, slow gateway, later turn.
        fn late(self) -> [u64; 4] {
            let mut builder = BooksBuilder::new(at(0), false);
            builder.batch(KEY, self.0.as_ref(), blank, at(1_000_000));
            let late = builder.finish().late;
            let by_reason = [late.waited_on_queue, late.left_late, late.slow_gateway, late.tried_again];
            assert_eq!(by_reason.iter().sum::<u64>(), late.devices);
            assert_eq!(late.examples.len() as u64, late.devices);
            by_reason
        }
    }

    #[test]
    fn the_longest_part_of_the_way_is_the_reason() {
        let on_time = || Batch::default().turn(100, Some(200), &[(0, 300), (1, 5_000)]);
        assert_eq!(on_time().late(), [0, 0, 0, 0]);
        let waited = Batch::default().turn(6_000, Some(6_050), &[(0, 6_100), (1, 6_200), (2, 6_300)]);
        assert_eq!(waited.late(), [3, 0, 0, 0]);
        // The first of them was answered before the last request left.
        let left_late = Batch::default().turn(100, Some(5_500), &[(0, 5_400), (1, 5_600)]);
        assert_eq!(left_late.late(), [0, 2, 0, 0]);
        let slow_gateway = Batch::default().turn(100, Some(200), &[(0, 300), (1, 5_400)]);
        assert_eq!(slow_gateway.late(), [0, 0, 1, 0]);
        // It waited for 3 s, and then for 17 s for its answer.
        let both = Batch::default().turn(3_000, Some(3_010), &[(0, 20_000)]);
        assert_eq!(both.late(), [0, 0, 1, 0]);
    }

    #[test]
    fn where_nobody_said_when_it_was_sent_the_gateway_is_taken_for_it() {
        assert_eq!(Batch::default().turn(100, None, &[(0, 5_600)]).late(), [0, 0, 1, 0]);
        assert_eq!(Batch::default().turn(5_000, None, &[(0, 5_600)]).late(), [1, 0, 0, 0]);
    }

    #[test]
    fn only_what_came_in_a_later_turn_was_tried_again_or_paced() {
        // The gateway was slow for one; another was put off, and came at once in its own turn.
        let both =
            Batch::default().turn(100, Some(200), &[(0, 5_400)]).turn(6_000, Some(6_010), &[(1, 6_050)]);
        assert_eq!(both.late(), [0, 0, 1, 1]);
        // Nobody of the first turn is late.
        let paced = Batch::default().turn(100, Some(200), &[(0, 300)]).turn(
            9_000,
            Some(9_010),
            &[(1, 9_050), (2, 9_060)],
        );
        assert_eq!(paced.late(), [0, 0, 0, 2]);
    }

    #[test]
    fn what_somebody_vanished_with_came_in_a_later_turn_though_no_other_was_reported() {
        let lapsed = Batch::default().claimed(100).turn(10_000, Some(10_100), &[(0, 10_050), (1, 10_200)]);
        assert_eq!(lapsed.late(), [0, 0, 0, 2]);
    }

    #[test]
    fn of_three_turns_the_first_ones_last_request_is_the_mark() {
        let three = Batch::default()
            .turn(100, Some(5_200), &[(0, 5_150)])
            .turn(6_000, Some(6_010), &[(1, 6_100)])
            .turn(7_000, Some(7_010), &[(2, 7_100)]);
        assert_eq!(three.late(), [0, 1, 0, 2]);
    }

    #[test]
    fn who_closes_a_batch_makes_no_turn_of_it() {
        let closed = Batch::default().turn(100, Some(200), &[(0, 5_400)]).closed(600_000);
        assert_eq!(closed.late(), [0, 0, 1, 0]);
        let twice = Batch::default()
            .turn(100, Some(200), &[(0, 5_400)])
            .turn(6_000, Some(6_010), &[(1, 6_100)])
            .closed(600_000);
        assert_eq!(twice.late(), [0, 0, 1, 1]);
    }

    #[test]
    fn books_of_an_older_version_have_nobody_who_left_late() {
        let old =
            r#"{"devices": 3, "waited_on_queue": 1, "tried_again": 1, "slow_gateway": 1, "examples": []}"#;
        let late: Late = serde_json::from_str(old).unwrap();
        assert_eq!((late.devices, late.left_late), (3, 0));
    }

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
