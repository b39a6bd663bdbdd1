//! Limits: streams, windows, frame sizes, bytes.

use crate::support::*;
use wire::{Code, Config, Connection, End, Group, Policy, Request, State, Template};

/// Octets of DATA in frames.
fn data(frames: &[Frame]) -> usize {
    frames.iter().filter(|f| f.0 == DATA).map(|f| f.3.len()).sum()
}

#[test]
fn stream_limits_are_followed() {
    let mut conn = Connection::new(Config::default(), NOW);
    assert_eq!((conn.room(), submit(&mut conn, 0, 5, 1)), (1, 1));
    conn.receive(&settings(&[(3, 1_000)]), NOW);
    assert_eq!(submit(&mut conn, 1, 2_000, 1), 999);
    conn.receive(&settings(&[(3, 1)]), NOW);
    flush(&mut conn);
    assert_eq!((conn.streams(), conn.room(), submit(&mut conn, 2_000, 5, 1)), (1, 0, 0));
    for id in (1..2_000).step_by(2) {
        assert_eq!(conn.room(), 0);
        conn.receive(&frame(HEADERS, 5, id, &[0x88]), NOW);
    }
    // Completions that nobody fetched hold the next ones back.
    assert_eq!(conn.room(), 0);
    assert_eq!(done(&mut conn).len(), 1_000);
    assert_eq!(conn.room(), 1);
    conn.receive(&settings(&[(3, 0)]), NOW);
    assert_eq!(conn.room(), 0);
}

#[test]
fn a_window_of_one_byte_is_enough() {
    let mut conn = Connection::new(Config::default(), NOW);
    conn.receive(&settings(&[(3, 100), (4, 1)]), NOW);
    flush(&mut conn);
    assert_eq!(submit(&mut conn, 0, 2, 5), 2);
    assert_eq!(data(&flush(&mut conn)), 2);
    for n in 2..=5 {
        conn.receive(&number(WINDOW_UPDATE, 3, 1), NOW);
        let out = flush(&mut conn);
        assert_eq!(out, [(DATA, u8::from(n == 5), 3, b"x".to_vec())]);
    }
    // An answer before the end of the request: the rest is given up.
    conn.receive(&frame(HEADERS, 5, 1, &[0x8c]), NOW);
    assert_eq!(flush(&mut conn), [(RST_STREAM, 0, 1, vec![0, 0, 0, 8])]);
    assert_eq!((done(&mut conn).len(), conn.books().in_flight), (1, 1));
}

#[test]
fn windows_can_turn_negative() {
    let mut conn = settled(Config::default());
    conn.receive(&settings(&[(4, 10)]), NOW);
    flush(&mut conn);
    assert_eq!(submit(&mut conn, 0, 1, 30), 1);
    assert_eq!(data(&flush(&mut conn)), 10);
    conn.receive(&settings(&[(4, 4)]), NOW);
    conn.receive(&number(WINDOW_UPDATE, 1, 6), NOW);
    assert_eq!(data(&flush(&mut conn)), 0);
    conn.receive(&number(WINDOW_UPDATE, 1, 1), NOW);
    assert_eq!(data(&flush(&mut conn)), 1);
    conn.receive(&settings(&[(4, 1_000)]), NOW);
    assert_eq!(data(&flush(&mut conn)), 19);
    conn.receive(&frame(HEADERS, 5, 1, &[0x88]), NOW);
    assert_eq!(conn.books().answered, 1);
}

#[test]
fn the_connection_window_is_shared_and_holds_requests_back() {
    let mut conn = settled(Config { out_bytes_max: 10_000_000, ..Config::default() });
    let taken = submit(&mut conn, 0, 100, 10_000);
    assert_eq!(taken, 7);
    assert_eq!((data(&flush(&mut conn)), conn.room()), (65_535, 0));
    conn.receive(&number(WINDOW_UPDATE, 0, 4_465), NOW);
    assert_eq!(data(&flush(&mut conn)), 4_465);
    assert_eq!(conn.room(), 93);
    conn.receive(&number(WINDOW_UPDATE, 0, u32::MAX >> 1), NOW);
    assert_eq!(conn.state(), State::Open);
    conn.receive(&number(WINDOW_UPDATE, 0, 1), NOW);
    assert!(matches!(conn.state(), State::Ended(End::Protocol(Code::FLOW_CONTROL_ERROR, _))));
}

#[test]
fn large_blocks_and_bodies_are_split_as_the_server_wants() {
    for size in [16_384_u32, 20_000] {
        let mut conn = settled(Config::default());
        conn.receive(&settings(&[(5, size), (4, 1 << 20)]), NOW);
        flush(&mut conn);
        let template = Template::to_path("a.example", "/p").with("x", vec![0; 50_000], Policy::Literal);
        let group = Group { template: &template, body_begins: b"<", body_ends: b">", until: UNTIL };
        let body = vec![b'x'; 40_000];
        assert_eq!(conn.submit(&group, &[Request { tag: 0, path: b"", own: &[], body: &body }]), 1);
        let out = flush(&mut conn);
        assert!(out.iter().all(|f| f.3.len() <= size as usize));
        let kinds: Vec<(u8, u8)> = out.iter().map(|f| (f.0, f.1)).collect();
        let heads = 50_000_usize.div_ceil(size as usize);
        assert_eq!((kinds[0], kinds[heads - 1], kinds[heads].0), ((HEADERS, 0), (CONTINUATION, 4), DATA));
        assert_eq!((data(&out), kinds.last().unwrap().1), (40_002, 1));
    }
}

#[test]
fn a_reader_that_stops_stops_the_writer() {
    let mut conn = settled(Config { out_bytes_max: 5_000, ..Config::default() });
    assert_eq!(submit(&mut conn, 0, 100, 900), 6);
    assert!(conn.output().len() < 6_500 && conn.room() == 0);
    conn.took(2_000);
    assert_eq!(submit(&mut conn, 10, 100, 900), 2);
}

#[test]
fn our_window_is_opened_again_and_defended() {
    let config = Config { window_bytes: 65_535, keep_successes: true, ..Config::default() };
    let mut conn = settled(config.clone());
    assert_eq!(submit(&mut conn, 0, 40, 1), 40);
    flush(&mut conn);
    let mut credit = 0;
    for id in (1..80).step_by(2) {
        conn.receive(&frame(HEADERS, 4, id, &[0x88]), NOW);
        conn.receive(&frame(DATA, 1, id, &[0; 4_000]), NOW);
        for (kind, _, stream, payload) in flush(&mut conn) {
            assert_eq!((kind, stream), (WINDOW_UPDATE, 0));
            credit += u32::from_be_bytes(payload.try_into().unwrap());
        }
    }
    assert!((120_000..=160_000).contains(&credit));
    let mut conn = settled(config);
    assert_eq!(submit(&mut conn, 0, 5, 1), 5);
    flush(&mut conn);
    let flood: Vec<u8> = (0..5).flat_map(|_| frame(DATA, 0, 3, &[0; 16_384])).collect();
    conn.receive(&[frame(HEADERS, 4, 3, &[0x88]), flood].concat(), NOW);
    assert!(matches!(conn.state(), State::Ended(End::Protocol(Code::FLOW_CONTROL_ERROR, _))));
}

/// Bodies that wait for a window count, and no longer when their requests end.
#[test]
fn waiting_bodies_are_bounded_too() {
    let mut conn = settled(Config { out_bytes_max: 5_000, ..Config::default() });
    conn.receive(&settings(&[(4, 0)]), NOW);
    flush(&mut conn);
    assert_eq!(submit(&mut conn, 0, 100, 900), 6);
    assert_eq!((data(&flush(&mut conn)), conn.room()), (0, 0));
    for id in [1, 3, 5] {
        conn.receive(&number(RST_STREAM, id, 7), NOW);
    }
    assert_eq!((submit(&mut conn, 10, 100, 900), conn.books().not_processed), (3, 3));
    flush(&mut conn);
    conn.receive(&settings(&[(4, 900)]), NOW);
    assert_eq!((data(&flush(&mut conn)), conn.room()), (5_400, 94));
}
