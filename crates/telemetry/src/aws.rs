//! How a call to AWS is counted.

use crate::metrics::{AWS_CALL_SECONDS, AWS_CALLS, AwsClass, AwsOperation};
use std::time::Duration;

/// Counts a call: the service and operation as the SDK names them (`SQS`, `SendMessageBatch`), what became of it, and how
/// long it took. An operation that the table does not list counts as `other`.
pub fn aws_call(service: &str, operation: &str, class: AwsClass, took: Duration) {
    let operation = AwsOperation::of(service, operation);
    AWS_CALLS.one((operation, class));
    AWS_CALL_SECONDS.observe(operation, took);
}

impl AwsOperation {
    /// The operation with these names, in the SDK's spelling.
    #[must_use]
    pub fn of(service: &str, operation: &str) -> Self {
        let same = |text: &str| {
            text.split_once('.').is_some_and(|(s, o)| s.eq_ignore_ascii_case(service) && o == operation)
        };
        Self::find(same).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_the_names_that_the_sdk_uses() {
        assert_eq!(AwsOperation::of("SQS", "SendMessageBatch"), AwsOperation::SqsSend);
        assert_eq!(AwsOperation::of("DynamoDB", "BatchExecuteStatement"), AwsOperation::DynamoStatements);
        assert_eq!(AwsOperation::of("S3", "SendMessageBatch"), AwsOperation::Other);
        let before = AWS_CALLS.total((AwsOperation::S3UploadPart, AwsClass::TimedOut));
        aws_call("S3", "UploadPart", AwsClass::TimedOut, Duration::from_millis(3));
        assert_eq!(AWS_CALLS.total((AwsOperation::S3UploadPart, AwsClass::TimedOut)), before + 1);
    }
}
