//! The queue port on SQS, for the FIFO and the standard queue. Bodies travel in base64, since SQS takes text only; an ack
//! id is the receipt handle.
//!
//! What SQS answers is in `answer`, what is sent in `entries`. Repetitions of whole calls are the
//! SDK's (see `docs/aws.md`); single entries that failed are the caller's, who knows how long they are worth it.

mod answer;
mod entries;
mod names;

pub use names::{Kind, QueueNames, open_queue};

use crate::client::long_poll_timeouts;
use crate::config::AwsConfig;
use crate::errors::port_error;
use answer::{Answers, received};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    QueueAttributeName,
};
use common::envelope::NewEnvelope;
use common::limits::{QUEUE_CALL_ENTRIES_MAX, QUEUE_VISIBILITY_MAX, QUEUE_WAIT_MAX};
use common::ports::{AckId, Depth, EntryResult, PortError, Queue, Received};
use futures::future;
use std::time::Duration;

/// A receive without a wait asks only some of SQS's machines and may find nothing where there is something.
const DEAD_WAIT: Duration = Duration::from_secs(1);

/// A queue on SQS, and the dead-letter queue beside it.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    kind: Kind,
    url: String,
    dead_url: String,
    config: AwsConfig,
}

impl SqsQueue {
    /// The queue with these two addresses.
    #[must_use]
    pub fn new(client: Client, kind: Kind, urls: (String, String), config: AwsConfig) -> Self {
        let (url, dead_url) = urls;
        Self { client, kind, url, dead_url, config }
    }

    fn what(&self) -> &'static str {
        self.kind.label()
    }

    fn within<T: PartialOrd + std::fmt::Debug>(
        &self,
        what: &str,
        value: &T,
        max: &T,
    ) -> Result<(), PortError> {
        if value > max {
            let why = format!("{what} is {value:?}, {max:?} is allowed");
            return Err(PortError::Invalid { what: self.what(), why });
        }
        Ok(())
    }

    /// Receives from one of the two queues.
    async fn receive_from(
        &self,
        url: &str,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        let mut call = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(max).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_seconds(wait))
            .visibility_timeout(whole_seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names(entries::TRACE);
        if self.kind == Kind::Fifo {
            // A repetition after a lost answer gets the same envelopes again, instead of waiting for their visibility.
            call = call.receive_request_attempt_id(format!("{:032x}", rand::random::<u128>()));
        }
        let wait = Duration::from_secs(wait.as_secs() + 1);
        let patient =
            aws_sdk_sqs::config::Builder::new().timeout_config(long_poll_timeouts(&self.config, wait));
        let answer = call.customize().config_override(patient).send().await;
        let answer = answer.map_err(|e| port_error(self.what(), &e))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    async fn delete_from(&self, url: &str, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        let entry = |(n, ack): (usize, &AckId)| {
            DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(&ack.0).build()
        };
        let entries = acks.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|e| self.unbuilt(&e))?;
        let call = self.client.delete_message_batch().queue_url(url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|e| port_error(self.what(), &e))?;
        let mut answers = Answers::of(acks.len());
        answers.done(answer.successful.iter().map(|s| s.id.as_str()));
        answers.failed(&answer.failed, answer::is_stale);
        Ok(answers.0)
    }

    fn unbuilt(&self, error: &aws_sdk_sqs::error::BuildError) -> PortError {
        PortError::Invalid { what: self.what(), why: error.to_string() }
    }

    async fn counts(&self, url: &str) -> Result<[u64; 3], PortError> {
        const COUNTS: [QueueAttributeName; 3] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let call = self.client.get_queue_attributes().queue_url(url);
        let call = call.set_attribute_names(Some(COUNTS.to_vec()));
        let answer = call.send().await.map_err(|e| port_error(self.what(), &e))?;
        let found = answer.attributes.unwrap_or_default();
        let mut counts = [0; 3];
        for (count, name) in counts.iter_mut().zip(COUNTS) {
            let number = found.get(&name).and_then(|text| text.parse().ok());
            let why = || format!("the attribute {name} is {:?}", found.get(&name));
            *count = number.ok_or_else(|| PortError::Corrupt { what: self.what(), why: why() })?;
        }
        Ok(counts)
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, envelopes: &[NewEnvelope]) -> Result<Vec<EntryResult>, PortError> {
        let entries = entries::entries(self.kind, envelopes)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|e| port_error(self.what(), &e))?;
        let mut answers = Answers::of(envelopes.len());
        answers.done(answer.successful.iter().map(|s| s.id.as_str()));
        answers.failed(&answer.failed, |_| false);
        Ok(answers.0)
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, PortError> {
        self.within("the number of entries", &max, &QUEUE_CALL_ENTRIES_MAX)?;
        self.within("the smallest number of entries", &1, &max)?;
        self.within("the wait", &wait, &QUEUE_WAIT_MAX)?;
        self.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        self.receive_from(&self.url, max, wait, visibility).await
    }

    async fn delete(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        if acks.is_empty() {
            return Ok(Vec::new());
        }
        self.delete_from(&self.url, acks).await
    }

    async fn hide(&self, acks: &[AckId], visibility: Duration) -> Result<Vec<EntryResult>, PortError> {
        self.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        self.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        if acks.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(n, ack): (usize, &AckId)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
            entry.receipt_handle(&ack.0).visibility_timeout(whole_seconds(visibility)).build()
        };
        let entries = acks.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|e| self.unbuilt(&e))?;
        let call =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|e| port_error(self.what(), &e))?;
        let mut answers = Answers::of(acks.len());
        answers.done(answer.successful.iter().map(|s| s.id.as_str()));
        answers.failed(&answer.failed, answer::is_stale);
        Ok(answers.0)
    }

    async fn depth(&self) -> Result<Depth, PortError> {
        let (live, dead) = future::try_join(self.counts(&self.url), self.counts(&self.dead_url)).await?;
        let [visible, in_flight, delayed] = live;
        // What somebody is just taking out still lies there if he fails.
        Ok(Depth { visible, in_flight, delayed, dead: dead.iter().sum() })
    }

    async fn receive_dead(&self, max: usize, visibility: Duration) -> Result<Vec<Received>, PortError> {
        self.within("the visibility", &visibility, &QUEUE_VISIBILITY_MAX)?;
        match max.min(QUEUE_CALL_ENTRIES_MAX) {
            0 => Ok(Vec::new()),
            max => self.receive_from(&self.dead_url, max, DEAD_WAIT, visibility).await,
        }
    }

    async fn delete_dead(&self, acks: &[AckId]) -> Result<Vec<EntryResult>, PortError> {
        self.within("the number of entries", &acks.len(), &QUEUE_CALL_ENTRIES_MAX)?;
        if acks.is_empty() {
            return Ok(Vec::new());
        }
        self.delete_from(&self.dead_url, acks).await
    }
}

/// SQS counts in whole seconds. Up, always: a lease is never shorter than was asked for, and a wait of less than a second
/// would become a receive that doesn't wait at all, which asks only some of SQS's machines.
fn whole_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let rounded = [0, 1, 999, 1_000, 1_001, 10_000].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(rounded, [0, 1, 1, 1, 2, 10]);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }
}
