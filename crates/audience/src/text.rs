//! Encoding, size limits and lines in one: bytes as sent in, lines of text out.

use crate::encoding::{Encoding, Inflate};
use crate::fault::ListError;
use crate::lines::{Line, LineReader};
use common::limits::{UPLOAD_BYTES_MAX, UPLOAD_PLAIN_BYTES_MAX};

const MAGIC_BYTES: usize = 6;
const SAVE: &str = "save it as CSV or as text with one id a line, in UTF-8";
const ONCE: &str = "decompress it, or compress it once only, with gzip or zstd";
/// First bytes of what people upload by mistake.
const NOT_TEXT: [(&[u8], &str, &str); 9] = [
    (b"PK\x03\x04", "a ZIP archive or an Excel file", SAVE),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", SAVE),
    (b"%PDF", "a PDF", SAVE),
    (b"\xff\xfe", "text in UTF-16", SAVE),
    (b"\xfe\xff", "text in UTF-16", SAVE),
    (b"BZh", "bzip2 data", ONCE),
    (b"\xfd7zXZ", "xz data", ONCE),
    (b"\x1f\x8b", "gzip data", ONCE),
    (b"\x28\xb5\x2f\xfd", "zstd data", ONCE),
];

/// A list as it is uploaded, cut into lines.
#[derive(Debug)]
pub(crate) struct TextStream {
    inflate: Inflate,
    plain: Plain,
}

/// The decompressed side: first bytes, length, lines.
#[derive(Debug)]
struct Plain {
    /// The first bytes; no line is cut before they are known not to be of something else than text.
    head: [u8; MAGIC_BYTES],
    head_bytes: usize,
    bytes: u64,
    bytes_max: u64,
    lines: LineReader,
}

impl TextStream {
    pub(crate) fn new(encoding: Option<Encoding>) -> Result<Self, ListError> {
        let plain = Plain {
            head: [0; MAGIC_BYTES],
            head_bytes: 0,
            bytes: 0,
            bytes_max: UPLOAD_PLAIN_BYTES_MAX,
            lines: LineReader::new(),
        };
        Ok(Self { inflate: Inflate::new(encoding)?, plain })
    }

    /// With another limit, so that tests need no 8 GiB.
    #[cfg(test)]
    pub(crate) fn plain_bytes_max(mut self, max: u64) -> Self {
        self.plain.bytes_max = max;
        self
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.inflate.encoding()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.inflate.at()
    }

    pub(crate) fn plain_bytes(&self) -> u64 {
        self.plain.bytes
    }

    pub(crate) fn lines(&self) -> u64 {
        self.plain.lines.lines()
    }

    pub(crate) fn feed(
        &mut self,
        chunk: &[u8],
        mut on_line: impl FnMut(Line<'_>) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        let Self { inflate, plain } = self;
        let sent = inflate.at() + chunk.len() as u64;
        if sent > UPLOAD_BYTES_MAX {
            return Err(ListError::TooManyBytes);
        }
        inflate.feed(chunk, &mut |bytes| plain.take(bytes, sent, &mut on_line))
    }

    pub(crate) fn finish(
        &mut self,
        mut on_line: impl FnMut(Line<'_>) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        let Self { inflate, plain } = self;
        let sent = inflate.at();
        inflate.finish(&mut |bytes| plain.take(bytes, sent, &mut on_line))?;
        plain.finish(on_line)
    }
}

impl Plain {
    fn take(
        &mut self,
        mut bytes: &[u8],
        sent: u64,
        on_line: &mut impl FnMut(Line<'_>) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(ListError::TooManyPlainBytes { at: sent });
        }
        let missing = MAGIC_BYTES - self.head_bytes;
        if missing > 0 {
            let (first, rest) = bytes.split_at(missing.min(bytes.len()));
            self.head[self.head_bytes..][..first.len()].copy_from_slice(first);
            self.head_bytes += first.len();
            if self.head_bytes < MAGIC_BYTES {
                return Ok(());
            }
            self.take_head(on_line)?;
            bytes = rest;
        }
        self.lines.feed(bytes, on_line)
    }

    fn finish(
        &mut self,
        mut on_line: impl FnMut(Line<'_>) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        if self.head_bytes < MAGIC_BYTES {
            self.take_head(&mut on_line)?;
        }
        self.lines.finish(on_line)
    }

    fn take_head(
        &mut self,
        on_line: &mut impl FnMut(Line<'_>) -> Result<(), ListError>,
    ) -> Result<(), ListError> {
        let head = &self.head[..self.head_bytes];
        match NOT_TEXT.iter().find(|(magic, ..)| head.starts_with(magic)) {
            Some(&(_, what, hint)) => Err(ListError::NotText { what, hint }),
            None => self.lines.feed(head, on_line),
        }
    }
}
