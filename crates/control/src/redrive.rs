//! Going through the dead letters: what can still be sent is put back on its queue, what is over is removed, what can't be
//! read stays until somebody says otherwise. The ledger decides what is sent, so putting back twice sends nothing twice.

use crate::{Control, ControlError, Who};
use bytes::Bytes;
use common::campaign::Campaign;
use common::envelope::{BatchEnvelope, Head, NewEnvelope, ShardEnvelope};
use common::ids::CampaignId;
use common::limits::QUEUE_CALL_ENTRIES_MAX;
use common::plan::{Gate, gate};
use common::ports::{AckId, EntryResult, Queue, Received};
use common::test_send::TestEnvelope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A letter that is being looked at is hidden from others for this long.
const HIDE: Duration = Duration::from_secs(30);
/// The same when they are only counted: whoever counts goes through them next.
const HIDE_TO_COUNT: Duration = Duration::from_secs(2);

/// How to go through them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedriveRequest {
    /// Count only.
    pub dry_run: bool,
    /// Remove what can't be read too.
    pub discard_unreadable: bool,
}

/// What became of the dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redriven {
    /// Batches that are on their queue again.
    pub put_back: u64,
    /// Removed: the run is over, was stopped, or its deadline passed. The books count their devices.
    pub over: u64,
    /// Removed: shards, which the reconciler puts on the queue by itself while their run lasts.
    pub redispatched: u64,
    /// Not an envelope of ours; left where it is unless told to remove it.
    pub unreadable: u64,
    /// Could not be put back or removed; it is a dead letter still.
    pub failed: u64,
}

/// What to do with one letter.
enum Fate {
    PutBack,
    Over,
    Redispatched,
    Unreadable,
}

impl Control {
    /// Goes once through the dead letters of both queues.
    ///
    /// # Errors
    /// When a queue or the campaigns can't be read; what was done until then stays done.
    pub async fn redrive(
        self: &Arc<Self>,
        who: &Who,
        ask: &RedriveRequest,
    ) -> Result<Redriven, ControlError> {
        let mut pass = Pass { control: self, ask, known: BTreeMap::new(), done: Redriven::default() };
        let batches = Arc::clone(&self.backend.batches);
        pass.through(batches.as_ref(), decide_batch).await?;
        let shards = Arc::clone(&self.backend.shards);
        pass.through(shards.as_ref(), decide_shard).await?;
        let done = pass.done;
        if !ask.dry_run && done != Redriven::default() {
            let Redriven { put_back, over, redispatched, unreadable, failed } = done;
            let result = format!(
                "{put_back} put back, {over} over, {redispatched} shards, {unreadable} unreadable, {failed} failed"
            );
            self.audit(who, "queues.redrive", None, result);
        }
        Ok(done)
    }
}

/// One going through.
struct Pass<'a> {
    control: &'a Control,
    ask: &'a RedriveRequest,
    known: BTreeMap<CampaignId, Option<Campaign>>,
    done: Redriven,
}

type Decide = fn(&Bytes) -> Option<(Head, Fate)>;

impl Pass<'_> {
    /// As many letters as there are now: what others look at meanwhile is left to them.
    async fn through(&mut self, queue: &dyn Queue, decide: Decide) -> Result<(), ControlError> {
        let mut left = queue.depth().await?.dead;
        while left > 0 {
            let hide = if self.ask.dry_run { HIDE_TO_COUNT } else { HIDE };
            let letters = queue.receive_dead(QUEUE_CALL_ENTRIES_MAX, hide).await?;
            if letters.is_empty() {
                return Ok(());
            }
            left = left.saturating_sub(letters.len() as u64);
            self.ten(queue, letters, decide).await?;
        }
        Ok(())
    }

    async fn ten(
        &mut self,
        queue: &dyn Queue,
        letters: Vec<Received>,
        decide: Decide,
    ) -> Result<(), ControlError> {
        let (mut back, mut gone) = (Vec::new(), Vec::new());
        for letter in letters {
            match self.fate(&letter.body, decide).await? {
                Fate::PutBack => back.push(letter),
                Fate::Over => self.done.over += gone_of(&mut gone, letter.ack),
                Fate::Redispatched => self.done.redispatched += gone_of(&mut gone, letter.ack),
                Fate::Unreadable => {
                    self.done.unreadable += 1;
                    if self.ask.discard_unreadable {
                        gone.push(letter.ack);
                    }
                }
            }
        }
        if self.ask.dry_run {
            self.done.put_back += back.len() as u64;
            return Ok(());
        }
        gone.extend(self.put_back(queue, back).await?);
        for ten in gone.chunks(QUEUE_CALL_ENTRIES_MAX) {
            let answers = queue.delete_dead(ten).await?;
            // One that stays comes up again next time, and the ledger knows it.
            self.done.failed += answers.iter().filter(|a| !matches!(a, EntryResult::Ok)).count() as u64;
        }
        Ok(())
    }

    /// Sends first; only what is on the queue is removed from the dead letters.
    async fn put_back(&mut self, queue: &dyn Queue, back: Vec<Received>) -> Result<Vec<AckId>, ControlError> {
        if back.is_empty() {
            return Ok(Vec::new());
        }
        let again: Vec<_> = back.iter().map(|letter| NewEnvelope::plain(letter.body.clone())).collect();
        let answers = queue.send(&again).await?;
        let sent = back.into_iter().zip(answers).filter(|(_, answer)| *answer == EntryResult::Ok);
        let acks: Vec<_> = sent.map(|(letter, _)| letter.ack).collect();
        self.done.put_back += acks.len() as u64;
        self.done.failed += again.len() as u64 - acks.len() as u64;
        Ok(acks)
    }

    async fn fate(&mut self, body: &Bytes, decide: Decide) -> Result<Fate, ControlError> {
        // A test's time was over long before it was dead-lettered.
        if TestEnvelope::is_one(body) {
            return Ok(Fate::Over);
        }
        let Some((head, fate)) = decide(body) else { return Ok(Fate::Unreadable) };
        let id = head.campaign;
        if !self.known.contains_key(&id) {
            let found = self.control.backend.campaigns.get(id).await?;
            self.known.insert(id, found);
        }
        let campaign = self.known.get(&id).and_then(Option::as_ref);
        let (now, run) = (self.control.clock.now(), campaign.map(|c| (c.epoch, c.live_run().is_some())));
        let lasts = run.is_some_and(|(epoch, live)| gate(&head, epoch, live, now) == Gate::Go);
        Ok(if lasts { fate } else { Fate::Over })
    }
}

fn gone_of(gone: &mut Vec<AckId>, ack: AckId) -> u64 {
    gone.push(ack);
    1
}

fn decide_batch(body: &Bytes) -> Option<(Head, Fate)> {
    BatchEnvelope::decode(body).ok().map(|batch| (batch.head, Fate::PutBack))
}

fn decide_shard(body: &Bytes) -> Option<(Head, Fate)> {
    ShardEnvelope::decode(body).ok().map(|shard| (shard.head, Fate::Redispatched))
}
