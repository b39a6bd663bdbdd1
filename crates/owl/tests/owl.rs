//! The one integration test binary of this crate: the real `owl` program, as processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod it;
