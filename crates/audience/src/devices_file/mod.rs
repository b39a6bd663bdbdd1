//! The device import: CSV (header `user_id,platform,token,locale` and optional columns, any order) or NDJSON, compressed
//! or not, into [`DeviceRow`]s.
//!
//! A column that is not known is an error that names it, because a misspelt `opted_out` would send to people who want
//! nothing. A fault of one line names the field; tokens are never quoted.

mod json;
mod row;
mod testers;
#[cfg(test)]
mod tests;

pub use testers::testers;

use crate::csv::{Row, RowFault};
use crate::detect::header_name;
use crate::encoding::Encoding;
use crate::fault::{BadLine, ListError, Quality};
use crate::lines::Line;
use crate::text::TextStream;
use crate::users::{row_fault, text_of};
use common::device::{BadField, DeviceRow};
use common::ids::clip;
use common::time::UnixMs;
use row::{COLUMNS, REQUIRED, Raw, Rows};
use serde::Serialize;

/// How an import is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFormat {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line, with the same names.
    Ndjson,
}

/// A line of an import that can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("line {line}: {field}: {why}")]
pub struct BadRow {
    /// Counted from 1.
    pub line: u64,
    /// The column at fault; `line` when it is the line as a whole.
    pub field: &'static str,
    /// What is wrong with it, and what would be right. Never quotes a token.
    pub why: String,
}

/// One line of an import.
#[derive(Debug)]
pub struct NumberedRow {
    /// Its line, counted from 1.
    pub line: u64,
    /// What it says.
    pub row: DeviceRow,
}

/// What a whole import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImportFacts {
    /// How it is written.
    pub format: RowFormat,
    /// How it is compressed.
    pub encoding: Encoding,
    /// Rows, good and bad ones, without header and blank lines.
    pub rows: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Bytes as sent.
    pub bytes: u64,
}

/// Reads an import piece by piece, with bounded memory.
#[derive(Debug)]
pub struct DeviceReader {
    text: TextStream,
    state: Import,
}

/// The part behind the lines.
#[derive(Debug)]
struct Import {
    header: Header,
    rows: Rows,
    quality: Quality,
}

#[derive(Debug)]
enum Header {
    /// The first line settles it, unless the format is given.
    Open(Option<RowFormat>),
    Ndjson,
    Csv {
        row: Row,
        /// For each of [`COLUMNS`], which field has it.
        places: Box<[Option<usize>; COLUMNS.len()]>,
        width: usize,
    },
}

impl DeviceReader {
    /// With format and encoding where they are known. A row without `registered_at` gets `registered_at`: of two users
    /// that claim one device, the later keeps it, so this is usually the time of the import.
    ///
    /// # Errors
    /// Only where the decompressor can't start.
    pub fn new(
        format: Option<RowFormat>,
        encoding: Option<Encoding>,
        registered_at: UnixMs,
    ) -> Result<Self, ListError> {
        let (header, rows) = (Header::Open(format), Rows::new(registered_at));
        let state = Import { header, rows, quality: Quality::default() };
        Ok(Self { text: TextStream::new(encoding)?, state })
    }

    /// Takes the next bytes and hands out every row that ends in them.
    ///
    /// # Errors
    /// A fault of the whole file; nothing more may be fed afterwards.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut on: impl FnMut(Result<NumberedRow, BadRow>),
    ) -> Result<(), ListError> {
        let Self { text, state } = self;
        text.feed(chunk, |line| state.line(line, &mut on))
    }

    /// The file is over.
    ///
    /// # Errors
    /// A fault of the whole file: cut off, empty, or mostly bad.
    pub fn finish(
        mut self,
        mut on: impl FnMut(Result<NumberedRow, BadRow>),
    ) -> Result<ImportFacts, ListError> {
        let Self { text, state } = &mut self;
        text.finish(|line| state.line(line, &mut on))?;
        state.quality.finish(EXPECTED, text.lines())?;
        Ok(ImportFacts {
            format: if matches!(state.header, Header::Ndjson) { RowFormat::Ndjson } else { RowFormat::Csv },
            encoding: text.encoding(),
            rows: state.quality.seen,
            bad: state.quality.bad,
            bytes: text.bytes(),
        })
    }
}

const EXPECTED: &str = "a list of devices";

impl Import {
    fn line(
        &mut self,
        line: Line<'_>,
        on: &mut impl FnMut(Result<NumberedRow, BadRow>),
    ) -> Result<(), ListError> {
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        if let Header::Open(format) = &self.header {
            let text = String::from_utf8_lossy(line.bytes);
            let json = text.trim_start().starts_with('{');
            if format.unwrap_or(if json { RowFormat::Ndjson } else { RowFormat::Csv }) == RowFormat::Csv {
                let failed = |why| ListError::Header { line: line.number, why };
                self.header = Header::csv(&text).map_err(failed)?;
                return Ok(());
            }
            self.header = Header::Ndjson;
        }
        match self.row(line.bytes) {
            Ok(row) => {
                on(Ok(NumberedRow { line: line.number, row }));
                self.quality.good(EXPECTED)
            }
            Err(Fault::OpenQuote) => Err(ListError::OpenQuote { line: line.number }),
            Err(Fault::Field(bad)) => {
                let why = format!("{}: {}", bad.field, bad.why);
                on(Err(BadRow { line: line.number, field: bad.field, why: bad.why }));
                self.quality.bad(&BadLine { line: line.number, text: String::new(), why }, EXPECTED)
            }
        }
    }

    fn row(&mut self, bytes: &[u8]) -> Result<DeviceRow, Fault> {
        let line = text_of(bytes).map_err(whole_line)?;
        let Header::Csv { row, places, width } = &mut self.header else {
            return Ok(json::row(line, &mut self.rows)?);
        };
        row.split(line).map_err(|fault| match fault {
            RowFault::OpenQuote => Fault::OpenQuote,
            stray @ RowFault::StrayQuote(_) => whole_line(row_fault(stray)),
        })?;
        if row.len() != *width {
            return Err(whole_line(format!("has {} fields, the header has {width}", row.len())));
        }
        let fields = places.map(|place| place.map_or("", |n| row.get(line, n)));
        Ok(self.rows.check(&Raw::from_columns(fields))?)
    }
}

enum Fault {
    OpenQuote,
    Field(BadField),
}

impl From<BadField> for Fault {
    fn from(bad: BadField) -> Self {
        Self::Field(bad)
    }
}

fn whole_line(why: String) -> Fault {
    Fault::Field(BadField { field: "line", why })
}

impl Header {
    fn csv(header: &str) -> Result<Self, String> {
        let mut row = Row::default();
        row.split(header).map_err(|fault| format!("the header can't be read: {}", row_fault(fault)))?;
        let mut places = Box::new([None; COLUMNS.len()]);
        for (n, field) in row.iter(header).enumerate() {
            let name = header_name(field);
            let Some(column) = COLUMNS.iter().position(|known| *known == name) else {
                return Err(format!("unknown column `{}`; known are {}", clip(&name), COLUMNS.join(", ")));
            };
            if places[column].replace(n).is_some() {
                return Err(format!("the header has two columns `{name}`"));
            }
        }
        match REQUIRED.iter().find(|(column, _)| places[*column].is_none()) {
            Some((_, name)) => Err(format!("the header has no column `{name}`")),
            None => Ok(Self::Csv { places, width: row.len(), row }),
        }
    }
}
