//! Guesses how a list is written, from its content type or its first line.

use common::campaign::ListFormat;

/// What a `Content-Type` header says of the format; `None` when it leaves that open (text/plain does: many tools send it
/// for anything).
#[must_use]
pub fn by_content_type(value: &str) -> Option<ListFormat> {
    let kind = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match kind.as_str() {
        "text/csv" | "application/csv" => Some(ListFormat::Csv),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/json" => Some(ListFormat::Ndjson),
        _ => None,
    }
}

/// What the first line that is not blank says of the format: a header, a JSON value, or an id. A line with a comma is
/// taken for a header, so that a file with a wrong one is refused and not read as strange ids.
#[must_use]
pub fn by_first_line(line: &str) -> ListFormat {
    let name = header_name(line);
    match name.as_bytes().first() {
        Some(b'{' | b'[') => ListFormat::Ndjson,
        Some(b'"') if !name.contains("user_id") => ListFormat::Ndjson,
        _ if name.contains(',') || name.contains("user_id") => ListFormat::Csv,
        _ => ListFormat::Plain,
    }
}

/// A column's name as it is compared: without spaces around it, in lower case.
pub(crate) fn header_name(field: &str) -> String {
    field.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        for (line, format) in [
            ("user_id", ListFormat::Csv),
            ("name, User_ID ,x", ListFormat::Csv),
            ("\"user_id\",\"name\"", ListFormat::Csv),
            ("\"user_id\"", ListFormat::Csv),
            ("{\"user_id\":\"a\"}", ListFormat::Ndjson),
            ("\"alice\"", ListFormat::Ndjson),
            ("alice", ListFormat::Plain),
            ("id,name", ListFormat::Csv),
            ("user_id;name", ListFormat::Csv),
        ] {
            assert_eq!(by_first_line(line), format, "{line}");
        }
        assert_eq!(by_content_type("text/csv; charset=utf-8"), Some(ListFormat::Csv));
        assert_eq!(by_content_type("Application/X-NDJSON"), Some(ListFormat::Ndjson));
        assert_eq!(by_content_type("text/plain"), None);
    }
}
