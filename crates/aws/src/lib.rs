//! The ports of `common` on SQS, S3 and DynamoDB, and task counts on ECS. The only crate that names the SDK: nothing that
//! the demo builds depends on it.
