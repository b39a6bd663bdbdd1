//! What leaves, and what does not, when GOAWAY comes while requests are on their way out.

use crate::support::*;
use wire::{Config, End, Group, Policy, Request, State, Template};

/// Whatever the server says of them, what it gives back never leaves, however many bytes had left before; what it keeps
/// leaves whole.
#[test]
fn what_a_goaway_gives_back_is_taken_out_of_the_output() {
    let (whole, starts) = untouched(4);
    for left in 0..=whole.len() {
        for last in [0, 1, 3, 5] {
            let mut conn = settled(Config::default());
            submit(&mut conn, 0, 4, 10);
            conn.took(left);
            conn.receive(&[frame(PING, 0, 0, b"12345678"), goaway(last, 0)].concat(), NOW);
            let begun = starts.iter().filter(|start| **start < left).count().max(last.div_ceil(2) as usize);
            let all = frames(&[&whole[..left], conn.output()].concat());
            let heads = all.iter().filter(|f| f.0 == HEADERS).count();
            assert_eq!(heads, begun, "{left}, {last}");
            let books = conn.books();
            assert_eq!(
                (books.not_processed, books.in_flight),
                (4 - u64::from(last).div_ceil(2), 4 - books.not_processed)
            );
            // Each that begun has its end, or is reset.
            for stream in all.iter().filter(|f| f.0 == HEADERS).map(|f| f.2) {
                let ends = |f: &&Frame| f.2 == stream && (f.0 == RST_STREAM || (f.0 == DATA && f.1 == 1));
                assert_eq!(all.iter().filter(ends).count(), 1, "{left}, {last}, stream {stream}");
            }
            assert_eq!(all.iter().filter(|f| f.0 == PING).count(), 1);
        }
    }
}

/// Where frames begin is still known when so much has left that the output's front was cut off.
#[test]
fn a_goaway_finds_the_frames_of_a_long_output() {
    let make = || {
        let mut conn = settled(Config { out_bytes_max: 1 << 20, ..Config::default() });
        conn.receive(&[settings(&[(4, 1 << 20)]), number(WINDOW_UPDATE, 0, 1 << 20)].concat(), NOW);
        flush(&mut conn);
        assert_eq!(submit(&mut conn, 0, 40, 16_000), 40);
        conn
    };
    let whole = make().output().to_vec();
    for left in (262_000..300_000).step_by(991) {
        let mut conn = make();
        conn.took(left);
        conn.took(17);
        conn.receive(&goaway(1, 0), NOW);
        let all = frames(&[&whole[..left + 17], conn.output()].concat());
        let begun = starts(&whole).iter().filter(|start| **start < left + 17).count();
        assert_eq!(all.iter().filter(|f| f.0 == HEADERS).count(), begun, "{left}");
    }
}

/// What is taken back of bodies is given back to the connection's window, for those that may still leave.
#[test]
fn a_goaway_gives_the_window_back_that_cut_bodies_took() {
    let mut conn = settled(Config::default());
    conn.receive(&settings(&[(4, 30_000)]), NOW);
    flush(&mut conn);
    assert_eq!(submit(&mut conn, 0, 1, 40_000), 1);
    assert_eq!(flush(&mut conn).iter().map(|f| f.3.len()).max(), Some(16_384));
    assert_eq!(submit(&mut conn, 1, 2, 30_000), 2);
    conn.receive(&[goaway(1, 0), number(WINDOW_UPDATE, 1, 10_000)].concat(), NOW);
    let out = flush(&mut conn);
    assert_eq!(out.iter().map(|f| (f.0, f.1, f.2, f.3.len())).collect::<Vec<_>>(), [(DATA, 1, 1, 10_000)]);
    assert_eq!((conn.books().not_processed, conn.books().in_flight), (2, 1));
}

/// A block in several frames that has begun to leave is completed: anything else would break the connection.
#[test]
fn a_block_that_has_begun_to_leave_is_completed_after_a_goaway() {
    let mut conn = settled(Config::default());
    let template = Template::to_path("a.example", "/p").with("x", vec![0; 40_000], Policy::Literal);
    let group = Group { template: &template, body_begins: b"", body_ends: b"", until: UNTIL };
    assert_eq!(conn.submit(&group, &[Request { tag: 0, path: b"", own: &[], body: b"x" }; 2]), 2);
    let out = conn.output().to_vec();
    let left = 16_384 + 9 + 5;
    conn.took(left);
    conn.receive(&goaway(0, 0), NOW);
    let all = frames(&[&out[..left], conn.output()].concat());
    let kinds: Vec<(u8, u32)> = all.iter().map(|f| (f.0, f.2)).collect();
    let block = [(HEADERS, 1), (CONTINUATION, 1), (CONTINUATION, 1), (RST_STREAM, 1), (GOAWAY, 0)];
    assert_eq!(kinds, block);
    assert_eq!((conn.books().not_processed, conn.state()), (2, State::Ended(End::Drained)));
}
