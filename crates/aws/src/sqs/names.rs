//! What the queues are called, and how they are found.

use super::SqsQueue;
use crate::client::Clients;
use crate::config::AwsConfig;
use crate::errors::{AwsError, bare};
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError;
use common::ports::Queue;
use futures::future;
use std::sync::Arc;

/// Which kind of queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In order within a group, deduplicated: shard envelopes.
    Fifo,
    /// At least once, in no order: batch envelopes.
    Standard,
}

impl Kind {
    /// The port's name in errors.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fifo => "the shard queue",
            Self::Standard => "the batch queue",
        }
    }
}

/// The names of one queue and of its dead-letter queue; `deploy/terraform` uses the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueNames {
    /// The queue.
    pub live: String,
    /// Its dead-letter queue.
    pub dead: String,
}

impl QueueNames {
    /// The names under a prefix.
    #[must_use]
    pub fn of(kind: Kind, prefix: &str) -> Self {
        let (live, dead) = match kind {
            Kind::Fifo => ("shards.fifo", "shards-dead.fifo"),
            Kind::Standard => ("batches", "batches-dead"),
        };
        Self { live: format!("{prefix}-{live}"), dead: format!("{prefix}-{dead}") }
    }
}

/// What to do when something is missing.
const APPLY: &str =
    "check `aws.region` and `aws.prefix`, or make it with `terraform apply` in deploy/terraform";

/// Opens one queue, with its dead-letter queue.
///
/// # Errors
/// When one of them is missing or out of reach.
pub async fn open_queue(
    clients: &Clients,
    config: &AwsConfig,
    kind: Kind,
) -> Result<Arc<dyn Queue>, AwsError> {
    let names = QueueNames::of(kind, &config.prefix);
    let urls = future::try_join(url(clients, &names.live), url(clients, &names.dead)).await?;
    Ok(Arc::new(SqsQueue::new(clients.sqs.clone(), kind, urls, config.clone())))
}

async fn url(clients: &Clients, name: &str) -> Result<String, AwsError> {
    let what = "the queue";
    let answer = clients.sqs.get_queue_url().queue_name(name).send().await;
    let found = answer.map_err(|error| not_found(what, name, &error))?;
    found.queue_url.ok_or_else(|| AwsError::Missing { what, name: name.to_owned(), todo: APPLY })
}

fn not_found<R: std::fmt::Debug>(
    what: &'static str,
    name: &str,
    error: &SdkError<GetQueueUrlError, R>,
) -> AwsError {
    let name = name.to_owned();
    match error.code().map(bare) {
        Some("QueueDoesNotExist" | "NonExistentQueue") => AwsError::Missing { what, name, todo: APPLY },
        Some(code) => {
            let why = format!("{code}: {}", error.message().unwrap_or("no reason given"));
            AwsError::Refused { what, name, why, needs: "sqs:GetQueueUrl" }
        }
        None => AwsError::Unreachable { what, name, why: DisplayErrorContext(error).to_string() },
    }
}
