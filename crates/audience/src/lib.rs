//! Lists of users and devices, read with bounded memory, and the snapshot builder that resolves a list into shards.
//!
//! [`users`] and [`devices_file`] parse what people upload; a fault of the whole file ends the parse and says where, a
//! fault of one line is counted and the rest goes on. [`mod@build`] turns an upload into a snapshot, under a lease and with
//! checkpoints. [`listing`] reads a finished snapshot for people. Nothing here serves HTTP or sends anything.

pub mod build;
mod csv;
pub mod detect;
pub mod devices_file;
pub mod encoding;
pub mod fault;
pub mod lines;
pub mod listing;
mod text;
pub mod timestamp;
pub mod users;

pub use build::{BuildError, BuildJob, Builder, OnSettled, Stepped, build, run_builder, try_take};
pub use encoding::Encoding;
pub use fault::{BadLine, ListError};
pub use users::{UploadCheck, UploadFacts};
