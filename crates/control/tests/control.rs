//! The one integration test binary of this crate: operations on the model backend, in virtual time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod it;
