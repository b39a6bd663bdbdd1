//! Audience lists: CSV with a `user_id` column, NDJSON or plain lines, compressed or not.
//!
//! [`ListReader`] takes the bytes as they come and hands out an [`Entry`] for each line that should name a user. Blank
//! lines are skipped and not counted. [`UploadCheck`] does the same for an upload that is streaming through.

mod check;
mod line;
#[cfg(test)]
mod tests;

pub use check::{UploadCheck, UploadFacts};

use crate::detect;
use crate::encoding::Encoding;
use crate::fault::{BadLine, ListError, Quality, quote};
use crate::lines::Line;
use crate::text::TextStream;
use common::campaign::ListFormat;
use common::limits::AUDIENCE_USERS_MAX;
use line::{Fault, IdFinder};
pub(crate) use line::{json_fault, row_fault, text_of};

/// One line that should name a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// It does.
    User {
        /// Its line, counted from 1.
        line: u64,
        /// The id, checked.
        id: &'a str,
    },
    /// It does not.
    Bad(&'a BadLine),
}

/// What a whole list came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// How it is written.
    pub format: ListFormat,
    /// How it is compressed.
    pub encoding: Encoding,
    /// Lines in all.
    pub lines: u64,
    /// Lines that should name a user: good and bad ones, without header and blank lines.
    pub entries: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Bytes as sent.
    pub bytes: u64,
    /// Bytes after decompression.
    pub plain_bytes: u64,
}

/// Reads a list piece by piece, with bounded memory.
#[derive(Debug)]
pub struct ListReader {
    text: TextStream,
    entries: Entries,
}

/// The part behind the lines.
#[derive(Debug)]
struct Entries {
    format: Option<ListFormat>,
    finder: Option<IdFinder>,
    quality: Quality,
    users_max: u64,
}

impl ListReader {
    /// With format and encoding where they are known; else the first line and the first bytes tell.
    ///
    /// # Errors
    /// Only where the decompressor can't start.
    pub fn new(format: Option<ListFormat>, encoding: Option<Encoding>) -> Result<Self, ListError> {
        let entries =
            Entries { format, finder: None, quality: Quality::default(), users_max: AUDIENCE_USERS_MAX };
        Ok(Self { text: TextStream::new(encoding)?, entries })
    }

    /// With other limits, so that tests need neither 8 GiB nor 40 million users.
    #[cfg(test)]
    pub(crate) fn limits(mut self, plain_bytes: u64, users: u64) -> Self {
        self.text = self.text.plain_bytes_max(plain_bytes);
        self.entries.users_max = users;
        self
    }

    /// Entries so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.quality.seen
    }

    /// Bytes as sent, so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.text.bytes()
    }

    /// Takes the next bytes and hands out every entry that ends in them.
    ///
    /// # Errors
    /// A fault of the whole file; nothing more may be fed afterwards.
    pub fn feed(&mut self, chunk: &[u8], mut on: impl FnMut(Entry<'_>)) -> Result<(), ListError> {
        let Self { text, entries } = self;
        text.feed(chunk, |line| entries.line(line, &mut on))
    }

    /// The file is over.
    ///
    /// # Errors
    /// A fault of the whole file: cut off, empty, or mostly bad.
    pub fn finish(mut self, mut on: impl FnMut(Entry<'_>)) -> Result<ListFacts, ListError> {
        let Self { text, entries } = &mut self;
        text.finish(|line| entries.line(line, &mut on))?;
        let format = entries.format.unwrap_or(ListFormat::Plain);
        entries.quality.finish(expected(format), text.lines())?;
        Ok(ListFacts {
            format,
            encoding: text.encoding(),
            lines: text.lines(),
            entries: entries.quality.seen,
            bad: entries.quality.bad,
            bytes: text.bytes(),
            plain_bytes: text.plain_bytes(),
        })
    }
}

/// What a format is called when a file is not in it.
fn expected(format: ListFormat) -> &'static str {
    match format {
        ListFormat::Csv => "a CSV list of users",
        ListFormat::Ndjson => "an NDJSON list of users (one object with `user_id`, or one string, a line)",
        ListFormat::Plain => "a plain list with one user id a line",
    }
}

impl Entries {
    fn line(&mut self, line: Line<'_>, on: &mut impl FnMut(Entry<'_>)) -> Result<(), ListError> {
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let Some(finder) = &mut self.finder else { return self.first_line(line, on) };
        let expected = expected(finder.format());
        if self.quality.seen >= self.users_max {
            return Err(ListError::TooManyUsers { line: line.number });
        }
        match finder.find(line.bytes) {
            Ok(id) => {
                on(Entry::User { line: line.number, id });
                self.quality.good(expected)
            }
            Err(Fault::OpenQuote) => Err(ListError::OpenQuote { line: line.number }),
            Err(Fault::Line(why)) => {
                let bad = BadLine { line: line.number, text: quote(line.bytes), why };
                on(Entry::Bad(&bad));
                self.quality.bad(&bad, expected)
            }
        }
    }

    /// Settles the format, and takes the header where there is one.
    fn first_line(&mut self, line: Line<'_>, on: &mut impl FnMut(Entry<'_>)) -> Result<(), ListError> {
        let text = String::from_utf8_lossy(line.bytes);
        let format = *self.format.get_or_insert_with(|| detect::by_first_line(&text));
        if format == ListFormat::Csv {
            let header = IdFinder::csv(&text).map_err(|why| ListError::Header { line: line.number, why })?;
            self.finder = Some(header);
            return Ok(());
        }
        self.finder =
            Some(if format == ListFormat::Plain { IdFinder::Plain } else { IdFinder::Ndjson(String::new()) });
        self.line(line, on)
    }
}
