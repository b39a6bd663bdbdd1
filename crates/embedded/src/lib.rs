//! The ports of [`common::ports`] on local files, for one process: what `owl` runs on when there is no cloud.
//!
//! Tables lie in two fjall databases, queue bodies in a segment log of our own (`docs/formats-queue-log.md` has it byte
//! by byte), objects in plain files. `docs/adr/0001-embedded-storage.md` says why, with figures. What is acknowledged
//! survives `kill -9`; with [`EmbeddedConfig::fsync`] it survives a power cut too.
//!
//! It decides nothing: order, visibility and claims are `common`'s pure rules.

mod config;
mod devices;
mod disk;
mod lock;
mod objects;
mod open;
mod queue;
mod steady;
mod sync;
mod tables;

pub use config::EmbeddedConfig;
pub use open::{Embedded, OpenError, open};
pub use queue::Damage;
