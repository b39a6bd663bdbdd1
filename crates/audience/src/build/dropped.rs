//! The list of users that were left out: one JSON object a line, in the `dropped` objects of a snapshot.

use common::campaign::DropReason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One line of the upload that is not in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DroppedLine<'a> {
    /// Its line, counted from 1.
    pub line: u64,
    /// The user id; of a bad line, what stands there, shortened.
    pub user: Cow<'a, str>,
    /// Why.
    pub reason: DropReason,
    /// What exactly, where the reason leaves it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
}

/// Collects dropped users of one shard: the lines, and the count of each reason.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) ndjson: Vec<u8>,
    pub(super) counts: BTreeMap<DropReason, u64>,
}

impl Dropped {
    pub(super) fn push(&mut self, line: u64, user: &str, reason: DropReason, detail: Option<&str>) {
        let entry = DroppedLine { line, user: user.into(), reason, detail: detail.map(Cow::from) };
        // Writing plain strings and numbers to memory can't fail.
        if serde_json::to_writer(&mut self.ndjson, &entry).is_ok() {
            self.ndjson.push(b'\n');
            *self.counts.entry(reason).or_default() += 1;
        }
    }
}

/// Adds the counts of `more` to `all`.
pub(super) fn add<K: Ord + Clone>(all: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, n) in more {
        *all.entry(key.clone()).or_default() += n;
    }
}
