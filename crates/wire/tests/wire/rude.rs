//! What a server may send, and what it may not.

use crate::support::*;
use wire::{Code, Config, Doubt, End, Outcome, State};

const OK: &[u8] = &[0x88];

fn answered(outcome: &Outcome) -> (u16, Vec<u8>, Option<Vec<u8>>, bool) {
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    (answer.status, answer.body().to_vec(), answer.header(0).map(<[u8]>::to_vec), answer.whole)
}

#[test]
fn answers_in_all_their_shapes() {
    let gone = [&[0x48, 3][..], b"410", &[0x0f, 0x26, 1], b"7"].concat();
    let coded = [0x48, 0x82, 0x64, 0x02];
    let seen = play(
        7,
        &[
            frame(HEADERS, 5, 1, OK),
            frame(0xfa, 0xff, 77, b"unknown"),
            // A body, padded, in two frames.
            frame(HEADERS, 4, 5, &gone),
            frame(DATA, 8, 5, b"\x03{\"r\0\0\0"),
            frame(HEADERS, 0x2d, 3, &[&[2, 0, 0, 0, 1, 16, 0x89][..], &[0, 0]].concat()),
            frame(DATA, 1, 5, b"\":1}"),
            // Huffman, informational, trailers.
            frame(HEADERS, 5, 7, &coded),
            frame(HEADERS, 4, 9, b"\x48\x03103"),
            frame(HEADERS, 4, 9, &[0x8e]),
            frame(DATA, 0, 9, b"oops"),
            frame(HEADERS, 5, 9, b"\x00\x01t\x01v"),
            // A block in three frames, one of them empty.
            frame(HEADERS, 1, 11, &gone[..3]),
            frame(CONTINUATION, 0, 11, b""),
            frame(CONTINUATION, 4, 11, &gone[3..]),
            frame(2, 0, 13, &[0; 5]),
            frame(HEADERS, 4, 13, OK),
            frame(DATA, 0, 13, b"not kept"),
            frame(DATA, 1, 13, b""),
        ],
    );
    let all: Vec<_> = seen.outcomes().iter().map(answered).collect();
    let none = || (Vec::new(), None);
    let (body, header) = none();
    assert_eq!(all[0], (200, body.clone(), header.clone(), true));
    assert_eq!(all[1], (204, body.clone(), header.clone(), true));
    assert_eq!(all[2], (410, b"{\"r\":1}".to_vec(), Some(b"7".to_vec()), true));
    assert_eq!(all[3], (302, body.clone(), header.clone(), true));
    assert_eq!(all[4], (500, b"oops".to_vec(), None, true));
    assert_eq!(all[5], (410, body.clone(), Some(b"7".to_vec()), true));
    assert_eq!(all[6], (200, body, header, true));
    assert_eq!((seen.state, seen.out), (State::Open, vec![]));
}

#[test]
fn reset_streams_are_told_apart() {
    for code in 0..16 {
        let seen = play(2, &[number(RST_STREAM, 1, code), frame(HEADERS, 5, 3, OK)]);
        let wanted = if code == 7 { Outcome::NotProcessed } else { Outcome::Reset(Code(code)) };
        assert_eq!(seen.outcomes()[0], wanted);
        assert_eq!(answered(&seen.outcomes()[1]).0, 200);
    }
    // A status counts, whatever becomes of the body.
    let seen = play(1, &[frame(HEADERS, 4, 1, &[0x8c]), frame(DATA, 0, 1, b"ab"), number(RST_STREAM, 1, 2)]);
    assert_eq!(answered(&seen.outcomes()[0]), (400, b"ab".to_vec(), None, false));
    // A reset of what has ended is harmless (RFC 9113, 8.1).
    let seen = play(1, &[frame(HEADERS, 5, 1, OK), number(RST_STREAM, 1, 0), number(WINDOW_UPDATE, 1, 9)]);
    assert_eq!(seen.state, State::Open);
}

#[test]
fn goaway_gives_back_what_is_above_its_last_stream() {
    for last in 0..8_u32 {
        let seen = play(4, &[frame(HEADERS, 5, 1, OK), goaway(last, 0)]);
        let back = [3, 5, 7].into_iter().filter(|id| *id > last).count() as u64;
        assert_eq!((seen.books.not_processed, seen.books.in_flight), (back, 3 - back), "{last}");
        let ended = if back == 3 { State::Ended(End::Drained) } else { State::Draining };
        assert_eq!(seen.state, ended);
    }
    let seen = play(
        3,
        &[goaway(u32::MAX >> 1, 0), goaway(3, 2), frame(HEADERS, 5, 3, OK), frame(HEADERS, 5, 1, OK)],
    );
    assert_eq!((seen.books.not_processed, seen.books.answered), (1, 2));
    assert_eq!(seen.state, State::Ended(End::Drained));
}

/// Each ends the connection with this code; the request that had left is ambiguous.
#[test]
fn broken_rules_end_the_connection_with_the_right_code() {
    let endless = |n: u32| (0..n).map(|_| frame(CONTINUATION, 0, 1, b"")).collect::<Vec<_>>().concat();
    let cases: Vec<(Code, Vec<u8>)> = vec![
        (Code::PROTOCOL_ERROR, frame(5, 4, 1, &[0, 0, 0, 2, 0x88])),
        (Code::PROTOCOL_ERROR, frame(HEADERS, 5, 0, OK)),
        (Code::PROTOCOL_ERROR, frame(HEADERS, 5, 2, OK)),
        (Code::PROTOCOL_ERROR, frame(HEADERS, 5, 3, OK)),
        (Code::PROTOCOL_ERROR, frame(DATA, 1, 0, b"")),
        (Code::PROTOCOL_ERROR, frame(DATA, 1, 99, b"")),
        (Code::PROTOCOL_ERROR, frame(DATA, 8, 1, &[5, 1])),
        (Code::FRAME_SIZE_ERROR, frame(DATA, 8, 1, b"")),
        (Code::FRAME_SIZE_ERROR, frame(HEADERS, 0x25, 1, b"\0\0")),
        (Code::FRAME_SIZE_ERROR, frame(DATA, 0, 1, &[0; 16_385])[..9].to_vec()),
        (Code::PROTOCOL_ERROR, number(RST_STREAM, 3, 0)),
        (Code::PROTOCOL_ERROR, number(RST_STREAM, 0, 0)),
        (Code::FRAME_SIZE_ERROR, frame(RST_STREAM, 0, 1, b"abc")),
        (Code::FRAME_SIZE_ERROR, frame(2, 0, 1, b"abc")),
        (Code::PROTOCOL_ERROR, frame(SETTINGS, 0, 1, b"")),
        (Code::FRAME_SIZE_ERROR, frame(SETTINGS, 0, 0, b"abc")),
        (Code::FRAME_SIZE_ERROR, frame(SETTINGS, 1, 0, &[0; 6])),
        (Code::PROTOCOL_ERROR, settings(&[(2, 1)])),
        (Code::FLOW_CONTROL_ERROR, settings(&[(4, 1 << 31)])),
        (Code::PROTOCOL_ERROR, settings(&[(5, 16_383)])),
        (Code::PROTOCOL_ERROR, settings(&[(5, 1 << 24)])),
        (Code::FRAME_SIZE_ERROR, frame(PING, 0, 0, b"short")),
        (Code::PROTOCOL_ERROR, frame(PING, 0, 1, &[0; 8])),
        (Code::FRAME_SIZE_ERROR, frame(GOAWAY, 0, 0, &[0; 7])),
        (Code::PROTOCOL_ERROR, frame(GOAWAY, 0, 1, &[0; 8])),
        (Code::PROTOCOL_ERROR, number(WINDOW_UPDATE, 0, 0)),
        (Code::PROTOCOL_ERROR, number(WINDOW_UPDATE, 5, 1)),
        (Code::FLOW_CONTROL_ERROR, number(WINDOW_UPDATE, 0, u32::MAX >> 1)),
        (Code::FRAME_SIZE_ERROR, frame(WINDOW_UPDATE, 0, 0, b"abc")),
        (Code::PROTOCOL_ERROR, frame(CONTINUATION, 4, 1, OK)),
        (Code::PROTOCOL_ERROR, [frame(HEADERS, 1, 1, b""), frame(DATA, 0, 1, b"")].concat()),
        (Code::PROTOCOL_ERROR, [frame(HEADERS, 1, 1, b""), frame(CONTINUATION, 4, 3, OK)].concat()),
        (Code::PROTOCOL_ERROR, [frame(HEADERS, 1, 1, b""), frame(0xfa, 4, 1, OK)].concat()),
        (Code::ENHANCE_YOUR_CALM, [frame(HEADERS, 1, 1, b""), endless(20)].concat()),
        (Code::COMPRESSION_ERROR, frame(HEADERS, 5, 1, &[0x80])),
        (Code::COMPRESSION_ERROR, frame(HEADERS, 5, 1, &[0x88, 0xbe])),
        (Code::COMPRESSION_ERROR, frame(HEADERS, 5, 1, &[0x88, 0x40, 5, b'a'])),
    ];
    for (n, (code, script)) in cases.iter().enumerate() {
        let seen = play(1, std::slice::from_ref(script));
        let State::Ended(End::Protocol(found, why)) = seen.state else { panic!("case {n}: {seen:?}") };
        assert_eq!(found, *code, "case {n}: {why}");
        assert_eq!(seen.outcomes(), [Outcome::Ambiguous(Doubt::Ended)], "case {n}");
        let said = [[0; 4], code.0.to_be_bytes()].concat();
        assert_eq!(seen.out.last(), Some(&(GOAWAY, 0, 0, said)), "case {n}");
    }
}

#[test]
fn frames_behind_an_end_are_a_fault() {
    for late in [frame(HEADERS, 5, 1, OK), frame(DATA, 1, 1, b"x")] {
        let seen = play(1, &[frame(HEADERS, 5, 1, OK), late]);
        let State::Ended(End::Protocol(code, _)) = seen.state else { panic!("{seen:?}") };
        assert_eq!((code, seen.books.answered), (Code::STREAM_CLOSED, 1));
    }
}

/// Each costs the one stream only.
#[test]
fn malformed_answers_are_reset() {
    let cases: Vec<Vec<u8>> = vec![
        frame(DATA, 1, 1, b"no head"),
        frame(HEADERS, 5, 1, b"\x00\x01a\x01b"),
        frame(HEADERS, 5, 1, b"\x48\x0220"),
        frame(HEADERS, 5, 1, b"\x48\x03abc"),
        frame(HEADERS, 5, 1, b"\x48\x03103"),
        frame(HEADERS, 4, 1, b"\x48\x03101"),
        number(WINDOW_UPDATE, 1, 0),
    ];
    for case in cases {
        let seen = play(2, &[case.clone(), frame(HEADERS, 5, 3, OK)]);
        assert_eq!(seen.outcomes()[0], Outcome::Ambiguous(Doubt::Malformed), "{case:x?}");
        assert_eq!(seen.books.answered, 1);
        assert_eq!((seen.out[0].0, seen.out[0].2, seen.state), (RST_STREAM, 1, State::Open));
    }
    let twice = [frame(HEADERS, 4, 1, OK), frame(HEADERS, 4, 1, b"\x00\x01a\x01b")];
    let seen = play(1, &twice);
    assert_eq!(answered(&seen.outcomes()[0]), (200, vec![], None, false));
}

#[test]
fn nothing_but_settings_may_come_first() {
    for first in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 1, 0, b""), b"HTTP/1.1 400 Bad".to_vec()] {
        let seen = play_on(&|| wire::Connection::new(Config::default(), NOW), 1, &[first]);
        assert!(matches!(seen.state, State::Ended(End::Protocol(Code(1 | 6), _))), "{seen:?}");
    }
}

#[test]
fn settings_and_pings_are_acknowledged_up_to_a_bound() {
    let seen =
        play(0, &[settings(&[(9, 9)]), frame(PING, 0, 0, b"12345678"), frame(PING, 1, 0, b"12345678")]);
    assert_eq!(seen.out, [(SETTINGS, 1, 0, vec![]), (PING, 1, 0, b"12345678".to_vec())]);
    let mut conn = settled(Config::default());
    for n in 0..100_000 {
        conn.receive(&frame(PING, 0, 0, &[1; 8]), NOW);
        assert!(conn.output().len() < 100_000, "{n}");
    }
    assert!(matches!(conn.state(), State::Ended(End::Protocol(Code::ENHANCE_YOUR_CALM, _))));
    // Whoever reads the answers may ask for ever.
    let mut conn = settled(Config::default());
    for _ in 0..20_000 {
        conn.receive(&frame(PING, 0, 0, &[1; 8]), NOW);
        conn.took(17);
    }
    assert_eq!(conn.state(), State::Open);
}

/// The server may use its table until it acknowledged that it has none.
#[test]
fn the_table_works_until_it_is_acknowledged_away() {
    let enters = b"\x48\x03429";
    let uses = [frame(HEADERS, 5, 1, enters), frame(HEADERS, 5, 3, &[0xbe])];
    let seen = play(2, &uses);
    assert!(seen.outcomes().iter().all(|outcome| answered(outcome).0 == 429));
    let acked = [frame(HEADERS, 5, 1, enters), frame(SETTINGS, 1, 0, b""), frame(HEADERS, 5, 3, &[0xbe])];
    assert!(matches!(play(2, &acked).state, State::Ended(End::Protocol(Code::COMPRESSION_ERROR, _))));
}

#[test]
fn long_bodies_are_cut_and_cancelled() {
    let config = || Config { answer_bytes_max: 5, ..Config::default() };
    let script = [frame(HEADERS, 4, 1, &[0x8c]), frame(DATA, 0, 1, b"1234567"), frame(DATA, 1, 1, b"late")];
    let seen = play_on(&|| settled(config()), 1, &script);
    assert_eq!(answered(&seen.outcomes()[0]), (400, b"12345".to_vec(), None, false));
    assert_eq!(seen.out, [(RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
}
