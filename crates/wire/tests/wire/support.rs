//! Frames by hand, and scripts that are played whole, cut in two at every byte, and byte by byte.

use std::time::Duration;
use wire::{Books, Completion, Config, Connection, Group, Outcome, Request, State, Template};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const NOW: Duration = Duration::from_secs(1);
pub(crate) const UNTIL: Duration = Duration::from_secs(9);

/// A frame: kind, flags, stream, payload.
pub(crate) type Frame = (u8, u8, u32, Vec<u8>);

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut all = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    all.extend_from_slice(&[kind, flags]);
    all.extend_from_slice(&stream.to_be_bytes());
    all.extend_from_slice(payload);
    all
}

pub(crate) fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        all.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn number(kind: u8, stream: u32, value: u32) -> Vec<u8> {
    frame(kind, 0, stream, &value.to_be_bytes())
}

pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// The frames in an output; the client's preface is left out.
pub(crate) fn frames(mut out: &[u8]) -> Vec<Frame> {
    out = out.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap_or(out);
    let mut all = Vec::new();
    while !out.is_empty() {
        let len = u32::from_be_bytes([0, out[0], out[1], out[2]]) as usize;
        let stream = u32::from_be_bytes(out[5..9].try_into().unwrap());
        all.push((out[3], out[4], stream, out[9..9 + len].to_vec()));
        out = &out[9 + len..];
    }
    all
}

pub(crate) fn template() -> Template {
    Template::to_paths_below("a.example", "/3/device/")
}

/// A connection whose server allows 100 streams, with nothing left to write.
pub(crate) fn settled(config: Config) -> Connection {
    let mut conn = Connection::new(config, NOW);
    conn.receive(&settings(&[(3, 100)]), NOW);
    flush(&mut conn);
    conn
}

/// Takes all of the output.
pub(crate) fn flush(conn: &mut Connection) -> Vec<Frame> {
    let out = conn.output().to_vec();
    conn.took(out.len());
    frames(&out)
}

/// Submits requests tagged from `first` on, with a body of `bytes`.
pub(crate) fn submit(conn: &mut Connection, first: u64, count: usize, bytes: usize) -> usize {
    let template = template();
    let group = Group { template: &template, body_begins: b"", body_ends: b"", until: UNTIL };
    let body = vec![b'x'; bytes];
    let requests: Vec<Request<'_>> =
        (0..count as u64).map(|n| Request { tag: first + n, path: b"00ff", own: &[], body: &body }).collect();
    let taken = conn.submit(&group, &requests);
    assert!(conn.books().balance());
    taken
}

/// Where each request begins.
pub(crate) fn starts(out: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut all = Vec::new();
    for (kind, _, _, payload) in frames(out) {
        if kind == HEADERS {
            all.push(at);
        }
        at += 9 + payload.len();
    }
    all
}

/// What so many requests look like when nothing has left yet, and where each begins.
pub(crate) fn untouched(requests: usize) -> (Vec<u8>, Vec<usize>) {
    let mut conn = settled(Config::default());
    submit(&mut conn, 0, requests, 10);
    (conn.output().to_vec(), starts(conn.output()))
}

pub(crate) fn done(conn: &mut Connection) -> Vec<Completion> {
    let mut all = Vec::new();
    conn.completions(&mut all);
    all
}

/// What a script led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) done: Vec<Completion>,
    pub(crate) state: State,
    pub(crate) books: Books,
    pub(crate) out: Vec<Frame>,
}

impl Seen {
    /// Outcomes in the order of tags.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut done = self.done.clone();
        done.sort_by_key(|c| c.tag);
        done.into_iter().map(|c| c.outcome).collect()
    }
}

/// Plays a script after so many requests have left, in every way of cutting it, with the same result each time.
pub(crate) fn play(requests: usize, script: &[Vec<u8>]) -> Seen {
    play_on(&|| settled(Config::default()), requests, script)
}

pub(crate) fn play_on(make: &dyn Fn() -> Connection, requests: usize, script: &[Vec<u8>]) -> Seen {
    let bytes = script.concat();
    let whole = play_in(make(), requests, &[&bytes]);
    for cut in 1..bytes.len() {
        let (a, b) = bytes.split_at(cut);
        assert_eq!(play_in(make(), requests, &[a, b]), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(play_in(make(), requests, &single), whole, "byte by byte");
    whole
}

fn play_in(mut conn: Connection, requests: usize, pieces: &[&[u8]]) -> Seen {
    assert_eq!(submit(&mut conn, 0, requests, 10), requests);
    flush(&mut conn);
    for piece in pieces {
        conn.receive(piece, NOW);
        assert!(conn.books().balance());
    }
    let out = conn.output().to_vec();
    Seen { done: done(&mut conn), state: conn.state(), books: conn.books(), out: frames(&out) }
}
