//! What is known of a request when it, or the connection, comes to an early end.

use crate::support::*;
use std::time::Duration;
use wire::{Code, Config, Connection, Doubt, End, Outcome, State};

/// For each number of bytes that left: what had begun to leave is ambiguous, the rest was not sent.
#[test]
fn sent_and_not_sent_are_told_apart_at_each_byte() {
    let whole = {
        let mut conn = settled(Config::default());
        submit(&mut conn, 0, 3, 10);
        conn.output().to_vec()
    };
    let starts: Vec<usize> = {
        let mut at = 0;
        let mut all = Vec::new();
        for (kind, _, _, payload) in frames(&whole) {
            if kind == HEADERS {
                all.push(at);
            }
            at += 9 + payload.len();
        }
        all
    };
    for left in 0..=whole.len() {
        for polite in [false, true] {
            let mut conn = settled(Config::default());
            submit(&mut conn, 0, 3, 10);
            conn.took(left);
            if polite {
                conn.receive(&frame(5, 0, 1, b""), NOW);
            } else {
                conn.lost();
            }
            let begun = starts.iter().filter(|start| **start < left).count() as u64;
            assert_eq!((conn.books().ambiguous, conn.books().not_sent), (begun, 3 - begun), "{left}");
            // What was given back never leaves, and what leaves are whole frames.
            let rest = [&whole[..left], conn.output()].concat();
            if polite {
                let all = frames(&rest);
                assert_eq!(all.iter().filter(|f| f.0 == HEADERS).count() as u64, begun);
                assert_eq!(all.last().unwrap().0, GOAWAY);
            } else {
                assert_eq!(rest.len(), left);
            }
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
