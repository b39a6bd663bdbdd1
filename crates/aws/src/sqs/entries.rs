//! What is sent: one entry for each envelope. What a port call may hold always fits one call of SQS, which is checked
//! when this is compiled.

use super::Kind;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::envelope::NewEnvelope;
use common::limits::{ENVELOPE_BYTES_MAX, QUEUE_CALL_ENTRIES_MAX, QUEUE_DELAY_MAX};
use common::ports::PortError;
use std::time::Duration;

/// The attribute that carries the trace.
pub(super) const TRACE: &str = "traceparent";
const STRING: &str = "String";
/// Most bytes of one call: bodies and attributes with their names and types, as text (AWS, since August 2025).
const CALL_BYTES_MAX: usize = 1 << 20;
/// Length of a `traceparent`.
const TRACE_BYTES: usize = 55;

const _: () = {
    let body = ENVELOPE_BYTES_MAX.div_ceil(3) * 4;
    let trace = TRACE.len() + STRING.len() + TRACE_BYTES;
    assert!(
        QUEUE_CALL_ENTRIES_MAX * (body + trace) <= CALL_BYTES_MAX,
        "the largest port call needs two of SQS"
    );
};

/// The entries of a call; an id is its envelope's place.
pub(super) fn entries(
    kind: Kind,
    envelopes: &[NewEnvelope],
) -> Result<Vec<SendMessageBatchRequestEntry>, PortError> {
    let invalid = |why| PortError::Invalid { what: kind.label(), why };
    check(kind, envelopes).map_err(invalid)?;
    let entries = envelopes.iter().enumerate().map(|(place, envelope)| entry(place, envelope));
    entries.collect::<Result<_, _>>().map_err(|e| invalid(e.to_string()))
}

fn check(kind: Kind, envelopes: &[NewEnvelope]) -> Result<(), String> {
    if envelopes.len() > QUEUE_CALL_ENTRIES_MAX {
        return Err(format!("{} entries, {QUEUE_CALL_ENTRIES_MAX} are allowed", envelopes.len()));
    }
    let delay_max = if kind == Kind::Fifo { Duration::ZERO } else { QUEUE_DELAY_MAX };
    for e in envelopes {
        if e.body.len() > ENVELOPE_BYTES_MAX {
            return Err(format!("an envelope of {} bytes, {ENVELOPE_BYTES_MAX} are allowed", e.body.len()));
        }
        if e.delay > delay_max {
            return Err(format!("a delay of {:?}, {delay_max:?} is allowed", e.delay));
        }
        if e.fifo.is_some() != (kind == Kind::Fifo) {
            return Err("a FIFO key is needed on a FIFO queue, refused on another".to_owned());
        }
    }
    Ok(())
}

fn entry(
    place: usize,
    envelope: &NewEnvelope,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(STANDARD.encode(&envelope.body));
    if let Some(key) = &envelope.fifo {
        entry = entry.message_group_id(&key.group).message_deduplication_id(&key.dedup);
    }
    if envelope.delay > Duration::ZERO {
        entry = entry.delay_seconds(super::whole_seconds(envelope.delay));
    }
    if let Some(trace) = &envelope.trace {
        let value =
            MessageAttributeValue::builder().data_type(STRING).string_value(trace.as_str()).build()?;
        entry = entry.message_attributes(TRACE, value);
    }
    entry.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_whole_seconds_and_never_shorter() {
        let plain = NewEnvelope::plain(vec![7].into());
        let late = NewEnvelope { delay: Duration::from_millis(1_001), ..plain.clone() };
        let made = entries(Kind::Standard, &[late, plain]).expect("is allowed");
        assert_eq!([made[0].delay_seconds, made[1].delay_seconds], [Some(2), None]);
        assert_eq!([&*made[0].id, &*made[1].id], ["0", "1"]);
    }

    #[test]
    fn a_trace_is_an_attribute_and_only_where_there_is_one() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let plain = NewEnvelope::plain(vec![7].into());
        let traced = NewEnvelope { trace: trace.parse().ok(), ..plain.clone() };
        let made = entries(Kind::Standard, &[plain, traced]).expect("is allowed");
        assert!(made[0].message_attributes.is_none());
        let value = made[1].message_attributes.as_ref().and_then(|a| a.get(TRACE));
        assert_eq!(value.and_then(|v| v.string_value.as_deref()), Some(trace));
        assert_eq!(trace.len(), TRACE_BYTES);
    }
}
