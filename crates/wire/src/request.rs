//! What goes in, and what comes out.

use crate::Template;
use crate::fault::Code;
use std::time::Duration;

/// What is a request's own.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Handed back with its completion.
    pub tag: u64,
    /// The rest of the path, if the template leaves it open.
    pub path: &'a [u8],
    /// Values of the template's own fields, in their order. Fields without a value are left out.
    pub own: &'a [&'a [u8]],
    /// The middle of the body.
    pub body: &'a [u8],
}

/// Requests that share a template and the ends of their bodies.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Header fields.
    pub template: &'a Template,
    /// How all bodies begin.
    pub body_begins: &'a [u8],
    /// How all bodies end.
    pub body_ends: &'a [u8],
    /// When waiting for an answer ends, on the caller's clock.
    pub until: Duration,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An HTTP answer came, at least its status.
    Answered(Answer),
    /// The server reset the stream: it may have processed the request (RFC 9113, 6.4).
    Reset(Code),
    /// The server says that it did not process the request: REFUSED_STREAM, or above GOAWAY's last stream (8.7).
    NotProcessed,
    /// Not one byte of it left: see [`Connection::took`](crate::Connection::took).
    NotSent,
    /// Bytes of it left, and no answer came.
    Ambiguous(Doubt),
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// No answer in time; the stream was cancelled.
    TimedOut,
    /// The answer broke the protocol; the stream was reset.
    Malformed,
    /// The connection ended first.
    Ended,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status, 200 and above.
    pub status: u16,
    /// Whether the answer came to its end (and its body, if it is kept at all, was kept whole). The status counts either
    /// way.
    pub whole: bool,
    detail: Option<Box<Detail>>,
}

/// What few answers have: made only for those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail {
    /// Place among the wanted names, and value.
    pub(crate) headers: Vec<(usize, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, whole: bool, detail: Option<Box<Detail>>) -> Self {
        Self { status, whole, detail }
    }

    /// The value of a wanted header, by its place in [`Config::wanted`](crate::Config::wanted).
    #[must_use]
    pub fn header(&self, place: usize) -> Option<&[u8]> {
        self.detail.as_ref()?.headers.iter().find(|(n, _)| *n == place).map(|(_, value)| &**value)
    }

    /// The body, up to [`Config::answer_bytes_max`](crate::Config::answer_bytes_max).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.detail.as_ref().map_or(&[], |detail| &detail.body)
    }
}

/// One request's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Which request.
    pub tag: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// Where every request is. `submitted` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Taken by [`Connection::submit`](crate::Connection::submit).
    pub submitted: u64,
    /// Ended as [`Outcome::Answered`].
    pub answered: u64,
    /// Ended as [`Outcome::Reset`].
    pub reset: u64,
    /// Ended as [`Outcome::NotProcessed`].
    pub not_processed: u64,
    /// Ended as [`Outcome::NotSent`].
    pub not_sent: u64,
    /// Ended as [`Outcome::Ambiguous`].
    pub ambiguous: u64,
    /// Not ended.
    pub in_flight: u64,
}

impl Books {
    /// Whether nothing is lost and nothing counted twice.
    #[must_use]
    pub fn balance(&self) -> bool {
        let ended = self.answered + self.reset + self.not_processed + self.not_sent + self.ambiguous;
        self.submitted == ended + self.in_flight
    }

    pub(crate) fn note(&mut self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Answered(_) => &mut self.answered,
            Outcome::Reset(_) => &mut self.reset,
            Outcome::NotProcessed => &mut self.not_processed,
            Outcome::NotSent => &mut self.not_sent,
            Outcome::Ambiguous(_) => &mut self.ambiguous,
        };
        *count += 1;
    }
}
