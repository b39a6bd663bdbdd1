//! Each frame in each state, GOAWAY at each place, storms of resets. Every script is cut everywhere, and the books balance
//! after each piece (`play_on`).

use crate::support::*;
use std::time::Duration;
use wire::{Code, Config, Connection, Doubt, End, Outcome, State};

const ANSWER: &[u8] = &[0x88];

/// A frame of each kind as it should be, on stream 1 or on the connection.
fn each_frame() -> [Vec<u8>; 14] {
    [
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, 5, 1, ANSWER),
        frame(2, 0, 1, &[0; 5]),
        number(RST_STREAM, 1, 2),
        settings(&[(3, 50)]),
        frame(SETTINGS, 1, 0, b""),
        frame(5, 4, 1, &[0, 0, 0, 2, 0x88]),
        frame(PING, 0, 0, &[0; 8]),
        frame(PING, 1, 0, &[0; 8]),
        goaway(1, 0),
        number(WINDOW_UPDATE, 0, 1),
        number(WINDOW_UPDATE, 1, 1),
        frame(CONTINUATION, 4, 1, ANSWER),
        frame(0xfa, 0, 1, b"unknown"),
    ]
}

/// What became of it, in a letter.
fn letter(seen: &Seen, before: usize) -> char {
    let outcome = seen.done.get(before..).unwrap_or_default().first().map(|c| &c.outcome);
    match (seen.state, outcome) {
        (State::Ended(End::Protocol(Code::PROTOCOL_ERROR, _)), _) => 'P',
        (State::Ended(End::Protocol(Code::STREAM_CLOSED, _)), _) => 'C',
        (State::Ended(End::Protocol(..)), _) => '?',
        (_, Some(Outcome::Answered(_))) => 'a',
        (_, Some(Outcome::Reset(_))) => 'r',
        (_, Some(Outcome::Ambiguous(Doubt::Malformed))) => 'm',
        (_, Some(_)) => '?',
        (State::Open, None) => '.',
        (State::Draining | State::Ended(_), None) => 'd',
    }
}

/// Makes a connection, with requests that have left, in a state.
type Make = fn() -> Connection;

fn fresh() -> Connection {
    let mut conn = Connection::new(Config::default(), NOW);
    submit(&mut conn, 0, 1, 10);
    flush(&mut conn);
    conn
}

fn after(bytes: &[u8]) -> Connection {
    let mut conn = settled(Config::default());
    submit(&mut conn, 0, 1, 10);
    flush(&mut conn);
    conn.receive(bytes, NOW);
    flush(&mut conn);
    conn
}

/// D data, H headers, p priority, R reset, S settings, s its acknowledgement, u push, G ping, g pong, A goaway, W and w
/// window updates of the connection and the stream, C continuation, x unknown.
const FRAMES: &str = "DHpRSsuGgAWwCx";

/// `.` goes on, `a` answered, `r` reset, `m` malformed and reset by us, `d` takes no more; P and C end the connection as
/// PROTOCOL_ERROR or STREAM_CLOSED.
const STATES: [(&str, &str, Make); 9] = [
    ("before the server's SETTINGS", "PPPP.PPPPPPPPP", fresh),
    ("stream idle", "PP.P..P..d.PP.", || settled(Config::default())),
    ("waiting for the answer", "ma.r..P..d..P.", || after(b"")),
    ("between the answer's head and its end", ".a.a..P..d..P.", || after(&frame(HEADERS, 4, 1, ANSWER))),
    ("informational answer seen", "ma.r..P..d..P.", || after(&frame(HEADERS, 4, 1, b"\x48\x03103"))),
    ("inside a header block", "PPPPPPPPPPPPaP", || after(&frame(HEADERS, 1, 1, b""))),
    ("answered to the end", "CC....P..d..P.", || after(&frame(HEADERS, 5, 1, ANSWER))),
    ("reset by the server", "......P..d..P.", || after(&number(RST_STREAM, 1, 2))),
    ("cancelled by us", "......P..d..P.", || {
        let mut conn = after(b"");
        conn.tick(UNTIL);
        flush(&mut conn);
        conn
    }),
];

#[test]
fn each_frame_in_each_state() {
    for (state, wanted, make) in STATES {
        let found: String = each_frame()
            .iter()
            .map(|frame| {
                let before = done(&mut make()).len();
                letter(&play_on(&|| make(), 0, std::slice::from_ref(frame)), before)
            })
            .collect();
        assert_eq!(found, wanted, "{state}, of {FRAMES}");
    }
}

/// A body waits for a window: the rest is given up when the answer ends first.
#[test]
fn each_frame_while_a_body_waits() {
    let make = || {
        let mut conn = settled(Config::default());
        conn.receive(&settings(&[(4, 3)]), NOW);
        submit(&mut conn, 0, 1, 10);
        flush(&mut conn);
        conn
    };
    let found: String =
        each_frame().iter().map(|frame| letter(&play_on(&make, 0, std::slice::from_ref(frame)), 0)).collect();
    assert_eq!(found, "ma.r..P..d..P.", "of {FRAMES}");
    let seen = play_on(&make, 0, &[frame(HEADERS, 5, 1, ANSWER)]);
    assert_eq!(seen.out, [(RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
}

/// Draining: what is below the last stream is still answered, and then it is over.
#[test]
fn each_frame_while_draining() {
    let make = || after(&goaway(1, 0));
    let found: String =
        each_frame().iter().map(|frame| letter(&play_on(&make, 0, std::slice::from_ref(frame)), 0)).collect();
    assert_eq!(found, "madrddPddddd".to_owned() + "Pd", "of {FRAMES}");
}

#[test]
fn goaway_at_each_place_of_three_answers() {
    let answers = [
        frame(HEADERS, 4, 3, &[0x8c]),
        frame(HEADERS, 5, 1, ANSWER),
        frame(DATA, 0, 3, b"{}"),
        frame(HEADERS, 4, 5, ANSWER),
        frame(DATA, 1, 3, b""),
        frame(DATA, 1, 5, b"x"),
    ];
    let ends = [(1, 1), (3, 4), (5, 5)];
    for place in 0..=answers.len() {
        for last in [0, 1, 3, 5, 7, u32::MAX >> 1] {
            let mut script = answers.to_vec();
            script.insert(place, goaway(last, 0));
            let seen = play(3, &script);
            let has_status = |id: u32| place > [1, 0, 3][id as usize / 2];
            for (n, (id, end)) in ends.into_iter().enumerate() {
                let outcome = &seen.outcomes()[n];
                let whole = place > end || last >= id;
                match outcome {
                    Outcome::Answered(answer) => assert_eq!(answer.whole, whole, "{place} {last} {id}"),
                    Outcome::NotProcessed => assert!(!whole && !has_status(id), "{place} {last} {id}"),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(seen.state, State::Ended(End::Drained));
            assert_eq!((seen.books.in_flight, seen.books.submitted), (0, 3));
        }
    }
}

#[test]
fn a_storm_of_resets_costs_nothing_but_the_requests() {
    let mut conn = settled(Config::default());
    for round in 0..2_000_u64 {
        let taken = submit(&mut conn, round * 100, 100, 10);
        assert_eq!(taken, 100, "{round}");
        let streams: Vec<u32> = flush(&mut conn).iter().filter(|f| f.0 == HEADERS).map(|f| f.2).collect();
        for id in streams {
            // Twice each, which is harmless, and once more for one of long ago.
            let code = if id % 3 == 0 { 7 } else { 11 };
            let storm =
                [number(RST_STREAM, id, code), number(RST_STREAM, id, code), number(RST_STREAM, 1, 8)];
            conn.receive(&storm.concat(), NOW);
        }
        conn.receive(&number(WINDOW_UPDATE, 0, 1_000), NOW);
        assert_eq!((done(&mut conn).len(), conn.output().len()), (100, 0));
    }
    let books = conn.books();
    assert!(books.balance() && books.reset + books.not_processed == 200_000 && books.reset > 100_000);
    assert_eq!(conn.state(), State::Open);
}

/// A limit that goes up and down, with answers in between, never lets more out than it says at that moment.
#[test]
fn a_limit_from_1_to_1000_to_1_is_kept() {
    let mut conn = Connection::new(Config::default(), NOW);
    let (mut tag, mut open) = (0, std::collections::VecDeque::new());
    for limit in [1_u32, 1_000, 1, 0, 1_000, 1] {
        conn.receive(&settings(&[(3, limit)]), NOW);
        for _ in 0..3 {
            let room = conn.room();
            assert_eq!(room, (limit as usize).saturating_sub(open.len()));
            let taken = submit(&mut conn, tag, 2_000, 1);
            assert_eq!(taken, room);
            tag += taken as u64;
            open.extend(flush(&mut conn).iter().filter(|f| f.0 == HEADERS).map(|f| f.2));
            for _ in 0..open.len().div_ceil(2) {
                let id = open.pop_front().unwrap();
                conn.receive(&frame(HEADERS, 5, id, ANSWER), NOW);
            }
            done(&mut conn);
        }
    }
    assert!(conn.books().balance() && conn.state() == State::Open);
}

/// Silence: everything ends in doubt when its time is over, at whatever moment that falls.
#[test]
fn silence_ends_everything_in_time() {
    let mut conn = settled(Config { ping_busy_every: Duration::from_secs(3), ..Config::default() });
    submit(&mut conn, 0, 100, 10);
    flush(&mut conn);
    while let Some(next) = conn.next_tick().filter(|next| *next <= UNTIL * 2) {
        conn.tick(next);
        flush(&mut conn);
    }
    assert_eq!((conn.books().ambiguous, conn.books().in_flight), (100, 0));
    // PING went unanswered before the requests' time was over.
    assert_eq!(conn.state(), State::Ended(End::PingLost));
}
