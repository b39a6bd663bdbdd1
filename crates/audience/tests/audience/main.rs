//! The builder from outside, on the memory backend: what it makes, what it survives, what it says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is not as it expects")]

mod broken_uploads;
mod listing;
mod model;
mod resume;
mod taking;
mod world;
