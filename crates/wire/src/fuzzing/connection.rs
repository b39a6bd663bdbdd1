//! The client's state machine under arbitrary bytes, arbitrary callers and arbitrary times.

use super::feed::Feed;
use super::script::Script;
use super::witness::Witness;
use crate::frame;
use crate::{Config, Connection, End, Group, Outcome, Policy, Request, State, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

/// Bytes of output beyond the bound on requests: answers to the other side's frames, the largest request, resets.
const BEYOND: usize = 64 * 1_024 + 80 * 1_024 + 8 * 1_024;

/// It never panics, the books balance after each step, each tag ends once, output is bounded; what leaves is right in a
/// strict server's eyes, each request is what was submitted, and none that was called not sent is among them.
pub fn connection(data: &[u8]) {
    let mut script = Script(data);
    let mut world = World::new(&mut script);
    while !script.is_over() {
        world.step(&mut script);
        world.check();
    }
    world.end();
}

static TEMPLATES: LazyLock<[Template; 3]> = LazyLock::new(|| {
    let below = Template::to_paths_below("a.example", "/3/");
    [
        below.clone().with("x-long", vec![b'y'; 900], Policy::Indexed),
        Template::to_path("b.example", "/p").with("z", "v", Policy::NeverIndexed).with_own("x-tag"),
        // More than a frame, and shorter as it is than Huffman-coded, which the foreign decoder reads slowly.
        below.with("x-split", vec![0xff; 17_000], Policy::Literal),
    ]
});

struct World {
    conn: Connection,
    config: Config,
    now: Duration,
    /// Bytes of each body, by tag.
    bodies: Vec<usize>,
    ended: BTreeMap<u64, Outcome>,
    feed: Feed,
    witness: Witness,
    /// Nothing leaves any more.
    cut_off: bool,
    piece: usize,
    /// Streams that had begun to leave when a GOAWAY came: all others that are given back must not leave any more.
    given_back: BTreeSet<u64>,
}

fn config(script: &mut Script<'_>) -> Config {
    Config {
        streams_first: [1, 4][script.below(2)],
        streams_max: [1, 5, 20][script.below(3)],
        out_bytes_max: [1, 2_000, 50_000][script.below(3)],
        answer_bytes_max: [0, 5, 4_096][script.below(3)],
        keep_successes: script.below(2) == 0,
        window_bytes: [0, 100_000, 1 << 24][script.below(3)],
        ..Config::default()
    }
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let (config, now) = (config(script), Duration::from_secs(1));
        let mut world = Self {
            conn: Connection::new(config.clone(), now),
            config,
            now,
            bodies: Vec::new(),
            ended: BTreeMap::new(),
            feed: Feed::new(),
            witness: Witness::new(),
            cut_off: false,
            piece: usize::MAX,
            given_back: BTreeSet::new(),
        };
        if script.below(4) > 0 {
            world.frame(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 10]);
        }
        world
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(20) {
            0..=3 => self.submit(script),
            4 => self.took(script.below(65_536)),
            5 | 6 => self.took(usize::MAX),
            7 => self.receive(script.piece()),
            8 => {
                let (kind, flags, stream) = (script.octet() % 11, script.octet(), script.number() % 64);
                self.frame(kind, flags, stream, script.piece());
            }
            9 => self.settings(script),
            10 | 11 => self.answer(script),
            12 => self.frame(frame::RST_STREAM, 0, odd(script), &[0, 0, 0, script.octet() % 16]),
            13 => {
                let (stream, more) = (script.octet() % 48, script.number());
                self.frame(frame::WINDOW_UPDATE, 0, stream.into(), &more.to_be_bytes());
            }
            14 => self.goaway(script),
            15 => self.pass(u64::from(script.short())),
            16 => self.piece = script.below(256) + 1,
            17 => self.data(script),
            18 => match script.octet() {
                240.. => self.conn.all_is_gone(),
                200.. => self.conn.fence(self.now + Duration::from_millis(script.short().into())),
                n if n % 4 == 0 => self.conn.drain(self.now + Duration::from_secs(5)),
                n if n % 4 == 1 => self.lose(),
                _ => self.pass(script.octet().into()),
            },
            _ => self.pong(),
        }
    }

    fn submit(&mut self, script: &mut Script<'_>) {
        let template = &TEMPLATES[[0, 0, 0, 1, 1, 2][script.below(6)]];
        let (count, first) = (script.below(9), self.bodies.len());
        let sizes: Vec<usize> = (0..count)
            .map(|_| match script.octet() {
                0 => 0,
                small @ 1..=199 => usize::from(small),
                _ => script.below(40_000),
            })
            .collect();
        let texts: Vec<(Vec<u8>, Vec<u8>)> = (first..)
            .zip(&sizes)
            .map(|(tag, bytes)| (format!("{tag:08x}").into_bytes(), vec![tag as u8; *bytes]))
            .collect();
        let own: Vec<[&[u8]; 1]> = texts.iter().map(|(tag, _)| [&**tag]).collect();
        let requests: Vec<Request<'_>> = (first as u64..)
            .zip(texts.iter().zip(&own))
            .map(|(tag, ((path, body), own))| Request { tag, path, own, body })
            .collect();
        let until = self.now + Duration::from_millis(script.short().into());
        let group = Group { template, body_begins: b"", body_ends: b"", until };
        let room = self.conn.room();
        let taken = self.conn.submit(&group, &requests);
        assert!(taken <= room.min(count));
        self.bodies.extend(sizes.get(..taken).unwrap_or_default());
    }

    fn took(&mut self, bytes: usize) {
        if self.cut_off {
            return;
        }
        let out = self.conn.output();
        let part = out.get(..bytes).unwrap_or(out);
        self.witness.see(part, &self.feed);
        let bytes = part.len();
        self.conn.took(bytes);
    }

    fn receive(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.feed.see(piece);
            self.conn.receive(piece, self.now);
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, kind, flags, stream, payload);
        self.receive(&bytes);
    }

    fn settings(&mut self, script: &mut Script<'_>) {
        let mut payload = Vec::new();
        for _ in 0..script.below(4) {
            payload.extend_from_slice(&[0, script.octet() % 7]);
            payload.extend_from_slice(&script.number().to_be_bytes());
        }
        self.frame(frame::SETTINGS, 0, 0, &payload);
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        let block: &[u8] =
            [&[0x88][..], &[0x8c], b"\x48\x03429\x0f\x26\x017", b"\x48\x03103", b"\x00\x01t\x01v", &[0xbe]]
                [script.below(6)];
        let flags = [5, 5, 4, 1][script.below(4)];
        self.frame(frame::HEADERS, flags, odd(script), block);
    }

    fn data(&mut self, script: &mut Script<'_>) {
        let flags = [0, 1, 8, 9][script.below(4)];
        let (stream, bytes) = (odd(script), script.below(16_385));
        self.frame(frame::DATA, flags, stream, &vec![0; bytes]);
    }

    /// Whatever of those that it gives back had not begun to leave must never leave.
    fn goaway(&mut self, script: &mut Script<'_>) {
        let last = [odd(script), 0, u32::MAX][script.below(3)];
        let begun = self.witness.is_inside();
        self.frame(frame::GOAWAY, 0, 0, &[last.to_be_bytes(), script.number().to_be_bytes()].concat());
        let given_back = self.fetch();
        if !begun {
            let seen = self.tags();
            self.given_back.extend(given_back.into_iter().filter(|tag| !seen.contains_key(tag)));
        }
    }

    fn pong(&mut self) {
        // The count of the connection's PINGs: one of the first few is right, often.
        for count in 1..4_u64 {
            self.frame(frame::PING, frame::ACK, 0, &count.to_be_bytes());
        }
        // And those of its fences.
        for count in 1..3_u64 {
            self.frame(frame::PING, frame::ACK, 0, &(count | 1 << 63).to_be_bytes());
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.conn.tick(self.now);
    }

    fn lose(&mut self) {
        self.conn.lost();
        self.cut_off = true;
    }

    /// Takes the completions; answers the tags of those that were not processed.
    fn fetch(&mut self) -> Vec<u64> {
        let mut done = Vec::new();
        self.conn.completions(&mut done);
        let back = done.iter().filter(|c| c.outcome == Outcome::NotProcessed).map(|c| c.tag).collect();
        for completion in done {
            assert!((completion.tag as usize) < self.bodies.len(), "{completion:?}");
            let before = self.ended.insert(completion.tag, completion.outcome);
            assert!(before.is_none(), "{} ended twice", completion.tag);
        }
        back
    }

    fn check(&mut self) {
        self.fetch();
        let books = self.conn.books();
        assert!(books.balance() && books.submitted == self.bodies.len() as u64, "{books:?}");
        assert_eq!(self.ended.len() as u64 + books.in_flight, books.submitted);
        assert!(self.conn.output().len() <= self.config.out_bytes_max + BEYOND);
        if matches!(self.conn.state(), State::Ended(_)) {
            assert_eq!((books.in_flight, self.conn.room()), (0, 0));
            assert_eq!(self.conn.next_tick(), None);
        }
    }

    /// What the witness saw, by tag.
    fn tags(&self) -> BTreeMap<u64, (usize, bool)> {
        let mut tags = BTreeMap::new();
        for seen in self.witness.streams.values().filter(|seen| !seen.fields.is_empty()) {
            let wanted = |name: &[u8]| seen.fields.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
            let path = wanted(b":path").unwrap_or_default();
            let text = path.strip_prefix(b"/3/").or(wanted(b"x-tag")).unwrap_or_default();
            let tag = std::str::from_utf8(text).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
            let Some(tag) = tag else { return tags };
            assert!(seen.body.iter().all(|octet| *octet == tag as u8), "{tag}");
            assert!(tags.insert(tag, (seen.body.len(), seen.whole)).is_none(), "{tag} left twice");
        }
        assert!(tags.len() + usize::from(self.witness.is_inside()) >= self.witness.streams.len());
        tags
    }

    fn end(mut self) {
        if !matches!(self.conn.state(), State::Ended(_)) {
            self.took(usize::MAX);
            self.lose();
        }
        self.check();
        self.took(usize::MAX);
        // Lost by our own doing too: when a request's time is over and it has not left, or what left is not read.
        let lost = self.cut_off || matches!(self.conn.state(), State::Ended(End::Lost | End::Unread));
        assert!(lost || self.witness.is_between_frames(), "a frame is not whole");
        let books = self.conn.books();
        assert_eq!((books.in_flight, self.ended.len()), (0, self.bodies.len()));
        for (tag, (bytes, whole)) in self.tags() {
            assert!(self.ended.get(&tag) != Some(&Outcome::NotSent), "{tag} was sent");
            assert!(!self.given_back.contains(&tag), "{tag} was given back and left later");
            assert!(!whole || self.bodies.get(tag as usize) == Some(&bytes), "{tag}");
        }
        let begun = self.bodies.len() as u64 - books.not_sent;
        assert!(self.witness.streams.len() as u64 <= begun);
    }
}

fn odd(script: &mut Script<'_>) -> u32 {
    u32::from(script.octet() % 24) * 2 + 1
}
