//! Finds the user id in one line, or says what is wrong with the line.

use crate::csv::{Row, RowFault};
use crate::detect::header_name;
use common::campaign::ListFormat;
use common::device::check_user_id;
use common::ids::clip;
use serde::Deserialize;
use std::borrow::Cow;

/// Why there is no id in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Of this line only.
    Line(String),
    /// From here on nobody knows what is a line.
    OpenQuote,
}

/// How the id is found; settled by the first line.
#[derive(Debug)]
pub(super) enum IdFinder {
    /// The line is the id.
    Plain,
    /// JSON; with a place for an id that had escapes.
    Ndjson(String),
    /// CSV.
    Csv {
        /// The fields of the line at hand.
        row: Row,
        /// Which field has the id.
        column: usize,
        /// How many fields the header has.
        width: usize,
    },
}

impl IdFinder {
    /// Reads a CSV header.
    pub(super) fn csv(header: &str) -> Result<Self, String> {
        let mut row = Row::default();
        row.split(header).map_err(|fault| format!("the header can't be read: {}", row_fault(fault)))?;
        let mut found = row.iter(header).enumerate().filter(|(_, field)| header_name(field) == "user_id");
        let (first, second) = (found.next(), found.next());
        drop(found);
        match (first, second) {
            (Some((column, _)), None) => Ok(Self::Csv { column, width: row.len(), row }),
            (Some(_), Some(_)) => Err("the header has two columns `user_id`".to_owned()),
            (None, _) => Err(format!(
                "the header has no column `user_id` (columns are separated by commas); it is `{}`",
                clip(header)
            )),
        }
    }

    pub(super) fn format(&self) -> ListFormat {
        match self {
            Self::Plain => ListFormat::Plain,
            Self::Ndjson(_) => ListFormat::Ndjson,
            Self::Csv { .. } => ListFormat::Csv,
        }
    }

    /// The checked id in a line that is not blank.
    pub(super) fn find<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a str, Fault> {
        let line = text_of(bytes).map_err(Fault::Line)?;
        let id = match self {
            Self::Plain => line,
            Self::Ndjson(unescaped) => json_id(line, unescaped).map_err(Fault::Line)?,
            Self::Csv { row, column, width } => {
                row.split(line).map_err(|fault| match fault {
                    RowFault::OpenQuote => Fault::OpenQuote,
                    stray @ RowFault::StrayQuote(_) => Fault::Line(row_fault(stray)),
                })?;
                if row.len() != *width {
                    return Err(Fault::Line(format!("has {} fields, the header has {width}", row.len())));
                }
                row.get(line, *column)
            }
        };
        check_user_id(id).map_err(|bad| Fault::Line(bad.to_string()))?;
        Ok(id)
    }
}

/// A line as text: UTF-8 without NUL bytes.
pub(crate) fn text_of(bytes: &[u8]) -> Result<&str, String> {
    if let Some(at) = memchr::memchr(0, bytes) {
        return Err(format!("has a NUL byte at byte {}", at + 1));
    }
    std::str::from_utf8(bytes).map_err(|e| format!("is not UTF-8 at byte {}", e.valid_up_to() + 1))
}

/// A fault of a row in words.
pub(crate) fn row_fault(fault: RowFault) -> String {
    match fault {
        RowFault::OpenQuote => "a quote is opened and not closed".to_owned(),
        RowFault::StrayQuote(field) => format!("field {field} has a quote in the wrong place"),
    }
}

/// A fault of a JSON line in words: never with a value of it.
pub(crate) fn json_fault(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let said = text.split(" at line ").next().unwrap_or_default();
    if !e.is_data() {
        format!("is not valid JSON at byte {}", e.column())
    } else if ["unknown field", "missing field", "duplicate field"]
        .iter()
        .any(|known| said.starts_with(known))
    {
        clip(said)
    } else {
        format!("has a value of the wrong type at byte {}", e.column())
    }
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    user_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn json_id<'a>(line: &'a str, unescaped: &'a mut String) -> Result<&'a str, String> {
    let id = match line.trim_start().as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Object<'a>>(line).map(|o| o.user_id),
        Some(b'"') => serde_json::from_str::<Text<'a>>(line).map(|t| t.0),
        _ => return Err("is neither a JSON object with `user_id` nor a JSON string".to_owned()),
    };
    match id.map_err(|e| json_fault(&e))? {
        Cow::Borrowed(id) => Ok(id),
        Cow::Owned(id) => {
            *unescaped = id;
            Ok(unescaped)
        }
    }
}
