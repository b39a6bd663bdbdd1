//! Looks at an upload while it streams through to the object store, so that a bad file is refused at once.

use super::{Entry, ListReader};
use crate::encoding::Encoding;
use crate::fault::{BadLine, ListError};
use common::campaign::ListFormat;
use schemars::JsonSchema;
use serde::Serialize;

/// How many bad lines are named; the snapshot's list of dropped users has them all.
const BAD_LINES_NAMED: usize = 20;

/// What is known of an upload that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UploadFacts {
    /// How it is written.
    pub format: ListFormat,
    /// How it is compressed.
    pub encoding: Encoding,
    /// Lines that should name a user: good and bad ones, without header and blank lines.
    pub lines: u64,
    /// Bytes as sent.
    pub bytes: u64,
    /// Bytes after decompression.
    pub plain_bytes: u64,
    /// Bad lines; the rest of the file is used all the same.
    pub bad: u64,
    /// The first of them.
    pub bad_lines: Vec<BadLine>,
}

/// Checks header, encoding, sizes and the share of bad lines of an upload, in less than 10 MiB of memory.
#[derive(Debug)]
pub struct UploadCheck {
    reader: ListReader,
    bad_lines: Vec<BadLine>,
}

impl UploadCheck {
    /// With format and encoding where the request's headers tell; else the first bytes do.
    ///
    /// # Errors
    /// Only where the decompressor can't start.
    pub fn new(format: Option<ListFormat>, encoding: Option<Encoding>) -> Result<Self, ListError> {
        Ok(Self { reader: ListReader::new(format, encoding)?, bad_lines: vec![] })
    }

    /// Takes the next bytes of the upload.
    ///
    /// # Errors
    /// Refuse the upload with it; nothing more may be fed.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), ListError> {
        let Self { reader, bad_lines } = self;
        reader.feed(chunk, |entry| keep_bad(bad_lines, &entry))
    }

    /// The upload is over.
    ///
    /// # Errors
    /// Refuse the upload with it.
    pub fn finish(self) -> Result<UploadFacts, ListError> {
        let Self { reader, mut bad_lines } = self;
        let facts = reader.finish(|entry| keep_bad(&mut bad_lines, &entry))?;
        Ok(UploadFacts {
            format: facts.format,
            encoding: facts.encoding,
            lines: facts.entries,
            bytes: facts.bytes,
            plain_bytes: facts.plain_bytes,
            bad: facts.bad,
            bad_lines,
        })
    }
}

fn keep_bad(bad_lines: &mut Vec<BadLine>, entry: &Entry<'_>) {
    if let Entry::Bad(bad) = entry
        && bad_lines.len() < BAD_LINES_NAMED
    {
        bad_lines.push((*bad).clone());
    }
}
