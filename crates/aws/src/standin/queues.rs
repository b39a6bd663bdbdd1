//! Makes the queues as `deploy/terraform` does, and removes them.

use super::ministack::StandinError;
use crate::sqs::{Kind, QueueNames};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use common::limits::RECEIVES_MAX;

/// A prefix that nobody had before.
#[must_use]
pub fn fresh_prefix() -> String {
    format!("t{:016x}", rand::random::<u64>())
}

/// Makes the two queues, each with its dead-letter queue.
///
/// # Errors
/// When SQS refuses.
pub async fn make_queues(sqs: &Client, prefix: &str) -> Result<(), StandinError> {
    for kind in [Kind::Fifo, Kind::Standard] {
        let names = QueueNames::of(kind, prefix);
        let dead = make_queue(sqs, kind, &names.dead, None).await?;
        let asked =
            sqs.get_queue_attributes().queue_url(dead).attribute_names(Attribute::QueueArn).send().await;
        let found = asked.map_err(|e| refused(&names.dead, &e))?;
        let arn = found.attributes.as_ref().and_then(|a| a.get(&Attribute::QueueArn));
        let arn = arn.ok_or_else(|| refused(&names.dead, &"it has no ARN"))?;
        make_queue(sqs, kind, &names.live, Some(arn)).await?;
    }
    Ok(())
}

async fn make_queue(
    sqs: &Client,
    kind: Kind,
    name: &str,
    dead_arn: Option<&str>,
) -> Result<String, StandinError> {
    let mut call = sqs.create_queue().queue_name(name);
    if kind == Kind::Fifo {
        call = call
            .attributes(Attribute::FifoQueue, "true")
            .attributes(Attribute::DeduplicationScope, "messageGroup")
            .attributes(Attribute::FifoThroughputLimit, "perMessageGroupId");
    }
    if let Some(arn) = dead_arn {
        let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_MAX});
        call = call.attributes(Attribute::RedrivePolicy, policy.to_string());
    }
    let made = call.send().await.map_err(|e| refused(name, &e))?;
    made.queue_url.ok_or_else(|| refused(name, &"it has no URL"))
}

/// Removes what [`make_queues`] made; what is not there any more is no trouble.
///
/// # Errors
/// When SQS refuses.
pub async fn remove_queues(sqs: &Client, prefix: &str) -> Result<(), StandinError> {
    for kind in [Kind::Fifo, Kind::Standard] {
        let names = QueueNames::of(kind, prefix);
        for name in [&names.live, &names.dead] {
            let Ok(found) = sqs.get_queue_url().queue_name(name).send().await else { continue };
            let gone = sqs.delete_queue().set_queue_url(found.queue_url).send().await;
            gone.map_err(|e| refused(name, &e))?;
        }
    }
    Ok(())
}

pub(super) fn refused(name: &str, why: &dyn std::fmt::Debug) -> StandinError {
    StandinError::Furnish(format!("{name}: {why:?}"))
}
