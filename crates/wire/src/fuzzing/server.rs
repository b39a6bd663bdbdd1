//! The server's state machine under arbitrary bytes and arbitrary answers, and together with our client.

use super::feed::first;
use super::script::Script;
use crate::fault::Code;
use crate::frame;
use crate::limits::PREFACE;
use crate::server::{Event, Server, ServerConfig, ServerState};
use crate::{Config, Connection, Group, Outcome, Policy, Request, Template};
use std::collections::BTreeSet;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);

/// It never panics; it is asked once for each stream and never for more at once than it allows; what it writes are frames.
/// Between it and our client nothing is lost, however the bytes are cut.
pub fn server(data: &[u8]) {
    let mut script = Script(data);
    if script.octet().is_multiple_of(4) {
        return together(script);
    }
    let mut world = World::new(&mut script);
    while !script.is_over() {
        world.step(&mut script);
        world.check();
    }
}

fn config(script: &mut Script<'_>) -> ServerConfig {
    ServerConfig {
        streams: [0, 1, 10][script.below(3)],
        stream_window_bytes: [1, 65_535, 1 << 20][script.below(3)],
        window_bytes: [0, 1 << 20][script.below(2)],
        body_bytes_max: [0, 100, 50_000][script.below(3)],
        wanted: vec![":path", "authorization"],
    }
}

struct World {
    server: Server,
    streams_max: usize,
    asked: BTreeSet<u32>,
    waiting: Vec<u32>,
    /// Bytes that left and are not a whole frame yet.
    left: Vec<u8>,
    answers_bytes: usize,
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let config = config(script);
        let streams_max = config.streams as usize;
        let mut world = Self {
            server: Server::new(config),
            streams_max,
            asked: BTreeSet::new(),
            waiting: Vec::new(),
            left: Vec::new(),
            answers_bytes: 0,
        };
        if script.below(8) > 0 {
            world.receive(PREFACE);
        }
        world
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(12) {
            0 => self.receive(script.piece()),
            1 | 2 => {
                let (kind, flags, stream) = (script.octet() % 11, script.octet(), script.number() % 64);
                self.frame(kind, flags, stream, script.piece());
            }
            3 | 4 => {
                let (flags, stream) = ([5, 4, 4, 0][script.below(4)], u32::from(script.octet() % 48));
                self.frame(frame::HEADERS, flags, stream, &[0x83, 0x87, 0x84]);
            }
            5 => {
                let (flags, stream) = (script.octet() & 9, u32::from(script.octet() % 48));
                let bytes = script.below(16_385);
                self.frame(frame::DATA, flags, stream, &vec![0; bytes]);
            }
            6 => {
                let (id, value) = (script.octet() % 7, script.number());
                self.frame(frame::SETTINGS, 0, 0, &[&[0, id][..], &value.to_be_bytes()].concat());
            }
            7 => {
                let (stream, more) = (script.octet() % 48, script.number());
                self.frame(frame::WINDOW_UPDATE, 0, stream.into(), &more.to_be_bytes());
            }
            8 | 9 => self.answer(script),
            10 => match script.below(8) {
                0 => self.server.leave(),
                1 => {
                    let streams = script.octet();
                    self.streams_max = self.streams_max.max(streams.into());
                    self.server.allow(streams.into());
                }
                _ => self.server.reset(script.octet().into(), Code::CANCEL),
            },
            _ => self.took(script.below(65_536)),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let (asked, waiting) = (&mut self.asked, &mut self.waiting);
        self.server.receive(bytes, &mut |event| match event {
            Event::Asked(request) => {
                assert!(asked.insert(request.stream), "{} twice", request.stream);
                assert!(request.body.len() <= request.body_bytes);
                waiting.push(request.stream);
            }
            Event::Reset(stream) => waiting.retain(|known| *known != stream),
            Event::Refused => {}
        });
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, flags, stream, payload);
        self.receive(&bytes);
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let stream = self.waiting.swap_remove(script.below(self.waiting.len()));
        let (status, bytes) = (100 + script.short() % 900, script.below(20_000));
        self.answers_bytes += bytes + 200;
        self.server.answer(stream, status, &[(b"retry-after", script.piece())], &vec![0; bytes]);
        self.answers_bytes += 300;
    }

    fn took(&mut self, bytes: usize) {
        let out = self.server.output();
        let part = out.get(..bytes).unwrap_or(out).to_vec();
        self.server.took(part.len());
        self.left.extend_from_slice(&part);
        while let Some((head, payload)) = first(&self.left) {
            let end = payload.len() + 9;
            assert!(head.kind <= frame::WINDOW_UPDATE && head.kind != frame::PUSH_PROMISE, "{head:?}");
            self.left.drain(..end);
        }
    }

    fn check(&self) {
        assert!(self.server.open() <= self.streams_max.max(1), "{}", self.server.open());
        assert!(self.server.output().len() <= self.answers_bytes + 65 * 64 * 1_024 + 1_000);
    }
}

/// Our client and our server: every request that was taken is answered, and asked for once, with its own path and body.
fn together(mut script: Script<'_>) {
    let mut config = config(&mut script);
    config.streams = config.streams.max(1);
    // A byte at a time takes its time.
    let bytes_max = if config.stream_window_bytes == 1 { 300 } else { 70_000 };
    let mut server = Server::new(config);
    let mut client = Connection::new(Config { streams_max: 20, ..Config::default() }, NOW);
    let template = Template::to_paths_below("a", "/x/").with("authorization", "secret", Policy::Indexed);
    let group = Group { template: &template, body_begins: b"", body_ends: b"", until: NOW * 9 };
    let (mut tags, mut asked, mut answered, mut rounds) = (0_u64, Vec::new(), 0_usize, 0);
    while !script.is_over() || (client.books().in_flight > 0 && rounds < 1_000_000) {
        rounds += 1;
        if !script.is_over() && client.room() > 0 {
            let (path, body) = (format!("{tags:x}"), vec![0; script.below(bytes_max)]);
            let request = Request { tag: tags, path: path.as_bytes(), own: &[], body: &body };
            tags += client.submit(&group, &[request]) as u64;
        }
        let most = if script.is_over() { usize::MAX } else { script.below(65_536) };
        let bytes = client.output().get(..most).unwrap_or(client.output()).to_vec();
        client.took(bytes.len());
        server.receive(&bytes, &mut |event| match event {
            Event::Asked(request) => {
                let path = request.value(0).unwrap_or_default().to_vec();
                asked.push((request.stream, path, request.value(1) == Some(b"secret")));
            }
            Event::Refused | Event::Reset(_) => unreachable!("{event:?}"),
        });
        while let Some((stream, _, _)) = asked.get(answered).filter(|_| script.octet() < 200) {
            assert!(server.answer(*stream, 418, &[(b"retry-after", b"7")], b"0123456789"));
            answered += 1;
        }
        let most = if script.is_over() { usize::MAX } else { script.below(65_536) };
        let bytes = server.output().get(..most).unwrap_or(server.output()).to_vec();
        server.took(bytes.len());
        client.receive(&bytes, NOW);
    }
    assert_eq!((client.state(), server.state()), (crate::State::Open, ServerState::Open));
    let mut done = Vec::new();
    client.completions(&mut done);
    let good =
        |o: &Outcome| matches!(o, Outcome::Answered(a) if a.status == 418 && a.body() == b"0123456789");
    assert!(done.iter().all(|c| good(&c.outcome)) && done.len() as u64 == tags, "{rounds} {done:?}");
    let paths: BTreeSet<&[u8]> = asked.iter().map(|(_, path, _)| &**path).collect();
    assert!(paths.len() as u64 == tags && asked.iter().all(|(_, _, secret)| *secret));
}
