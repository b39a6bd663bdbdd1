//! Which batches of a shard an envelope means, and their envelopes. Pure but for reading the ledger's buckets.

use common::envelope::{BatchEnvelope, Head, NewEnvelope, Scope, ShardEnvelope};
use common::ids::{BatchKey, BatchNo};
use common::ledger::BatchRecord;
use common::limits::{LEDGER_BUCKET, QUEUE_CALL_ENTRIES_MAX};
use common::outcome::Class;
use common::plan::in_canary;
use common::ports::{Ledger, PortError};
use common::snapshot::Shard;
use common::trace::TraceParent;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::HashSet;
use std::sync::Arc;

/// Most bytes of one call, before base64: with it they stay below 1 MiB.
const CALL_BYTES_MAX: usize = (1 << 20) / 4 * 3;

/// Ledger buckets read at once.
const BUCKETS_IN_FLIGHT: usize = 4;

/// The numbers of the batches that this envelope asks for, in order.
pub(crate) async fn numbers(
    ledger: &Arc<dyn Ledger>,
    envelope: &ShardEnvelope,
    batches: u32,
    resend_ambiguous: bool,
) -> Result<Vec<BatchNo>, PortError> {
    let all = (0..batches).map(BatchNo);
    match envelope.scope {
        Scope::All => Ok(all.collect()),
        Scope::EveryNth(n) => {
            let shard = envelope.shard;
            Ok(all.filter(|number| in_canary(BatchKey { shard, number: *number }, n)).collect())
        }
        Scope::Rest => {
            let settled = settled(ledger, envelope, batches, resend_ambiguous).await?;
            Ok(all.filter(|b| !settled.contains(b)).collect())
        }
    }
}

/// Reads the shard's buckets: the batches of which nothing is left to send.
async fn settled(
    ledger: &Arc<dyn Ledger>,
    envelope: &ShardEnvelope,
    batches: u32,
    resend_ambiguous: bool,
) -> Result<HashSet<BatchNo>, PortError> {
    let (campaign, shard) = (envelope.head.campaign, envelope.shard);
    stream::iter(0..batches.div_ceil(LEDGER_BUCKET))
        .map(|bucket| ledger.bucket(campaign, shard, bucket))
        .buffer_unordered(BUCKETS_IN_FLIGHT)
        .try_fold(HashSet::new(), |mut set, records| async move {
            set.extend(records.iter().filter(|(_, r)| is_settled(r, resend_ambiguous)).map(|(n, _)| *n));
            Ok(set)
        })
        .await
}

/// A record that is held is not settled, whoever holds it: the holder may be dead.
fn is_settled(record: &BatchRecord, resend_ambiguous: bool) -> bool {
    let ambiguous_counts = resend_ambiguous && record.has(Class::Ambiguous);
    !record.has(Class::Pending) && !ambiguous_counts
}

/// The batch envelopes with these numbers, in groups that fit one call each. Made one group at a time: a shard is
/// never in memory twice.
pub(crate) fn calls<'a>(
    head: &'a Head,
    shard: &'a Shard,
    numbers: &'a [BatchNo],
    trace: Option<&'a TraceParent>,
) -> impl Iterator<Item = Vec<NewEnvelope>> + 'a {
    let mut left = numbers.iter().filter_map(move |n| envelope(head, shard, *n, trace)).peekable();
    std::iter::from_fn(move || {
        let (mut call, mut bytes) = (Vec::with_capacity(QUEUE_CALL_ENTRIES_MAX), 0);
        while call.len() < QUEUE_CALL_ENTRIES_MAX {
            let fits = |next: &NewEnvelope| call.is_empty() || bytes + next.body.len() <= CALL_BYTES_MAX;
            let Some(next) = left.next_if(fits) else { break };
            bytes += next.body.len();
            call.push(next);
        }
        (!call.is_empty()).then_some(call)
    })
}

fn envelope(head: &Head, shard: &Shard, number: BatchNo, trace: Option<&TraceParent>) -> Option<NewEnvelope> {
    let (body, (_, devices)) = (shard.batch(number)?, shard.batch_counts(number)?);
    let key = BatchKey { shard: shard.shard, number };
    let batch = BatchEnvelope { head: head.clone(), key, attempt: 0, only: Vec::new(), devices, body };
    let trace = telemetry::trace::of_batch(trace, number.0);
    Some(NewEnvelope { trace, ..NewEnvelope::plain(batch.encode()) })
}
