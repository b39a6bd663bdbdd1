//! Ours against ours without sockets; `loadtest`'s tests put other clients before it.

use super::*;
use crate::{Config, Connection, Group, Outcome, Policy, Request, State, Template};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);

fn server(streams: u32) -> Server {
    Server::new(ServerConfig {
        streams,
        stream_window_bytes: 65_535,
        window_bytes: 1 << 20,
        body_bytes_max: 1_000,
        wanted: vec![":path", "authorization"],
    })
}

/// Moves bytes until nobody has anything to say, in pieces of this size; 200 with the path's length as a body.
fn exchange(client: &mut Connection, server: &mut Server, piece: usize) -> Vec<(String, String, usize)> {
    let mut seen = Vec::new();
    while !client.output().is_empty() || !server.output().is_empty() {
        let bytes = client.output().to_vec();
        client.took(bytes.len());
        let mut asked = Vec::new();
        for piece in bytes.chunks(piece) {
            server.receive(piece, &mut |event| {
                if let Event::Asked(request) = event {
                    let text =
                        |place| String::from_utf8(request.value(place).unwrap_or_default().to_vec()).unwrap();
                    seen.push((text(0), text(1), request.body_bytes));
                    asked.push(request.stream);
                }
            });
        }
        for stream in asked {
            assert!(server.answer(stream, 418, &[(b"retry-after", b"7")], b"0123456789"));
        }
        let bytes = server.output().to_vec();
        server.took(bytes.len());
        for piece in bytes.chunks(piece) {
            client.receive(piece, NOW);
        }
    }
    seen
}

#[test]
fn ours_and_ours_understand_each_other_however_the_bytes_are_cut() {
    for piece in [1, 7, 100_000] {
        let (mut client, mut server) = (Connection::new(Config::default(), NOW), server(10));
        exchange(&mut client, &mut server, piece);
        let template = Template::to_paths_below("a", "/x/").with("authorization", "secret", Policy::Indexed);
        let group = Group { template: &template, body_begins: b"", body_ends: b"", until: NOW * 9 };
        for (n, size) in [0, 1, 999, 1_001, 40_000].into_iter().enumerate() {
            let body = vec![b'x'; size];
            let request = Request { tag: n as u64, path: b"abc", own: &[], body: &body };
            assert_eq!(client.submit(&group, &[request]), 1);
            let seen = exchange(&mut client, &mut server, piece);
            assert_eq!(seen, [("/x/abc".to_owned(), "secret".to_owned(), size)], "cut into {piece}");
        }
        let mut done = Vec::new();
        client.completions(&mut done);
        for completion in &done {
            let Outcome::Answered(answer) = &completion.outcome else { panic!("{completion:?}") };
            assert_eq!((answer.status, answer.body()), (418, &b"0123456789"[..]));
            assert_eq!(answer.header(0), Some(&b"7"[..]));
        }
        assert_eq!((done.len(), server.open()), (5, 0));
        assert_eq!((client.state(), server.state()), (State::Open, ServerState::Open));
    }
}

#[test]
fn a_goodbye_serves_what_came_and_nothing_else() {
    let (mut client, mut server) = (Connection::new(Config::default(), NOW), server(10));
    exchange(&mut client, &mut server, 1_000);
    let template = Template::to_path("a", "/");
    let group = Group { template: &template, body_begins: b"", body_ends: b"", until: NOW * 9 };
    let request = Request { tag: 0, path: b"", own: &[], body: b"x" };
    assert_eq!(client.submit(&group, &[request; 3]), 3);
    let bytes = client.output().to_vec();
    client.took(bytes.len());
    // Two requests and a half.
    let (now, later) = bytes.split_at(bytes.len() - 12);
    let mut asked = Vec::new();
    let mut note = |event: Event<'_>| match event {
        Event::Asked(request) => asked.push(request.stream),
        other => panic!("{other:?}"),
    };
    server.receive(now, &mut note);
    server.leave();
    server.receive(later, &mut note);
    assert!(asked.len() >= 2 && server.state() == ServerState::Leaving);
    for stream in asked {
        server.answer(stream, 200, &[], b"");
    }
    assert_eq!(server.state(), ServerState::Ended);
    client.receive(server.output(), NOW);
    let books = client.books();
    assert_eq!((books.answered + books.not_processed, books.in_flight), (3, 0));
}

#[test]
fn a_stream_beyond_the_limit_is_refused() {
    // The client does not know the limit yet.
    let mut eager = Connection::new(Config { streams_first: 3, ..Config::default() }, NOW);
    let mut server = server(2);
    let template = Template::to_path("a", "/");
    let group = Group { template: &template, body_begins: b"", body_ends: b"", until: NOW * 9 };
    let request = Request { tag: 0, path: b"", own: &[], body: b"x" };
    assert_eq!(eager.submit(&group, &[request; 3]), 3);
    let seen = exchange(&mut eager, &mut server, 1_000);
    let books = eager.books();
    assert_eq!((seen.len(), books.answered, books.not_processed), (2, 2, 1));
}

#[test]
fn a_smaller_limit_holds_once_it_is_acknowledged() {
    let mut server = server(3);
    let mut bytes = crate::limits::PREFACE.to_vec();
    frame::put(&mut bytes, frame::SETTINGS, 0, 0, &[]);
    frame::put(&mut bytes, frame::SETTINGS, frame::ACK, 0, &[]);
    let ask = |id: u8| [&[0, 0, 3, 1, 5, 0, 0, 0, id][..], &[0x83, 0x87, 0x84]].concat();
    let refused = |server: &mut Server, bytes: &[u8]| {
        let mut refused = 0;
        server.receive(bytes, &mut |event| refused += usize::from(matches!(event, Event::Refused)));
        refused
    };
    assert_eq!(refused(&mut server, &bytes), 0);
    server.allow(1);
    // Sent before the client knew.
    assert_eq!(refused(&mut server, &[ask(1), ask(3)].concat()), 0);
    let mut taken = Vec::new();
    frame::put(&mut taken, frame::SETTINGS, frame::ACK, 0, &[]);
    taken.extend_from_slice(&ask(5));
    assert_eq!(refused(&mut server, &taken), 1);
    // More is allowed at once.
    server.allow(3);
    assert_eq!(refused(&mut server, &[ask(7), ask(9)].concat()), 1);
}

#[test]
fn a_goodbye_may_say_why() {
    let mut server = server(1);
    let said = server.output().len();
    server.took(said);
    server.leave_with(Code::ENHANCE_YOUR_CALM, b"why");
    server.leave();
    let expected = [&[0, 0, 11, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11][..], b"why"].concat();
    assert_eq!(server.output(), expected);
}

#[test]
fn windows_of_one_byte_are_kept() {
    let mut server = server(2);
    let mut bytes = crate::limits::PREFACE.to_vec();
    frame::put(&mut bytes, frame::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]);
    frame::put(&mut bytes, frame::HEADERS, 5, 1, &[0x83, 0x87, 0x84]);
    server.receive(&bytes, &mut |_| {});
    let said = server.output().len();
    server.took(said);
    assert!(server.answer(1, 200, &[], b"abc"));
    for n in 1..=3 {
        let out = server.output().to_vec();
        server.took(out.len());
        let wanted = (1, u8::from(n == 3));
        let data = out.get(out.len() - 10..).unwrap();
        assert_eq!((data[2], data[4]), wanted, "{out:?}");
        let mut more = Vec::new();
        frame::put(&mut more, frame::WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
        server.receive(&more, &mut |_| {});
    }
    assert!(server.output().is_empty() && server.open() == 0);
}

#[test]
fn broken_rules_end_it() {
    for script in [&b"GET / HTTP/1.1\r\n\r\n-------"[..], &[0; 9], &[0, 0, 1, 1, 5, 0, 0, 0, 2, 0x84]] {
        let mut server = server(2);
        if !script.starts_with(b"GET") {
            server.receive(crate::limits::PREFACE, &mut |_| {});
        }
        server.receive(script, &mut |event| panic!("{event:?}"));
        assert_eq!(server.state(), ServerState::Ended, "{script:?}");
    }
}

/// The protocol's first window can't be made smaller; there is no update by nothing.
#[test]
fn a_server_without_a_window_has_the_first_one() {
    let mut server = Server::new(ServerConfig {
        streams: 1,
        stream_window_bytes: 65_535,
        window_bytes: 0,
        body_bytes_max: 0,
        wanted: Vec::new(),
    });
    let introduction = server.output().len();
    server.receive(crate::limits::PREFACE, &mut |_| {});
    assert_eq!((introduction, server.output().len()), (9 + 12, 9 + 12));
}
