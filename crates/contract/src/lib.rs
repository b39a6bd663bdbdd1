//! The contract of the ports, as code: a model backend in memory (for the tests of every crate), the suite that every
//! adapter must pass, and broken adapters which prove that the suite sees what it should.
//!
//! It names no adapter: an adapter's own tests hand a [`suite::Factory`] to [`suite::run`].

pub mod broken;
pub mod memory;
pub mod suite;
