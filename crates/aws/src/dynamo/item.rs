//! Items as maps of attributes: the names that all tables share, and reading them back.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt;

/// An item, or a key.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Partition key of every table.
pub(crate) const PK: &str = "pk";
/// Sort key of every table but the devices'.
pub(crate) const SK: &str = "sk";
/// The content, as bytes.
pub(crate) const BYTES: &str = "b";
/// The [`Mark`] of the last write, or a version.
pub(crate) const V: &str = "v";
/// When DynamoDB may remove the item, in seconds since 1970.
pub(crate) const EXPIRES_AT: &str = "expires_at";

/// Names one write: what it wrote carries it. A later write is conditional on it, and a write whose answer got lost
/// recognises itself by it. Unlike a counter, no two writes have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark([u8; 8]);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Mark {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(rand::rng().random())
    }

    /// In hexadecimal.
    pub(crate) fn text(self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.0))
    }

    /// As an attribute.
    pub(crate) fn value(self) -> AttributeValue {
        binary(self.0)
    }

    /// That of an item.
    pub(crate) fn of(item: &Item) -> Result<Self, String> {
        bytes(item, V)?.try_into().map(Self).map_err(|_| format!("its `{V}` is no mark of a write"))
    }
}

/// A text.
pub(crate) fn text(s: impl Into<String>) -> AttributeValue {
    AttributeValue::S(s.into())
}

/// Bytes.
pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A number.
pub(crate) fn number(n: &impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

/// A value as JSON bytes.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<AttributeValue, String> {
    serde_json::to_vec(value).map(binary).map_err(|e| e.to_string())
}

/// The bytes under this name.
pub(crate) fn bytes<'a>(item: &'a Item, name: &str) -> Result<&'a [u8], String> {
    match item.get(name) {
        Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
        _ => Err(format!("it has no bytes `{name}`")),
    }
}

/// The text under this name.
pub(crate) fn string<'a>(item: &'a Item, name: &str) -> Result<&'a str, String> {
    match item.get(name) {
        Some(AttributeValue::S(s)) => Ok(s),
        _ => Err(format!("it has no text `{name}`")),
    }
}

/// The number under this name.
pub(crate) fn parsed<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T, String> {
    let digits = match item.get(name) {
        Some(AttributeValue::N(n)) => n.parse().ok(),
        _ => None,
    };
    digits.ok_or_else(|| format!("it has no number `{name}`, or one that is out of range"))
}

/// The JSON bytes under [`BYTES`].
pub(crate) fn from_json<T: DeserializeOwned>(item: &Item) -> Result<T, String> {
    serde_json::from_slice(bytes(item, BYTES)?).map_err(|e| e.to_string())
}

/// A number as text that sorts as the number does.
pub(crate) fn sortable(n: i64) -> String {
    format!("{:016x}", n.cast_unsigned() ^ (1 << 63))
}

/// A key, as errors name it: `pk` or `pk / sk`.
pub(crate) fn key_text(key: &Item) -> String {
    let parts: Vec<&str> = [PK, SK].iter().filter_map(|name| string(key, name).ok()).collect();
    parts.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_as_texts() {
        let numbers = [i64::MIN, -10, -9, -1, 0, 1, 9, 10, 99, 100, i64::MAX];
        let texts: Vec<String> = numbers.map(sortable).into();
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn no_two_writes_have_the_same_mark_and_a_mark_survives_its_item() {
        let (one, two) = (Mark::new(), Mark::new());
        assert_ne!(one, two);
        let item = Item::from([(V.to_owned(), one.value())]);
        assert_eq!(Mark::of(&item), Ok(one));
        assert!(Mark::of(&Item::from([(V.to_owned(), number(&7))])).is_err());
    }
}
