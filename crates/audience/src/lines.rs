//! Chunks in, lines out: with a bounded carry-over, line numbers and byte offsets.
//!
//! Knows LF and CRLF, a byte order mark before the first line, and a last line without a newline. What a line means is
//! the business of others.

use common::limits::LINE_BYTES_MAX;

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: u64,
    /// Offset of its first byte in the (decompressed) stream.
    pub at: u64,
    /// Its bytes, without CR and LF; not checked to be UTF-8.
    pub bytes: &'a [u8],
}

/// A line that is longer than any line of such a file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} (from byte {at}) is longer than {LINE_BYTES_MAX} bytes: this is not a list with an entry a line"
)]
pub struct LineTooLong {
    /// Which line, counted from 1.
    pub line: u64,
    /// Offset of its first byte.
    pub at: u64,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cuts a stream into lines. Holds at most [`LINE_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub struct LineReader {
    carry: Vec<u8>,
    lines: u64,
    at: u64,
}

impl LineReader {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lines handed out so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Takes the next bytes and hands out every line that ends in them.
    ///
    /// # Errors
    /// A line that is too long, or what `on_line` answers; nothing more may be fed afterwards.
    pub fn feed<E: From<LineTooLong>>(
        &mut self,
        chunk: &[u8],
        mut on_line: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let part = &chunk[start..end];
            start = end + 1;
            if self.carry.is_empty() {
                self.emit(part, 1, &mut on_line)?;
            } else {
                self.keep(part)?;
                let mut whole = std::mem::take(&mut self.carry);
                self.emit(&whole, 1, &mut on_line)?;
                whole.clear();
                self.carry = whole;
            }
        }
        Ok(self.keep(&chunk[start..])?)
    }

    /// The stream is over: hands out a last line that has no newline.
    ///
    /// # Errors
    /// What `on_line` answers.
    pub fn finish<E: From<LineTooLong>>(
        &mut self,
        mut on_line: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let last = std::mem::take(&mut self.carry);
        if last.is_empty() { Ok(()) } else { self.emit(&last, 0, &mut on_line) }
    }

    fn emit<E: From<LineTooLong>>(
        &mut self,
        raw: &[u8],
        newline: u64,
        on_line: &mut impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if raw.len() > LINE_BYTES_MAX {
            return Err(self.too_long().into());
        }
        let (number, at) = (self.lines + 1, self.at);
        self.lines = number;
        self.at += raw.len() as u64 + newline;
        let bytes = raw.strip_suffix(b"\r").unwrap_or(raw);
        let bytes = if number == 1 { bytes.strip_prefix(BOM).unwrap_or(bytes) } else { bytes };
        on_line(Line { number, at, bytes })
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), LineTooLong> {
        if self.carry.len() + part.len() > LINE_BYTES_MAX {
            return Err(self.too_long());
        }
        self.carry.extend_from_slice(part);
        Ok(())
    }

    fn too_long(&self) -> LineTooLong {
        LineTooLong { line: self.lines + 1, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = Vec<(u64, u64, Vec<u8>)>;

    fn read(chunks: &[&[u8]]) -> Result<Seen, LineTooLong> {
        let (mut reader, mut seen) = (LineReader::new(), Seen::new());
        let mut take = |l: Line<'_>| -> Result<(), LineTooLong> {
            seen.push((l.number, l.at, l.bytes.to_vec()));
            Ok(())
        };
        for chunk in chunks {
            reader.feed(chunk, &mut take)?;
        }
        reader.finish(&mut take)?;
        Ok(seen)
    }

    #[test]
    fn ends_marks_and_offsets() {
        let seen = read(&[b"\xef\xbb\xbfa\r\nbb\n\nlast"]).unwrap();
        let line = |n, at, s: &str| (n, at, s.as_bytes().to_vec());
        assert_eq!(seen, [line(1, 0, "a"), line(2, 6, "bb"), line(3, 9, ""), line(4, 10, "last")]);
        assert_eq!(read(&[b""]).unwrap(), []);
        assert_eq!(read(&[b"\n"]).unwrap(), [line(1, 0, "")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_named_wherever_it_is_cut() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        for whole in [[b"ok\n", &long[..]].concat(), [b"ok\n", &long[..], b"\nmore\n"].concat()] {
            for size in [1, 7, 4096, whole.len()] {
                let chunks: Vec<_> = whole.chunks(size).collect();
                assert_eq!(read(&chunks), Err(LineTooLong { line: 2, at: 3 }), "{size}");
            }
        }
        assert!(read(&[&long[1..]]).is_ok());
    }

    proptest! {
        /// However the bytes are cut, the lines are the same, and they are what splitting the whole gives.
        #[test]
        fn cutting_does_not_matter(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200), size in 1usize..50) {
            let chunks: Vec<_> = bytes.chunks(size).collect();
            let seen = read(&chunks).unwrap();
            prop_assert_eq!(&seen, &read(&[&bytes]).unwrap());
            let wanted = bytes.iter().filter(|b| **b == b'\n').count()
                + usize::from(bytes.last().is_some_and(|b| *b != b'\n'));
            prop_assert_eq!(seen.len(), wanted);
        }
    }
}
