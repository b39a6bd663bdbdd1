//! The state machine of one client connection (RFC 9113), without sockets and clocks. See `design.md`.

mod answer;
mod control;
mod fence;
mod finish;
mod flow;
mod output;
mod receive;
mod submit;
mod time;

use crate::config::Config;
use crate::encode::Encoder;
use crate::fault::Code;
use crate::hpack::{Decoder, coded};
use crate::limits;
use crate::request::{Books, Completion};
use crate::slots::Slots;
use fence::Fences;
use output::Output;
use std::collections::VecDeque;
use std::time::Duration;

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Takes requests.
    Open,
    /// Takes none, because the caller or the server's GOAWAY said so, or because the server kept a window shut for a
    /// request's whole time; answers are still read.
    Draining,
    /// All requests have ended. What is left of [`Connection::output`] says goodbye.
    Ended(End),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// All answers are in, or the deadline of draining came.
    #[error("drained")]
    Drained,
    /// The server broke the protocol: the code is what GOAWAY tells it.
    #[error("the server broke the protocol ({0:?}): {1}")]
    Protocol(Code, &'static str),
    /// A PING was not answered in time.
    #[error("no answer to a PING")]
    PingLost,
    /// What was written before a [`fence`](Connection::fence) was not read in time.
    #[error("what was written was not read in time")]
    Unread,
    /// The caller said that nothing comes or goes any more.
    #[error("the connection was lost")]
    Lost,
}

/// One client connection: bytes and requests go in, bytes and completions come out.
///
/// The caller writes [`output`](Self::output) and tells with [`took`](Self::took) how much of it left, before it hands in
/// what it read: an answer to a request that has not left is a fault of the server's.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    /// Wanted header names, plain and Huffman-coded.
    wanted: Vec<(Vec<u8>, Vec<u8>)>,
    status_name: Vec<u8>,
    out: Output,
    /// The beginning of a frame.
    partial: Vec<u8>,
    block: Option<Block>,
    encoder: Encoder,
    decoder: Decoder,
    slots: Slots,
    books: Books,
    done: Vec<Completion>,
    peer: Peer,
    /// What we may still send on the connection; negative never, but signed as the streams' are.
    send_window: i64,
    receive_window: i64,
    /// Streams whose body waits for a window, and some that ended meanwhile.
    blocked: VecDeque<u32>,
    /// Bytes of those bodies.
    rest_bytes: usize,
    draining: Option<Draining>,
    goaway: Option<Code>,
    /// Not later than the first time-out.
    earliest: Option<Duration>,
    ping: Ping,
    fences: Fences,
    end: Option<End>,
}

/// What the server's SETTINGS say (RFC 9113, 6.5.2).
#[derive(Debug)]
struct Peer {
    /// Its first SETTINGS came.
    settled: bool,
    streams: Option<u32>,
    window: i64,
    frame_bytes: usize,
}

/// A header block whose end has not come.
#[derive(Debug)]
struct Block {
    stream: u32,
    end_stream: bool,
    frames: u32,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Draining {
    until: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    /// When the last one left or, before, when the connection was made.
    last: Duration,
    /// One is on its way.
    waits: bool,
    count: u64,
    round_trip: Option<Duration>,
}

impl Connection {
    /// A connection whose first bytes (RFC 9113, 3.4) wait in the output. `now` is of the caller's clock.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let config = config.bounded();
        let mut connection = Self {
            wanted: config
                .wanted
                .iter()
                .map(|name| (name.as_bytes().to_vec(), coded(name.as_bytes())))
                .collect(),
            status_name: coded(b":status"),
            out: Output::default(),
            partial: Vec::new(),
            block: None,
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            slots: Slots::new(config.streams_max),
            books: Books::default(),
            done: Vec::new(),
            peer: Peer {
                settled: false,
                streams: None,
                window: limits::WINDOW_FIRST,
                frame_bytes: limits::FRAME_BYTES_MAX,
            },
            send_window: limits::WINDOW_FIRST,
            receive_window: i64::from(config.window_bytes),
            blocked: VecDeque::new(),
            rest_bytes: 0,
            draining: None,
            goaway: None,
            earliest: None,
            ping: Ping { last: now, waits: false, count: 0, round_trip: None },
            fences: Fences::default(),
            end: None,
            config,
        };
        connection.introduce();
        connection
    }

    /// Frames to write.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.out.waiting()
    }

    /// The kernel took so many bytes of the output. A request of which it took nothing can still end as
    /// [`NotSent`](crate::Outcome::NotSent).
    pub fn took(&mut self, bytes: usize) {
        self.out.took(bytes);
    }

    /// Of what was taken, the last so many bytes have not reached the kernel: TLS holds them. When a fence ends the connection, their
    /// requests end as [`NotSent`](crate::Outcome::NotSent) too: the caller throws them away.
    pub fn held(&mut self, bytes: u64) {
        self.fences.held = bytes;
    }

    pub(crate) fn left(&self) -> u64 {
        self.out.left()
    }

    /// Moves what has ended since the last call to the end of `to`.
    pub fn completions(&mut self, to: &mut Vec<Completion>) {
        to.append(&mut self.done);
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> State {
        match self.end {
            Some(end) => State::Ended(end),
            None if self.draining.is_some() => State::Draining,
            None => State::Open,
        }
    }

    /// Where every request is.
    #[must_use]
    pub fn books(&self) -> Books {
        self.books
    }

    /// What the server's GOAWAY said.
    #[must_use]
    pub fn goaway(&self) -> Option<Code> {
        self.goaway
    }

    /// What the last answered PING took.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.ping.round_trip
    }

    /// Streams that the server allows at once, as far as we use them.
    #[must_use]
    pub fn streams(&self) -> usize {
        let allowed = match self.peer.streams {
            _ if !self.peer.settled => self.config.streams_first,
            Some(streams) => streams as usize,
            None => self.config.streams_max,
        };
        allowed.min(self.config.streams_max)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.books.in_flight as usize
    }

    /// Whether it can open another stream at all.
    pub(crate) fn has_ids(&self) -> bool {
        self.slots.has_ids()
    }

    fn check(&self) {
        debug_assert!(self.books.balance(), "{:?}", self.books);
        debug_assert_eq!(self.slots.all_open().count(), self.in_flight());
    }
}
