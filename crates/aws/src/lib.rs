//! The ports of `common` on SQS, S3 and DynamoDB, and task counts on ECS. The only crate that names the SDK: nothing that
//! the demo builds depends on it.
//!
//! `docs/aws.md` says what each adapter asks of AWS, how often, and what was chosen why.

mod calls;
mod client;
mod config;
pub mod dynamo;
pub mod ecs;
mod errors;
mod fault;
mod open;
pub mod s3;
pub mod sqs;
#[cfg(feature = "standin")]
pub mod standin;

pub use client::Clients;
pub use config::AwsConfig;
pub use errors::AwsError;
pub use open::{Aws, open};
