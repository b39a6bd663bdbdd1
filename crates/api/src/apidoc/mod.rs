//! The document of this API, made from the code: paths and methods are held against the router and the table of rules, the
//! schemas come from the types, the types of problems from their one list. `docs/openapi.json` is this document.

mod operation;
mod page;
mod schemas;
mod table;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use page::html;

use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(write::document);
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let text = serde_json::to_string_pretty(openapi()).unwrap_or_default();
    text + "\n"
});

/// The document.
#[must_use]
pub fn openapi() -> &'static Value {
    &DOCUMENT
}

/// The document as text: one line for each value, sorted by name, so that a difference is easy to read.
#[must_use]
pub fn text() -> &'static str {
    &TEXT
}
