use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn key(group: &str, dedup: &str) -> FifoKey {
    FifoKey { group: group.into(), dedup: dedup.into() }
}

fn seqs(tickets: &[Ticket]) -> Vec<Seq> {
    tickets.iter().map(|t| t.seq).collect()
}

#[test]
fn a_standard_queue_hands_out_hides_and_brings_back() {
    let mut q = QueueState::new(Rules::standard());
    for _ in 0..3 {
        q.send(None, Duration::ZERO, UnixMs(0));
    }
    q.send(None, SECOND * 2, UnixMs(0));
    let (first, _) = q.receive(2, SECOND, UnixMs(0));
    assert_eq!(seqs(&first), [1, 2]);
    assert_eq!(q.depth(UnixMs(0)), Depth { visible: 1, in_flight: 2, delayed: 1, dead: 0 });
    assert!(q.delete(first[0], UnixMs(0)) && !q.delete(first[0], UnixMs(0)));
    let (second, _) = q.receive(10, SECOND, UnixMs(1000));
    assert_eq!(seqs(&second), [2, 3], "the second came back, the fourth is delayed");
    assert!(!q.delete(first[1], UnixMs(1000)), "an older receive can't delete");
    assert!(q.hide(second[0], Duration::ZERO, UnixMs(1000)));
    assert_eq!(seqs(&q.receive(10, SECOND, UnixMs(1000)).0), [2]);
    assert_eq!(seqs(&q.receive(10, SECOND, UnixMs(2000)).0), [2, 3, 4]);
}

#[test]
fn a_fifo_group_is_locked_while_one_is_in_flight() {
    let mut q = QueueState::new(Rules::fifo());
    for (group, dedup) in [("a", "1"), ("a", "2"), ("b", "3")] {
        assert!(matches!(q.send(Some(&key(group, dedup)), Duration::ZERO, UnixMs(0)), Sent::Queued(_)));
    }
    let (got, _) = q.receive(10, SECOND, UnixMs(0));
    assert_eq!(seqs(&got), [1, 3]);
    assert_eq!(seqs(&q.receive(10, SECOND, UnixMs(999)).0), [] as [Seq; 0]);
    assert!(q.delete(got[0], UnixMs(999)));
    assert_eq!(seqs(&q.receive(10, SECOND, UnixMs(999)).0), [2]);
    assert_eq!(seqs(&q.receive(10, SECOND, UnixMs(1000)).0), [3], "its visibility ended; 2 is in flight");
    assert!(!q.delete(got[1], UnixMs(1000)));
}

#[test]
fn deduplication_lasts_five_minutes_also_after_a_delete() {
    let mut q = QueueState::new(Rules::fifo());
    q.send(Some(&key("a", "1")), Duration::ZERO, UnixMs(0));
    let (got, _) = q.receive(1, SECOND, UnixMs(0));
    q.delete(got[0], UnixMs(1));
    assert_eq!(q.send(Some(&key("a", "1")), Duration::ZERO, UnixMs(299_999)), Sent::Dropped);
    assert_eq!(q.send(Some(&key("a", "1")), Duration::ZERO, UnixMs(300_000)), Sent::Queued(2));
}

#[test]
fn one_received_too_often_goes_to_the_dead_letters() {
    for rules in [Rules { receives_max: 2, ..Rules::standard() }, Rules { receives_max: 2, ..Rules::fifo() }]
    {
        let mut q = QueueState::new(rules);
        let k = key("a", "1");
        q.send(rules.fifo.then_some(&k), Duration::ZERO, UnixMs(0));
        for at in [0, 1000] {
            assert_eq!(q.receive(1, SECOND, UnixMs(at)).0.len(), 1);
        }
        assert_eq!(q.receive(1, SECOND, UnixMs(2000)), (vec![], vec![1]));
        assert_eq!((q.len(), q.depth(UnixMs(2000)).dead), (0, 1));
    }
}
