//! The frame parser: against a second reading of padding, and against itself with the bytes cut elsewhere.

use super::script::Script;
use crate::frame::{self, Head};
use crate::limits::PREFACE;
use crate::server::{Event, Server, ServerConfig, ServerState};
use crate::{Completion, Config, Connection, End, Group, Request, State, Template};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);
/// Less than any window, so that no grant depends on where the bytes are cut.
const BYTES_MAX: usize = 32 * 1_024;

/// Heads survive being read and written; padding is taken off as a naive reading does it; both state machines see the same
/// however the bytes are cut.
pub fn frames(data: &[u8]) {
    one_head(data);
    let mut script = Script(data.get(..BYTES_MAX).unwrap_or(data));
    let sizes = [script.below(64) + 1, script.below(1_024) + 1];
    let bytes = script.0;
    let whole = as_client(bytes, &[bytes.len().max(1)]);
    assert_eq!(as_client(bytes, &sizes), whole, "client, cut into {sizes:?}");
    let whole = as_server(bytes, &[bytes.len().max(1)]);
    assert_eq!(as_server(bytes, &sizes), whole, "server, cut into {sizes:?}");
}

fn one_head(data: &[u8]) {
    let Some(head) = Head::read(data) else { return assert!(data.len() < 9) };
    let mut octets = head.octets();
    if let (Some(ours), Some(theirs)) = (octets.get_mut(5), data.get(5)) {
        *ours |= theirs & 0x80;
    }
    assert_eq!(data.get(..9), Some(&octets[..]));
    let payload = data.get(9..).unwrap_or_default();
    assert_eq!(frame::strip(head, payload).ok(), stripped(head.kind, head.flags, payload));
    assert_eq!(frame::number(payload).is_ok(), payload.len() == 4);
}

/// RFC 9113, 6.1 and 6.2, by arithmetic.
fn stripped(kind: u8, flags: u8, payload: &[u8]) -> Option<&[u8]> {
    let (padded, prior) = (flags & 0x8 != 0, kind == 1 && flags & 0x20 != 0);
    let pad = if padded { usize::from(*payload.first()?) } else { 0 };
    let front = usize::from(padded) + if prior { 5 } else { 0 };
    payload.get(front..payload.len().checked_sub(pad)?)
}

/// Pieces of these sizes in turn.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize], mut each: impl FnMut(&'a [u8])) {
    for size in sizes.iter().cycle() {
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        if piece.is_empty() {
            return;
        }
        each(piece);
        bytes = rest;
    }
}

/// What ended, and unless all had ended by then, in which state and with which output.
type SeenByClient = (Vec<Completion>, Option<(State, Vec<u8>)>);

fn as_client(bytes: &[u8], sizes: &[usize]) -> SeenByClient {
    let mut conn = Connection::new(Config { streams_first: 4, streams_max: 8, ..Config::default() }, NOW);
    let mut first = Vec::new();
    frame::put(&mut first, frame::SETTINGS, 0, 0, &[]);
    conn.receive(&first, NOW);
    let template = Template::to_path("a", "/");
    let group = Group { template: &template, body_begins: b"{", body_ends: b"}", until: NOW * 2 };
    let requests = [0, 1, 2, 3].map(|tag| Request { tag, path: b"", own: &[], body: b"x" });
    assert_eq!(conn.submit(&group, &requests), 4);
    conn.took(conn.output().len());
    pieces(bytes, sizes, |piece| conn.receive(piece, NOW));
    let mut done = Vec::new();
    conn.completions(&mut done);
    // Drained is seen at the end of a piece: what comes behind it in the same piece is still judged.
    let over = conn.goaway().is_some() && conn.books().in_flight == 0;
    let rest = (!over).then(|| (conn.state(), conn.output().to_vec()));
    assert!(!matches!(conn.state(), State::Ended(End::Drained)) || over);
    (done, rest)
}

type SeenByServer = (Vec<(u32, Vec<u8>, usize)>, ServerState, usize, Vec<u8>);

fn as_server(bytes: &[u8], sizes: &[usize]) -> SeenByServer {
    let mut server = Server::new(ServerConfig {
        streams: 4,
        stream_window_bytes: 65_535,
        window_bytes: 1 << 20,
        body_bytes_max: 100,
        wanted: vec![":path", "authorization"],
    });
    let mut events = Vec::new();
    let mut on = |event: Event<'_>| match event {
        Event::Asked(asked) => {
            let text = [asked.value(0), asked.value(1), Some(asked.body)].map(Option::unwrap_or_default);
            events.push((asked.stream, text.join(&b'|'), asked.body_bytes));
        }
        Event::Refused => events.push((0, Vec::new(), 0)),
        Event::Reset(stream) => events.push((stream, Vec::new(), usize::MAX)),
    };
    server.receive(PREFACE, &mut on);
    pieces(bytes, sizes, |piece| server.receive(piece, &mut on));
    (events, server.state(), server.open(), server.output().to_vec())
}
