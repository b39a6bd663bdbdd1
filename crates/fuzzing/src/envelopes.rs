//! What lies on queues and in the ledger: whatever can be read is the same once it is written and read again (a ledger
//! record of the first version is written as one of today's), and what is found in it can be sent.

use crate::script::Script;
use bytes::Bytes;
use common::device::UserDevices;
use common::envelope::{BatchBody, BatchEnvelope, Devices, ShardEnvelope, UserWriter};
use common::ledger::BatchRecord;
use common::limits::APNS_TOKEN_BYTES;
use common::test_send::TestEnvelope;

/// See `docs/fuzzing.md`.
pub fn envelopes(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let kind = script.byte();
    match kind % 6 {
        0 => shard(script.rest()),
        1 => batch(&Bytes::copy_from_slice(script.rest())),
        2 => made(script),
        3 => test(&Bytes::copy_from_slice(script.rest())),
        4 => record(script.rest()),
        _ => user(script.rest()),
    }
}

fn shard(bytes: &[u8]) {
    if let Ok(envelope) = ShardEnvelope::decode(bytes) {
        assert_eq!(ShardEnvelope::decode(&envelope.encode()).as_ref(), Ok(&envelope));
        assert_eq!(envelope.encode(), bytes, "there is one way to write it");
    }
}

fn batch(bytes: &Bytes) {
    let Ok((envelope, devices)) = BatchEnvelope::decode_with_devices(bytes) else {
        assert!(BatchEnvelope::decode(bytes).is_err(), "both ways to read it agree");
        return;
    };
    assert_eq!(BatchEnvelope::decode(&envelope.encode()).as_ref(), Ok(&envelope));
    assert!(devices.views().eq(BatchBody::new(&envelope.body).devices()), "both walks see the same devices");
    assert!((0..devices.len()).all(|i| envelope.place(i) < envelope.devices), "places are of this batch");
    let keep = |place: u16| place.is_multiple_of(3);
    let kept = (0..devices.len()).filter(|i| keep(envelope.place(*i))).count();
    match envelope.retry(keep) {
        None => assert_eq!(kept, 0),
        Some(retry) => {
            let (read, left) =
                BatchEnvelope::decode_with_devices(&retry.encode()).expect("a retry can be read");
            assert_eq!((read.only.len(), left.len()), (kept, kept));
            assert_eq!((read.key, read.devices), (envelope.key, envelope.devices));
        }
    }
}

/// User records from a script: what is written is found.
fn made(mut script: Script<'_>) {
    let (mut body, mut expected) = (Vec::new(), 0);
    while !script.is_empty() {
        let id: String = script.some().iter().take(60).map(|b| char::from(b'a' + b % 26)).collect();
        let mut user = UserWriter::new(&id);
        for _ in 0..script.byte() % 4 {
            let token = script.some().iter().copied().chain([1]).take(*APNS_TOKEN_BYTES.end());
            let apns = common::device::Target::Apns(token.collect());
            user.device(apns.as_ref(), script.byte());
        }
        expected += usize::from(user.devices());
        user.finish(&mut body);
    }
    let body = Bytes::from(body);
    let found = Devices::find(body.clone(), 0).expect("what was written can be read");
    assert_eq!(found.len(), expected);
    assert!(found.views().eq(BatchBody::new(&body).devices()));
}

fn test(bytes: &Bytes) {
    if let Ok(envelope) = TestEnvelope::decode(bytes) {
        let again = TestEnvelope::decode(&envelope.encode()).expect("what was read can be written and read");
        assert_eq!(again.encode(), envelope.encode());
    }
}

fn record(bytes: &[u8]) {
    if let Ok(record) = BatchRecord::decode(bytes) {
        assert_eq!(BatchRecord::decode(&record.encode()).as_ref(), Ok(&record));
        assert_eq!(record.outcomes().count(), record.len());
        assert!((0..record.len()).all(|place| record.outcome(place).is_some()));
        assert!(record.last_answer_at().is_none_or(|at| at >= record.created_at), "none before it began");
    }
}

fn user(bytes: &[u8]) {
    if let Ok(devices) = UserDevices::decode(bytes) {
        assert_eq!(UserDevices::decode(&devices.encode()).as_ref(), Ok(&devices));
    }
}
