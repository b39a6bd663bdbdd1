//! What can be wrong with a list: of the whole (ends the parse) or of one line (counted, the rest goes on).

use crate::encoding::Encoding;
use crate::lines::LineTooLong;
use common::ids::clip;
use common::limits::{AUDIENCE_USERS_MAX, UPLOAD_BYTES_MAX, UPLOAD_PLAIN_BYTES_MAX};
use schemars::JsonSchema;
use serde::Serialize;

/// A fault of the whole file. The sentences are for the person who uploads it; none quotes a device token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Nothing in it.
    #[error("the list is empty: it has {lines} lines and no entry")]
    Empty {
        /// Lines that were seen, header and blank ones included.
        lines: u64,
    },
    /// The first line is not the header that it should be.
    #[error("line {line}: {why}")]
    Header {
        /// Where the header was looked for.
        line: u64,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// Its first bytes are those of something else.
    #[error("this is {what}, not a list as text: {hint}")]
    NotText {
        /// What it is.
        what: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// The compressed stream is broken.
    #[error("the {encoding} data is damaged near byte {at}: {why}")]
    Damaged {
        /// Which compression.
        encoding: Encoding,
        /// Offset in the upload as sent.
        at: u64,
        /// What the decompressor said.
        why: String,
    },
    /// The compressed stream ends too early.
    #[error(
        "the {encoding} data ends at byte {at} in the middle of a stream: it was cut off, upload it again"
    )]
    Truncated {
        /// Which compression.
        encoding: Encoding,
        /// Its length as sent.
        at: u64,
    },
    /// A line is too long.
    #[error(transparent)]
    LineTooLong(#[from] LineTooLong),
    /// A quoted field goes on in the next line, and then nobody knows any more what is a user.
    #[error(
        "line {line}: a quote is opened and not closed; fields with line breaks are not supported, remove that column or the quote"
    )]
    OpenQuote {
        /// Which line.
        line: u64,
    },
    /// More bytes as sent than allowed.
    #[error("the upload is larger than {UPLOAD_BYTES_MAX} bytes, the most allowed: split it, or compress it")]
    TooManyBytes,
    /// More bytes after decompression than allowed.
    #[error(
        "the list is larger than {UPLOAD_PLAIN_BYTES_MAX} bytes once decompressed (reached at byte {at} of the upload)"
    )]
    TooManyPlainBytes {
        /// Offset in the upload as sent.
        at: u64,
    },
    /// More entries than allowed.
    #[error("line {line}: the list has more than {AUDIENCE_USERS_MAX} users, the most allowed")]
    TooManyUsers {
        /// The first line beyond it.
        line: u64,
    },
    /// Most of its first lines are bad: it is something else altogether.
    #[error("this does not look like {expected}: {bad} of the first {seen} entries are bad; the first is line {}: {}", .first.line, .first.why)]
    MostlyBad {
        /// What was expected.
        expected: &'static str,
        /// Bad ones.
        bad: u64,
        /// Entries looked at.
        seen: u64,
        /// The first bad one.
        first: BadLine,
    },
}

impl ListError {
    /// Whether the list is too large, rather than wrong.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooManyBytes | Self::TooManyPlainBytes { .. } | Self::TooManyUsers { .. })
    }
}

/// A line that is not an entry. The rest of the file is read all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadLine {
    /// Counted from 1.
    pub line: u64,
    /// What stands in the place of the user id, shortened; empty where that can't be told or must not be shown.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Entries that are looked at before a file is refused as a whole.
pub const JUDGED_ENTRIES: u64 = 1_000;

/// Watches the first entries: if more than half are bad, the file is something else.
#[derive(Debug, Default)]
pub(crate) struct Quality {
    pub(crate) seen: u64,
    pub(crate) bad: u64,
    first: Option<BadLine>,
}

impl Quality {
    /// Counts a good entry.
    pub(crate) fn good(&mut self, expected: &'static str) -> Result<(), ListError> {
        self.seen += 1;
        if self.seen == JUDGED_ENTRIES { self.judge(expected) } else { Ok(()) }
    }

    /// Counts a bad one.
    pub(crate) fn bad(&mut self, bad: &BadLine, expected: &'static str) -> Result<(), ListError> {
        self.bad += 1;
        if self.first.is_none() {
            self.first = Some(bad.clone());
        }
        self.good(expected)
    }

    /// At the end of the file: short ones are judged here, and one without any entry is refused.
    pub(crate) fn finish(&self, expected: &'static str, lines: u64) -> Result<(), ListError> {
        match self.seen {
            0 => Err(ListError::Empty { lines }),
            n if n < JUDGED_ENTRIES => self.judge(expected),
            _ => Ok(()),
        }
    }

    fn judge(&self, expected: &'static str) -> Result<(), ListError> {
        match &self.first {
            Some(first) if self.bad * 2 > self.seen => {
                Err(ListError::MostlyBad { expected, bad: self.bad, seen: self.seen, first: first.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// The start of some bytes, readable and short, for quoting.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(260)];
    let text: String =
        String::from_utf8_lossy(head).chars().map(|c| if c.is_control() { '�' } else { c }).collect();
    clip(&text)
}
