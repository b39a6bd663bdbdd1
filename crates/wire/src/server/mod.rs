//! The other side of a connection, for stand-ins and tests: takes requests, gives answers, without I/O.
//!
//! As strict as a client has to expect of a server, and bounded, but made for clients that are ours or that a test starts:
//! it is no server for the open internet. Its answers use no header table.

mod answer;
mod control;
mod receive;

use crate::fault::Code;
use crate::frame;
use crate::hpack::{Decoder, coded};
use crate::limits::{FRAME_BYTES_MAX, WINDOW_FIRST, WINDOW_MAX};
use std::collections::{HashMap, VecDeque};

/// Once so many bytes have left of an output that never runs empty, they are cut off.
const CUT_BYTES: usize = 256 * 1_024;

/// Limits of streams that wait for the client's acknowledgement.
const ANNOUNCED_MAX: usize = 256;

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Streams at once that it allows at first.
    pub streams: u32,
    /// Bytes of each body that may be on their way.
    pub stream_window_bytes: u32,
    /// Bytes of all bodies that may be on their way; 65,535 at least.
    pub window_bytes: u32,
    /// Bytes of a body that are kept.
    pub body_bytes_max: usize,
    /// Request headers that are shown, pseudo-headers too, in lower case.
    pub wanted: Vec<&'static str>,
}

/// A request that is complete.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its stream.
    pub stream: u32,
    head: &'a Head,
    /// Its body, as far as it is kept.
    pub body: &'a [u8],
    /// Bytes of the whole body.
    pub body_bytes: usize,
}

impl<'a> Asked<'a> {
    /// The value of a wanted header, by its place in [`ServerConfig::wanted`].
    #[must_use]
    pub fn value(&self, place: usize) -> Option<&'a [u8]> {
        self.head.value(place)
    }
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A request; it waits for [`Server::answer`] or [`Server::reset`].
    Asked(Asked<'a>),
    /// A stream beyond the limit; it was refused.
    Refused,
    /// The client gave a request up, before its end or before its answer.
    Reset(u32),
}

/// The wanted values of a request's head.
#[derive(Debug, Default)]
struct Head {
    text: Vec<u8>,
    /// Where each stands in `text`.
    places: Vec<Option<(u32, u32)>>,
}

impl Head {
    fn value(&self, place: usize) -> Option<&[u8]> {
        let (from, to) = (*self.places.get(place)?)?;
        self.text.get(from as usize..to as usize)
    }
}

/// A header that is shown.
#[derive(Debug)]
struct Wanted {
    name: &'static [u8],
    /// The name, Huffman-coded.
    coded: Vec<u8>,
    /// Its last Huffman-coded value, and what that says: a credential is the same again and again.
    known: (Vec<u8>, Vec<u8>),
}

impl Wanted {
    fn new(name: &'static str) -> Self {
        let name = name.as_bytes();
        Self { name, coded: coded(name), known: (Vec::new(), Vec::new()) }
    }
}

/// A request whose end has not come.
#[derive(Debug, Default)]
struct Coming {
    head: Head,
    body: Vec<u8>,
    body_bytes: usize,
}

/// An answer's body that waits for a window.
#[derive(Debug)]
struct Rest {
    stream: u32,
    body: Vec<u8>,
    sent: usize,
}

#[derive(Debug)]
enum Stream {
    /// Its request has not come to its end.
    Coming(Box<Coming>),
    /// It waits for its answer.
    Asked,
}

/// Whether a server still serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It does.
    Open,
    /// It said goodbye, and answers what came before.
    Leaving,
    /// All is answered, or the client broke the protocol. What is left of the output has to be written.
    Ended,
}

/// One connection, seen from the server.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    wanted: Vec<Wanted>,
    out: Vec<u8>,
    /// How many of `out` left.
    taken: usize,
    partial: Vec<u8>,
    /// The preface has not come yet.
    fresh: bool,
    /// Stream, whether it ends, frames so far, the block so far.
    block: Option<(u32, bool, u32, Vec<u8>)>,
    decoder: Decoder,
    streams: HashMap<u32, Stream, std::hash::BuildHasherDefault<IdHasher>>,
    /// Kept for the next requests, so that nothing is allocated.
    #[expect(clippy::vec_box, reason = "they move between here and the streams as they are")]
    spare: Vec<Box<Coming>>,
    /// Highest stream that was opened.
    last: u32,
    /// Streams that are allowed now: the most of those limits that the client may still go by.
    limit: u32,
    /// Limits that were announced, from the last that the client acknowledged on.
    announced: VecDeque<u32>,
    /// The client acknowledged our introduction.
    introduced: bool,
    /// Highest stream that is served, once goodbye was said.
    leaving: Option<u32>,
    ended: bool,
    send_window: i64,
    /// Windows of streams that the client changed; the others have `first_window`.
    stream_windows: HashMap<u32, i64>,
    first_window: i64,
    frame_bytes: usize,
    receive_window: i64,
    waiting: VecDeque<Rest>,
}

/// Stream ids are spread well enough.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl std::hash::Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u32(&mut self, id: u32) {
        self.0 = u64::from(id >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Server {
    /// A server whose SETTINGS wait in the output.
    #[must_use]
    pub fn new(mut config: ServerConfig) -> Self {
        config.window_bytes = config.window_bytes.clamp(WINDOW_FIRST as u32, WINDOW_MAX as u32);
        config.stream_window_bytes = config.stream_window_bytes.min(WINDOW_MAX as u32);
        let mut server = Self {
            wanted: config.wanted.iter().map(|name| Wanted::new(name)).collect(),
            out: Vec::new(),
            taken: 0,
            partial: Vec::new(),
            fresh: true,
            block: None,
            decoder: Decoder::new(),
            streams: HashMap::default(),
            spare: Vec::new(),
            last: 0,
            limit: config.streams,
            announced: VecDeque::from([config.streams]),
            introduced: false,
            leaving: None,
            ended: false,
            send_window: WINDOW_FIRST,
            stream_windows: HashMap::new(),
            first_window: WINDOW_FIRST,
            frame_bytes: FRAME_BYTES_MAX,
            receive_window: i64::from(config.window_bytes),
            waiting: VecDeque::new(),
            config,
        };
        server.introduce();
        server
    }

    /// Frames to write.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.out.get(self.taken..).unwrap_or_default()
    }

    /// So many bytes of the output were written.
    pub fn took(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken >= self.out.len() {
            self.out.clear();
            self.taken = 0;
        } else if self.taken >= CUT_BYTES {
            self.out.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> ServerState {
        match self.leaving {
            _ if self.ended => ServerState::Ended,
            None => ServerState::Open,
            Some(_) if self.streams.is_empty() && self.waiting.is_empty() => ServerState::Ended,
            Some(_) => ServerState::Leaving,
        }
    }

    /// Requests that are coming or wait for their answers.
    #[must_use]
    pub fn open(&self) -> usize {
        self.streams.len()
    }

    /// Allows so many streams from now on; fewer than before once the client has acknowledged it.
    pub fn allow(&mut self, streams: u32) {
        if self.announced.len() < ANNOUNCED_MAX {
            self.announced.push_back(streams);
        } else if let Some(last) = self.announced.back_mut() {
            // A client that acknowledges nothing: it is held to no smaller limit, and fills no memory.
            *last = streams.max(*last);
        }
        self.limit = self.limit.max(streams);
        let setting = [&[0, 3][..], &streams.to_be_bytes()].concat();
        frame::put(&mut self.out, frame::SETTINGS, 0, 0, &setting);
    }

    /// Serves nothing that comes from now on.
    pub fn leave(&mut self) {
        self.leave_with(Code::NO_ERROR, b"");
    }

    /// The same with a code and a few words of why, as a server's GOAWAY may have them.
    pub fn leave_with(&mut self, code: Code, words: &[u8]) {
        if self.leaving.is_none() {
            self.leaving = Some(self.last);
            self.put_goaway(code, words);
        }
    }

    fn put_goaway(&mut self, code: Code, words: &[u8]) {
        let payload = [&self.last.to_be_bytes()[..], &code.0.to_be_bytes()[..], words].concat();
        frame::put(&mut self.out, frame::GOAWAY, 0, 0, &payload);
    }
}

#[cfg(test)]
mod tests;
