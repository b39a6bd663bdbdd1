//! What is known of a request when it, or the connection, comes to an early end.

use crate::support::*;
use std::time::Duration;
use wire::{Code, Config, Connection, Doubt, End, Outcome, State};

/// How a connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Lost,
    WithGoodbye,
    /// What it was given is not read before a fence ends.
    Unread,
}

impl Way {
    fn end(self, conn: &mut Connection) {
        match self {
            Self::Lost => conn.lost(),
            Self::WithGoodbye => conn.receive(&frame(5, 0, 1, b""), NOW),
            Self::Unread => {
                conn.tick(NOW + Duration::from_millis(499));
                assert_eq!(conn.state(), State::Open);
                conn.tick(NOW + Duration::from_millis(500));
                assert_eq!(conn.state(), State::Ended(End::Unread));
            }
        }
    }
}

/// For each number of bytes that left: what had begun to leave is ambiguous, the rest was not sent and leaves no more.
#[test]
fn sent_and_not_sent_are_told_apart_at_each_byte() {
    let (whole, starts) = untouched(3);
    for left in 0..=whole.len() {
        for way in [Way::Lost, Way::WithGoodbye, Way::Unread] {
            let mut conn = settled(Config::default());
            submit(&mut conn, 0, 3, 10);
            if way == Way::Unread {
                conn.fence(NOW + Duration::from_millis(500));
            }
            conn.took(left);
            way.end(&mut conn);
            let begun = starts.iter().filter(|start| **start < left).count() as u64;
            assert_eq!((conn.books().ambiguous, conn.books().not_sent), (begun, 3 - begun), "{left} {way:?}");
            if way != Way::WithGoodbye {
                assert_eq!(conn.output(), b"", "not even a goodbye: {left} {way:?}");
                continue;
            }
            // What was given back never leaves, and what leaves are whole frames.
            let all = frames(&[&whole[..left], conn.output()].concat());
            assert_eq!(all.iter().filter(|f| f.0 == HEADERS).count() as u64, begun);
            assert_eq!(all.last().unwrap().0, GOAWAY);
        }
    }
}

#[test]
fn time_outs_cancel_and_do_no_harm() {
    let mut conn = settled(Config::default());
    submit(&mut conn, 0, 3, 1);
    flush(&mut conn);
    conn.receive(&frame(HEADERS, 4, 3, &[0x8c]), NOW);
    assert_eq!(conn.next_tick(), Some(UNTIL));
    conn.tick(UNTIL - Duration::from_nanos(1));
    assert_eq!(done(&mut conn), []);
    conn.tick(UNTIL);
    let all = done(&mut conn);
    assert_eq!(all[0].outcome, Outcome::Ambiguous(Doubt::TimedOut));
    assert!(matches!(&all[1].outcome, Outcome::Answered(answer) if answer.status == 400 && !answer.whole));
    assert_eq!(conn.next_tick(), Some(NOW + Config::default().ping_idle_every));
    let resets = flush(&mut conn);
    assert_eq!(
        resets.iter().map(|f| (f.0, f.2, f.3[3])).collect::<Vec<_>>(),
        [(3, 1, 8), (3, 3, 8), (3, 5, 8)]
    );
    // Late answers are ignored, whatever they are; the next requests are served.
    submit(&mut conn, 9, 1, 1);
    flush(&mut conn);
    for late in [frame(HEADERS, 5, 1, &[0x88]), frame(DATA, 1, 3, b"x"), number(RST_STREAM, 5, 8)] {
        conn.receive(&late, NOW);
    }
    conn.receive(&frame(HEADERS, 5, 7, &[0x88]), NOW);
    assert_eq!((conn.state(), done(&mut conn)[0].tag), (State::Open, 9));
}

/// Its slot is passed by, again and again.
#[test]
fn a_slow_request_holds_nobody_up() {
    let mut conn = settled(Config { streams_max: 4, ..Config::default() });
    assert_eq!(submit(&mut conn, 0, 1, 1), 1);
    flush(&mut conn);
    for tag in 1..500 {
        assert_eq!(submit(&mut conn, tag, 1, 1), 1);
        let id = flush(&mut conn)[0].2;
        conn.receive(&frame(HEADERS, 5, id, &[0x88]), NOW);
        assert_eq!(done(&mut conn)[0].tag, tag);
    }
    conn.receive(&frame(HEADERS, 5, 1, &[0x88]), NOW);
    assert_eq!(done(&mut conn)[0].tag, 0);
}

#[test]
fn pings_find_out_who_is_dead() {
    let config = Config::default();
    let (idle, within) = (config.ping_idle_every, config.pong_within);
    let mut conn = settled(config);
    assert_eq!(conn.next_tick(), Some(NOW + idle));
    conn.tick(NOW + idle);
    let ping = flush(&mut conn);
    assert_eq!((ping[0].0, ping[0].1), (PING, 0));
    let now = NOW + idle + Duration::from_millis(30);
    conn.receive(&frame(PING, 1, 0, &ping[0].3), now);
    assert_eq!(conn.round_trip(), Some(Duration::from_millis(30)));
    conn.tick(now + idle);
    submit(&mut conn, 0, 1, 1);
    flush(&mut conn);
    conn.tick(now + idle + within);
    assert_eq!(conn.state(), State::Ended(End::PingLost));
    assert_eq!((conn.books().ambiguous, conn.next_tick()), (1, None));
}

/// The PING that a fence put behind what was submitted.
fn fence_in(out: &[Frame]) -> Vec<u8> {
    let pings: Vec<_> = out.iter().filter(|f| (f.0, f.1) == (PING, 0)).collect();
    assert_eq!(out.last(), pings.last().copied(), "it goes last");
    pings.last().unwrap().3.clone()
}

#[test]
fn what_is_read_before_the_fence_ends_stays_as_it_was() {
    let mut conn = settled(Config::default());
    submit(&mut conn, 0, 3, 10);
    let until = NOW + Duration::from_millis(500);
    conn.fence(until);
    assert_eq!(conn.next_tick(), Some(until));
    let first = fence_in(&flush(&mut conn));
    conn.fence(until + Duration::from_millis(1));
    let second = fence_in(&flush(&mut conn));
    // An answer to something else proves nothing; one to the second PING speaks for the first.
    conn.receive(&frame(PING, 1, 0, &[0xff; 8]), NOW);
    assert_eq!(conn.next_tick(), Some(until));
    assert_ne!(first, second);
    conn.receive(&frame(PING, 1, 0, &second), NOW);
    conn.tick(until + Duration::from_secs(1));
    assert_eq!((conn.state(), conn.books().in_flight), (State::Open, 3));
    conn.receive(&frame(HEADERS, 5, 1, &[0x88]), NOW);
    assert_eq!(conn.books().answered, 1);
}

/// It reads, but slowly: what its kernel has is answered later.
#[test]
fn a_fence_is_met_when_all_has_left() {
    let (mut conn, until) = (settled(Config::default()), NOW + Duration::from_millis(500));
    submit(&mut conn, 0, 3, 10);
    conn.fence(until);
    flush(&mut conn);
    assert!(!conn.is_fence_due(until - Duration::from_nanos(1)) && conn.is_fence_due(until));
    conn.all_is_gone();
    assert!(!conn.is_fence_due(until));
    conn.tick(until);
    assert_eq!((conn.state(), conn.books().in_flight), (State::Open, 3));
}

/// What TLS held counts as if it had not been taken, when a fence ends the connection.
#[test]
fn what_was_held_until_the_fence_ended_was_not_sent() {
    for held in 0..200 {
        let mut conn = settled(Config::default());
        submit(&mut conn, 0, 3, 10);
        let (whole, starts) = (conn.output().len(), starts(conn.output()));
        assert!(whole < 199, "all of it is held at last");
        conn.took(whole);
        conn.fence(NOW + Duration::from_millis(500));
        conn.held(held);
        conn.tick(NOW + Duration::from_millis(500));
        let reached = whole.saturating_sub(held as usize);
        let begun = starts.iter().filter(|start| **start < reached).count() as u64;
        assert_eq!((conn.books().ambiguous, conn.books().not_sent), (begun, 3 - begun), "{held}");
    }
}

/// A window that opens in time lets the rest of a push out; one that opens later does not.
#[test]
fn a_fence_gives_bodies_up_that_still_wait_for_a_window_at_its_end() {
    let until = NOW + Duration::from_millis(500);
    for opens in [true, false] {
        let mut conn = Connection::new(Config::default(), NOW);
        conn.receive(&settings(&[(3, 100), (4, 5)]), NOW);
        flush(&mut conn);
        submit(&mut conn, 0, 1, 10);
        flush(&mut conn);
        conn.fence(until);
        let ping = fence_in(&flush(&mut conn));
        conn.receive(&frame(PING, 1, 0, &ping), NOW);
        if opens {
            conn.receive(&number(WINDOW_UPDATE, 1, 1_000), NOW);
            assert_eq!(flush(&mut conn).iter().map(|f| (f.0, f.1, f.2)).collect::<Vec<_>>(), [(DATA, 1, 1)]);
        }
        // What is submitted after it is not its own.
        submit(&mut conn, 1, 1, 10);
        flush(&mut conn);
        conn.tick(until);
        let out = flush(&mut conn);
        if opens {
            assert_eq!((out, done(&mut conn)), (vec![], vec![]));
        } else {
            assert_eq!(out.iter().map(|f| (f.0, f.2)).collect::<Vec<_>>(), [(RST_STREAM, 1)]);
            let ended = done(&mut conn);
            assert_eq!((ended.len(), &ended[0].outcome), (1, &Outcome::Ambiguous(Doubt::TimedOut)));
            conn.receive(&number(WINDOW_UPDATE, 1, 1_000), NOW);
            assert_eq!(conn.output(), b"");
        }
        assert_eq!((conn.state(), conn.books().in_flight), (State::Open, if opens { 2 } else { 1 }));
    }
}

#[test]
fn draining_ends_with_the_last_answer_or_at_its_deadline() {
    let drained = |answers: bool| {
        let mut conn = settled(Config::default());
        submit(&mut conn, 0, 1, 1);
        flush(&mut conn);
        conn.receive(&goaway(1, 0), NOW);
        assert_eq!((conn.state(), conn.goaway(), conn.room()), (State::Draining, Some(Code::NO_ERROR), 0));
        conn.drain(NOW * 2);
        assert_eq!((conn.next_tick(), submit(&mut conn, 5, 1, 1)), (Some(NOW * 2), 0));
        if answers {
            conn.receive(&frame(HEADERS, 5, 1, &[0x88]), NOW);
        } else {
            conn.tick(NOW * 2);
        }
        assert_eq!(conn.state(), State::Ended(End::Drained));
        assert_eq!(flush(&mut conn).last().unwrap().0, GOAWAY);
        conn.books()
    };
    assert_eq!((drained(true).answered, drained(false).ambiguous), (1, 1));
    let mut idle: Connection = settled(Config::default());
    idle.drain(NOW);
    assert_eq!(idle.state(), State::Ended(End::Drained));
}

/// Then it can't be an answer, and the request can be sent again (RFC 9113, 5.1: the stream is idle to the server).
#[test]
fn an_answer_to_what_has_not_left_is_a_fault() {
    for early in [frame(HEADERS, 5, 3, &[0x88]), number(RST_STREAM, 3, 7), number(WINDOW_UPDATE, 3, 1)] {
        let mut conn = settled(Config::default());
        submit(&mut conn, 0, 1, 1);
        let first = conn.output().len();
        submit(&mut conn, 1, 1, 1);
        conn.took(first);
        conn.receive(&early, NOW);
        assert!(matches!(conn.state(), State::Ended(End::Protocol(Code::PROTOCOL_ERROR, _))));
        assert_eq!((conn.books().ambiguous, conn.books().not_sent), (1, 1));
    }
}

#[test]
fn a_window_that_stays_shut_retires_the_connection() {
    for shut in [settings(&[(4, 0)]), Vec::new()] {
        let mut conn = settled(Config { out_bytes_max: 200_000, ..Config::default() });
        conn.receive(&shut, NOW);
        flush(&mut conn);
        // A window of a stream, or the whole connection's.
        let bytes = if shut.is_empty() { 70_000 } else { 10 };
        conn.receive(&settings(&[(3, 100), (4, if shut.is_empty() { 1 << 20 } else { 0 })]), NOW);
        assert_eq!(submit(&mut conn, 0, 1, bytes), 1);
        flush(&mut conn);
        conn.tick(UNTIL);
        assert_eq!(done(&mut conn)[0].outcome, Outcome::Ambiguous(Doubt::TimedOut));
        assert!(matches!(conn.state(), State::Draining | State::Ended(End::Drained)), "{:?}", conn.state());
        assert_eq!(conn.room(), 0);
    }
    // Time-outs alone, with open windows, do not.
    let mut conn = settled(Config::default());
    submit(&mut conn, 0, 3, 10);
    flush(&mut conn);
    conn.tick(UNTIL);
    assert_eq!((conn.state(), conn.room()), (State::Open, 100));
}

/// Whoever answers without reading bodies, and gives no window back for them, is still asked.
#[test]
fn a_shut_window_holds_nobody_up_once_its_requests_have_ended() {
    let mut conn = settled(Config { out_bytes_max: 200_000, ..Config::default() });
    conn.receive(&settings(&[(4, 1 << 20)]), NOW);
    assert_eq!(submit(&mut conn, 0, 1, 70_000), 1);
    for id in (1..20).step_by(2) {
        flush(&mut conn);
        assert_eq!(conn.room(), 0, "the window is used up, and a body waits");
        conn.receive(&frame(HEADERS, 5, id, b"\x48\x03429"), NOW);
        assert_eq!(done(&mut conn).len(), 1);
        assert!(conn.room() > 0, "{id}");
        assert_eq!(submit(&mut conn, id.into(), 2, 10), 1);
    }
}
