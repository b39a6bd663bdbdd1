//! Lists that come in as streams: what the headers say of them, the parser on a thread of its own, its faults as problems.

pub(crate) mod audience;
pub(crate) mod devices;

use crate::extract::{header_text, media_type};
use crate::problem::{Code, Problem};
use ::audience::{Encoding, ListError};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use common::campaign::ListFormat;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that wait for the parser; a piece is at most some hundred kilobytes.
const PIECES_WAITING: usize = 4;

/// What a media type says of a list.
fn format_of(headers: &HeaderMap) -> Result<Declared, Problem> {
    let kind = media_type(headers)?;
    match kind.as_deref() {
        Some("text/csv") => Ok(Declared::Format(ListFormat::Csv)),
        Some("application/x-ndjson" | "application/ndjson") => Ok(Declared::Format(ListFormat::Ndjson)),
        Some("text/plain") => Ok(Declared::Text),
        Some("application/octet-stream") => Ok(Declared::Bytes),
        None => Ok(Declared::Nothing),
        Some(_) => Err(bad_type()),
    }
}

/// What the sender said of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared {
    Format(ListFormat),
    Text,
    Bytes,
    Nothing,
}

fn bad_type() -> Problem {
    let why = "send the list as text/csv or application/x-ndjson (an audience also as text/plain)";
    Problem::new(Code::UnsupportedType, why).at("content-type")
}

/// The encoding that the headers name; `None` leaves it to the first bytes.
fn encoding_of(headers: &HeaderMap) -> Result<Option<Encoding>, Problem> {
    let Some(named) = header_text(headers, header::CONTENT_ENCODING.as_str())? else { return Ok(None) };
    let unsupported = || {
        let why = "send the list as it is, or compressed with gzip or zstd";
        Problem::new(Code::UnsupportedEncoding, why).at("content-encoding")
    };
    Encoding::from_header(named).map(Some).ok_or_else(unsupported)
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        let (code, line) = match &error {
            ListError::Empty { .. } => (Code::ListEmpty, None),
            ListError::Header { line, .. } => (Code::ListHeader, Some(*line)),
            ListError::NotText { .. } => (Code::ListNotText, None),
            ListError::Damaged { .. } => (Code::ListDamaged, None),
            ListError::Truncated { .. } => (Code::ListTruncated, None),
            ListError::LineTooLong(long) => (Code::ListLineTooLong, Some(long.line)),
            ListError::OpenQuote { line } => (Code::ListOpenQuote, Some(*line)),
            ListError::TooManyBytes | ListError::TooManyPlainBytes { .. } => (Code::ListTooLarge, None),
            ListError::TooManyUsers { line } => (Code::ListTooLarge, Some(*line)),
            ListError::MostlyBad { first, .. } => (Code::ListMostlyBad, Some(first.line)),
        };
        Self::new(code, error.to_string()).on_line(line)
    }
}

/// A parser on a thread for blocking work: a small piece may decompress into gigabytes, and no other request waits.
struct Parser<T> {
    pieces: mpsc::Sender<Bytes>,
    task: JoinHandle<Result<T, ListError>>,
}

impl<T: Send + 'static> Parser<T> {
    /// `work` takes pieces until there are no more.
    fn start(work: impl FnOnce(Pieces) -> Result<T, ListError> + Send + 'static) -> Self {
        let (pieces, waiting) = mpsc::channel(PIECES_WAITING);
        Self { pieces, task: tokio::task::spawn_blocking(move || work(Pieces(waiting))) }
    }

    /// Hands a piece over. Answers false when the parser has ended: [`Parser::finish`] says why.
    async fn feed(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// Nothing more comes.
    async fn finish(self) -> Result<T, Problem> {
        drop(self.pieces);
        let done = self.task.await.map_err(|_| Problem::internal("the parser of the list broke off"))?;
        Ok(done?)
    }
}

/// What a parser takes from.
struct Pieces(mpsc::Receiver<Bytes>);

impl Iterator for Pieces {
    type Item = Bytes;
    fn next(&mut self) -> Option<Bytes> {
        self.0.blocking_recv()
    }
}
