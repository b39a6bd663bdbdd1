//! What is fuzzed outside of `wire`: one function for each target, used by `fuzz/` and by the test that replays the corpus.
//!
//! Each takes arbitrary bytes and panics when something is not as it must be. docs/fuzzing.md says what that is. Nothing here is
//! part of the product.
#![expect(clippy::expect_used, clippy::panic, reason = "a panic is how a target says what it found")]

mod api_bodies;
mod config;
mod envelopes;
mod script;
mod snapshot;
mod upload;

pub use api_bodies::api_bodies;
pub use config::config;
pub use envelopes::envelopes;
pub use snapshot::snapshot;
pub use upload::upload;

/// Plays a script.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("upload", upload),
    ("envelopes", envelopes),
    ("snapshot", snapshot),
    ("api_bodies", api_bodies),
    ("config", config),
];
