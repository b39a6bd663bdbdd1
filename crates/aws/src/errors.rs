//! What the SDK says when a call fails, as the ports' error, and what keeps the ports from being opened.

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use common::ports::PortError;
use std::error::Error;

/// Why the ports could not be opened: for people, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The configuration is wrong. All faults, each a line.
    #[error("the configuration is wrong:\n{}", .0.join("\n"))]
    Config(Vec<String>),
    /// Something is not there.
    #[error("{what} {name} does not exist in this account and region: {todo}")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What to do.
        todo: &'static str,
    },
    /// AWS knows who is asking, and says no.
    #[error(
        "AWS refused {what} {name}: {why}. The task's role needs `{needs}` on it (deploy/terraform, module iam)"
    )]
    Refused {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What AWS said.
        why: String,
        /// The permission.
        needs: &'static str,
    },
    /// There was no answer.
    #[error(
        "{what} {name} could not be reached: {why}. Check region, credentials, and the network or its VPC endpoints"
    )]
    Unreachable {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What happened.
        why: String,
    },
}

/// Codes that name the request itself: it would be refused again. Everything else may be mended meanwhile, permissions
/// and missing queues included, so that no worker throws work away because of them.
const REFUSED: &[&str] = &[
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MissingParameter",
    "SerializationException",
    "TooManyEntriesInBatchRequest",
    "ValidationException",
];

/// The name of an error code without what SQS's older protocol puts around it
/// (`AWS.SimpleQueueService.NonExistentQueue`, `com.amazonaws.sqs#QueueDoesNotExist`).
pub(crate) fn bare(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// The error of one call. `what` is the part that was asked.
pub(crate) fn port_error<E, R>(what: &'static str, error: &SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    let (code, message) = (error.code().map(bare), error.message());
    let why = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        // No answer at all: the chain of causes says at which step.
        _ => DisplayErrorContext(error).to_string(),
    };
    let refused = matches!(error, SdkError::ServiceError(_)) && code.is_some_and(|c| REFUSED.contains(&c));
    if refused { PortError::Invalid { what, why } } else { PortError::Unavailable { what, why } }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn codes_of_both_protocols_are_one() {
        for code in [
            "QueueDoesNotExist",
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.QueueDoesNotExist",
        ] {
            assert_eq!(bare(code), "QueueDoesNotExist");
        }
    }
}
