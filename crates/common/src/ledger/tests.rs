use super::*;
use crate::device::Platform;
use crate::ids::BatchNo;

const KEY: BatchKey = BatchKey { shard: ShardNo(3), number: BatchNo(7) };

fn ask(epoch: u32, holder: u64, now: i64) -> ClaimRequest {
    ClaimRequest {
        key: KEY,
        epoch: Epoch(epoch),
        holder: WorkerId(holder),
        lease: Duration::from_millis(100),
        blank: vec![Outcome::Unsent.to_byte(Platform::Apns), Outcome::Unsent.to_byte(Platform::Fcm)],
        only: Vec::new(),
        resend_ambiguous: false,
        now: UnixMs(now),
    }
}

fn results(fence: u32, outcomes: &[Outcome], now: i64) -> CompleteRequest {
    let result = |(i, o): (usize, &Outcome)| DeviceResult {
        index: i as u16,
        outcome: *o,
        at: UnixMs(now),
        dead_since: None,
    };
    CompleteRequest {
        key: KEY,
        fence: Fence(fence),
        results: outcomes.iter().enumerate().map(result).collect(),
        sent_at: Some(UnixMs(now - 1)),
        now: UnixMs(now),
    }
}

/// Applies a decision to the stored record as an adapter does.
fn apply<A>(store: &mut Option<BatchRecord>, decision: (A, Option<BatchRecord>)) -> A {
    if let Some(next) = decision.1 {
        assert_eq!(BatchRecord::decode(&next.encode()), Ok(next.clone()));
        *store = Some(next);
    }
    decision.0
}

fn granted(answer: &ClaimAnswer) -> (u32, Vec<bool>) {
    match answer {
        ClaimAnswer::Granted { fence, unsent, .. } => (fence.0, unsent.clone()),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_claim_is_exclusive_until_its_lease_ends_and_then_counts_possible_doubles() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    assert_eq!(granted(&apply(&mut store, d)), (1, vec![true, true]));
    let d = claim(store.as_ref(), &ask(1, 2, 99));
    assert_eq!(apply(&mut store, d), ClaimAnswer::HeldUntil(UnixMs(100)));
    let d = claim(store.as_ref(), &ask(1, 2, 100));
    assert_eq!(granted(&apply(&mut store, d)), (2, vec![true, true]));
    assert_eq!(store.as_ref().unwrap().doubled_at_most, 2);
    // The first holder wakes up: merged, and accepted wins.
    let d = complete(store.as_ref(), &results(1, &[Outcome::Accepted, Outcome::Ambiguous], 110));
    assert_eq!(apply(&mut store, d), CompleteAnswer::Merged);
    assert!(store.as_ref().unwrap().holder.is_some(), "a late report does not end the newer claim");
    let d = complete(store.as_ref(), &results(2, &[Outcome::Unregistered, Outcome::Accepted], 120));
    assert_eq!(apply(&mut store, d), CompleteAnswer::Taken { closed: true });
    let outcomes: Vec<_> = store.as_ref().unwrap().outcomes().collect();
    assert_eq!(outcomes, [(Outcome::Accepted, Platform::Apns), (Outcome::Accepted, Platform::Fcm)]);
    assert_eq!(claim(store.as_ref(), &ask(2, 3, 130)), (ClaimAnswer::Done, None));
}

#[test]
fn what_is_put_back_is_granted_again_without_a_double() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let d = complete(store.as_ref(), &results(1, &[Outcome::Accepted, Outcome::Unsent], 5));
    assert_eq!(apply(&mut store, d), CompleteAnswer::Taken { closed: false });
    let d = claim(store.as_ref(), &ask(1, 2, 6));
    assert_eq!(granted(&apply(&mut store, d)), (2, vec![false, true]));
    assert_eq!(store.as_ref().unwrap().doubled_at_most, 0);
    assert_eq!(store.as_ref().unwrap().answered_at(0), Some(UnixMs(5)));
    assert_eq!(store.unwrap().answered_at(1), None);
}

#[test]
fn an_older_epoch_is_stale_once_a_newer_one_claimed() {
    let mut store = None;
    let d = claim(None, &ask(4, 1, 0));
    apply(&mut store, d);
    assert_eq!(claim(store.as_ref(), &ask(3, 2, 500)).0, ClaimAnswer::Stale);
}

#[test]
fn ambiguous_is_sent_again_only_when_asked_for_and_is_counted() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let d = complete(store.as_ref(), &results(1, &[Outcome::Accepted, Outcome::Ambiguous], 5));
    assert_eq!(apply(&mut store, d), CompleteAnswer::Taken { closed: true });
    assert_eq!(claim(store.as_ref(), &ask(2, 2, 6)).0, ClaimAnswer::Done);
    let again = ClaimRequest { resend_ambiguous: true, ..ask(2, 2, 6) };
    let d = claim(store.as_ref(), &again);
    assert_eq!(granted(&apply(&mut store, d)), (2, vec![false, true]));
    assert_eq!(store.unwrap().doubled_at_most, 1);
}

#[test]
fn renewing_wants_the_newest_claim_and_a_lease_that_still_runs() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let again = |fence, now| RenewRequest {
        key: KEY,
        fence: Fence(fence),
        lease: Duration::from_millis(100),
        now: UnixMs(now),
    };
    let d = renew(store.as_ref(), &again(1, 60));
    assert!(apply(&mut store, d));
    assert_eq!(store.as_ref().unwrap().lease_until, UnixMs(160));
    assert!(!renew(store.as_ref(), &again(1, 160)).0);
    assert!(!renew(store.as_ref(), &again(2, 70)).0);
    assert!(!renew(None, &again(1, 70)).0);
}

#[test]
fn closing_tells_expired_from_ambiguous_and_waits_for_a_running_lease() {
    let close_at = |now| CloseRequest { key: KEY, blank: ask(1, 1, 0).blank, now: UnixMs(now) };
    let mut never = None;
    let d = close(None, &close_at(9));
    assert!(apply(&mut never, d));
    assert!(never.as_ref().unwrap().outcomes().all(|(o, _)| o == Outcome::Expired));
    assert_eq!(claim(never.as_ref(), &ask(1, 1, 10)).0, ClaimAnswer::Done);

    let mut held = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut held, d);
    assert_eq!(close(held.as_ref(), &close_at(99)), (false, None));
    let d = close(held.as_ref(), &close_at(100));
    assert!(apply(&mut held, d));
    assert!(held.as_ref().unwrap().outcomes().all(|(o, _)| o == Outcome::Ambiguous));
    // The holder was alive after all: what it knows still counts.
    let d = complete(held.as_ref(), &results(1, &[Outcome::Accepted, Outcome::Unregistered], 101));
    assert_eq!(apply(&mut held, d), CompleteAnswer::Merged);
    assert!(!held.unwrap().has(Class::Ambiguous));
}

#[test]
fn bytes_cut_short_are_an_error() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let bytes = store.unwrap().encode();
    assert!((0..bytes.len()).all(|cut| BatchRecord::decode(&bytes[..cut]).is_err()));
    assert!(BatchRecord::decode(&[9; 60]).is_err());
}

#[test]
fn the_sending_counts_as_it_was_first_and_the_answers_as_they_were_last() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    assert_eq!(store.as_ref().unwrap().last_answer_at(), None);
    // One was throttled, and comes again.
    let d = complete(store.as_ref(), &results(1, &[Outcome::Accepted, Outcome::Unsent], 500));
    apply(&mut store, d);
    let (sent, answered) = (UnixMs(499), Some(UnixMs(500)));
    assert_eq!((store.as_ref().unwrap().sent_at, store.as_ref().unwrap().last_answer_at()), (sent, answered));
    let d = claim(store.as_ref(), &ask(1, 1, 30_000));
    apply(&mut store, d);
    let d = complete(store.as_ref(), &results(2, &[Outcome::Accepted, Outcome::Accepted], 31_000));
    apply(&mut store, d);
    let record = store.unwrap();
    assert_eq!((record.sent_at, record.last_answer_at()), (sent, Some(UnixMs(31_000))));
}

#[test]
fn who_sent_first_and_reports_last_still_sent_first() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let d = claim(store.as_ref(), &ask(1, 2, 30_000));
    apply(&mut store, d);
    let d = complete(store.as_ref(), &results(2, &[Outcome::Accepted], 31_000));
    apply(&mut store, d);
    let (answer, record) = complete(store.as_ref(), &results(1, &[Outcome::Accepted], 1_000));
    assert_eq!(answer, CompleteAnswer::Merged);
    assert_eq!(record.unwrap().sent_at, UnixMs(999));
}

#[test]
fn the_first_version_is_read_as_one_that_knows_no_time_of_sending() {
    let mut store = None;
    let d = claim(None, &ask(1, 1, 0));
    apply(&mut store, d);
    let d = complete(store.as_ref(), &results(1, &[Outcome::Accepted], 500));
    apply(&mut store, d);
    let mut record = store.unwrap();
    assert_eq!(record.sent_at, UnixMs(499));
    // Version, epoch, fence and holder, then three times, then the new one.
    let mut old = record.encode();
    old[0] = 1;
    let at = 1 + 4 + 4 + 8 + 3 * 8;
    old.drain(at..at + 8);
    record.sent_at = UnixMs(0);
    assert_eq!(BatchRecord::decode(&old), Ok(record));
}

#[test]
fn a_record_made_at_the_end_of_time_is_read_without_harm() {
    let mut record = BatchRecord::blank(&[Outcome::Unsent.to_byte(Platform::Apns)], UnixMs(i64::MAX));
    record.set(0, Outcome::Accepted, UnixMs(i64::MAX));
    record.sent_at = UnixMs(1);
    // The device's time, the last four bytes, says a millisecond later than can be.
    let mut bytes = record.encode();
    let at = bytes.len() - 4;
    bytes[at] = 1;
    assert_eq!(BatchRecord::decode(&bytes).unwrap().last_answer_at(), Some(UnixMs(i64::MAX)));
}

/// A worker that was stopped between reading its clock and asking asks with a time long past.
#[test]
fn a_claim_asked_long_ago_takes_nothing_from_who_sends_now() {
    let at = |holder, now| ClaimRequest { lease: crate::limits::CLAIM_LEASE, ..ask(1, holder, now) };
    let mut store = None;
    let d = claim(None, &at(1, 100_000));
    apply(&mut store, d);
    let d = claim(store.as_ref(), &at(2, 60_000));
    assert_eq!(apply(&mut store, d), ClaimAnswer::HeldUntil(UnixMs(108_000)));
    // A lease of a clock that ran far ahead would bind for ever.
    let d = claim(store.as_ref(), &at(2, 30_000));
    assert_eq!(granted(&apply(&mut store, d)).0, 2);
}
