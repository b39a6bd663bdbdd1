//! What is fuzzed: one function for each target, used by `fuzz/` and by the test that replays the corpus.
//!
//! Each takes arbitrary bytes as a script and panics when something is not as it must be. Nothing here is part of the product:
//! the module exists with the feature `fuzzing` only.

mod connection;
mod feed;
mod frames;
mod hpack;
mod script;
mod server;
mod witness;

pub use connection::connection;
pub use frames::frames;
pub use hpack::hpack;
pub use server::server;

/// Plays a script.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 4] =
    [("frames", frames), ("hpack", hpack), ("connection", connection), ("server", server)];
