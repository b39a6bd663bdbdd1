//! The adapters against a stand-in AWS. One binary, one stand-in for all of its tests, a prefix of its own for each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may stop where something is not as they expect"
)]

#[path = "aws/broken.rs"]
mod broken;
#[path = "aws/ecs.rs"]
mod ecs;
#[path = "aws/faults.rs"]
mod faults;
#[path = "aws/objects.rs"]
mod objects;
#[path = "aws/queues.rs"]
mod queues;
#[path = "aws/standin.rs"]
mod standin;
#[path = "aws/table_faults.rs"]
mod table_faults;
#[path = "aws/table_sizes.rs"]
mod table_sizes;
#[path = "aws/tables.rs"]
mod tables;
#[path = "aws/wire.rs"]
mod wire;
