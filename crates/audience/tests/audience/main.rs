//! The builder from outside, on the memory backend: what it makes, what it survives, what it says.

mod broken_uploads;
mod listing;
mod model;
mod resume;
mod taking;
mod world;
