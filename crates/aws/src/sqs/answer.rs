//! What SQS answers: envelopes as they were sent, and one result for each entry of a call.

use super::entries::TRACE;
use crate::errors::bare;
use aws_sdk_sqs::types::{BatchResultErrorEntry, Message, MessageSystemAttributeName};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::ports::{AckId, EntryResult, Received};

/// The envelope in a message. `None` when it has no receipt handle, which SQS rules out.
pub(super) fn received(message: Message) -> Option<Received> {
    let ack = AckId(message.receipt_handle?);
    let count = message.attributes.as_ref();
    let count = count.and_then(|a| a.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    let receive_count = count.and_then(|text| text.parse().ok()).unwrap_or(1);
    let trace = message.message_attributes.as_ref().and_then(|a| a.get(TRACE));
    let trace = trace.and_then(|value| value.string_value.as_ref()).and_then(|text| text.parse().ok());
    let text = message.body.unwrap_or_default();
    // What somebody else put there goes on as it is: whoever reads envelopes knows what to do with a malformed one.
    let body = STANDARD.decode(&text).map_or_else(|_| Bytes::from(text), Bytes::from);
    Some(Received { ack, body, receive_count, trace })
}

/// One answer for each entry. An entry that SQS does not mention was not done.
pub(super) struct Answers(pub(super) Vec<EntryResult>);

impl Answers {
    pub(super) fn of(entries: usize) -> Self {
        Self(vec![EntryResult::Failed("no answer for this entry".to_owned()); entries])
    }

    fn set(&mut self, id: &str, answer: EntryResult) {
        if let Some(place) = id.parse().ok().and_then(|n: usize| self.0.get_mut(n)) {
            *place = answer;
        }
    }

    /// Notes what was done, by the ids of the entries.
    pub(super) fn done<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        for id in ids {
            self.set(id, EntryResult::Ok);
        }
    }

    /// Notes what failed.
    pub(super) fn failed(
        &mut self,
        entries: &[BatchResultErrorEntry],
        stale: impl Fn(&BatchResultErrorEntry) -> bool,
    ) {
        for entry in entries {
            let answer = if stale(entry) { EntryResult::StaleAck } else { EntryResult::Failed(why(entry)) };
            self.set(&entry.id, answer);
        }
    }
}

fn why(entry: &BatchResultErrorEntry) -> String {
    let whose = if entry.sender_fault { "our fault" } else { "fault of SQS" };
    format!("{}: {} ({whose})", bare(&entry.code), entry.message.as_deref().unwrap_or("no reason given"))
}

/// Whether the receipt handle is not the newest one any more, or its message is gone. SQS calls an expired handle of a
/// FIFO queue an invalid parameter; here nothing else of an entry could be one.
pub(super) fn is_stale(entry: &BatchResultErrorEntry) -> bool {
    let code = bare(&entry.code);
    matches!(code, "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidParameterValue")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::types::MessageAttributeValue;

    fn failure(id: &str, code: &str) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(true).build().expect("is whole")
    }

    #[test]
    fn entries_are_answered_by_their_ids_and_silence_is_no_success() {
        let mut answers = Answers::of(5);
        answers.done(["3", "17", "x"].into_iter());
        answers.failed(
            &[
                failure("0", "ReceiptHandleIsInvalid"),
                failure("1", "InternalError"),
                failure("4", "AWS.SimpleQueueService.MessageNotInflight"),
            ],
            is_stale,
        );
        use EntryResult::{Failed, Ok, StaleAck};
        assert!(matches!(&answers.0[..], [StaleAck, Failed(_), Failed(_), Ok, StaleAck]), "{:?}", answers.0);
    }

    #[test]
    fn a_message_of_somebody_else_goes_on_as_it_is() {
        let message = |body: &str| Message::builder().receipt_handle("r").body(body);
        let ours = received(message("AP8=").build()).expect("has a handle");
        assert_eq!((&ours.body[..], ours.receive_count, ours.trace), (&[0, 255][..], 1, None));
        let foreign = message("not base64!").message_attributes(
            TRACE,
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value("junk")
                .build()
                .expect("is whole"),
        );
        let foreign = received(foreign.build()).expect("has a handle");
        assert_eq!((&foreign.body[..], foreign.trace), (&b"not base64!"[..], None));
        assert!(received(Message::builder().body("AP8=").build()).is_none());
    }
}
