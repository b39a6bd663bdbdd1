//! One CSV line into fields: commas, double quotes, doubled quotes inside them. A field can't hold a line break.

use std::ops::Range;

/// Why a line is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowFault {
    /// A quote is opened and not closed on this line.
    OpenQuote,
    /// A quote stands where none can; the field is counted from 1.
    StrayQuote(usize),
}

/// The fields of one line; made once and used for every line.
#[derive(Debug, Default)]
pub(crate) struct Row {
    fields: Vec<(Range<usize>, bool)>,
    /// Fields that had doubled quotes, without them.
    unescaped: String,
}

impl Row {
    /// Finds the fields of `line`.
    pub(crate) fn split(&mut self, line: &str) -> Result<(), RowFault> {
        self.fields.clear();
        self.unescaped.clear();
        if memchr::memchr(b'"', line.as_bytes()).is_some() {
            return self.split_quoted(line);
        }
        let mut start = 0;
        for comma in memchr::memchr_iter(b',', line.as_bytes()) {
            self.fields.push((start..comma, false));
            start = comma + 1;
        }
        self.fields.push((start..line.len(), false));
        Ok(())
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Field `n` of the line that was split last; empty when there is none.
    pub(crate) fn get<'a>(&'a self, line: &'a str, n: usize) -> &'a str {
        match self.fields.get(n) {
            Some((at, false)) => &line[at.clone()],
            Some((at, true)) => &self.unescaped[at.clone()],
            None => "",
        }
    }

    /// All fields.
    pub(crate) fn iter<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |n| self.get(line, n))
    }

    fn split_quoted(&mut self, line: &str) -> Result<(), RowFault> {
        let (bytes, mut at) = (line.as_bytes(), 0);
        loop {
            let column = self.fields.len() + 1;
            if bytes.get(at) == Some(&b'"') {
                at = self.quoted_field(line, at + 1)?;
            } else {
                let end = memchr::memchr(b',', &bytes[at..]).map_or(line.len(), |n| at + n);
                if memchr::memchr(b'"', &bytes[at..end]).is_some() {
                    return Err(RowFault::StrayQuote(column));
                }
                self.fields.push((at..end, false));
                at = end;
            }
            match bytes.get(at) {
                None => return Ok(()),
                Some(b',') => at += 1,
                Some(_) => return Err(RowFault::StrayQuote(column)),
            }
        }
    }

    /// Takes a field whose opening quote is before `start`; answers the place behind its closing quote.
    fn quoted_field(&mut self, line: &str, start: usize) -> Result<usize, RowFault> {
        let bytes = line.as_bytes();
        let (mut from, kept) = (start, self.unescaped.len());
        loop {
            let close = from + memchr::memchr(b'"', &bytes[from..]).ok_or(RowFault::OpenQuote)?;
            let doubled = bytes.get(close + 1) == Some(&b'"');
            if !doubled && from == start {
                self.fields.push((start..close, false));
                return Ok(close + 1);
            }
            self.unescaped.push_str(&line[from..close + usize::from(doubled)]);
            if !doubled {
                self.fields.push((kept..self.unescaped.len(), true));
                return Ok(close + 1);
            }
            from = close + 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Result<Vec<String>, RowFault> {
        let mut row = Row::default();
        row.split(line)?;
        Ok(row.iter(line).map(str::to_owned).collect())
    }

    #[test]
    fn rows() {
        assert_eq!(split("a,b,,").unwrap(), ["a", "b", "", ""]);
        assert_eq!(split("c,\"\"\""), Err(RowFault::OpenQuote));
        assert_eq!(split(r#""a,b","say ""hi""",c,"""x""#).unwrap(), ["a,b", "say \"hi\"", "c", "\"x"]);
        assert_eq!(split(r#"a,"b"x"#), Err(RowFault::StrayQuote(2)));
        assert_eq!(split(r#"a,b"x""#), Err(RowFault::StrayQuote(2)));
        assert_eq!(split("").unwrap(), [""]);
        assert_eq!(split(r#""","""#).unwrap(), ["", ""]);
    }

    proptest! {
        /// What is written by the rules is read back; rubbish never panics.
        #[test]
        fn round_trip(fields in proptest::collection::vec("[a,\"é ]{0,6}", 1..6), rubbish in "[a,\"é]{0,20}") {
            let quoted: Vec<_> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            prop_assert_eq!(split(&quoted.join(",")).unwrap(), fields);
            let _ = split(&rubbish);
        }
    }
}
