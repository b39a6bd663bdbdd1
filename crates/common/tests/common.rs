//! The one integration test binary of this crate.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod stepping;
