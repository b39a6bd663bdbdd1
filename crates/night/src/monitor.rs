//! The rules, watched at every event: each change of the record, each envelope, each write to a gateway, each acceptance.
//! What can be told only when all is over is in [`crate::verdict`].

use crate::process::{Process, ProcessClock};
use crate::world::World;
use common::campaign::{Campaign, Run, RunKind, Stamp, State};
use common::envelope::{BatchEnvelope, ShardEnvelope};
use common::ids::{BatchKey, Epoch, WorkerId};
use common::limits::{LOOK_GOOD_FOR, QUEUE_CALL_ENTRIES_MAX};
use common::time::{Clock, UnixMs};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a gateway knows of one device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// Pushes written to it.
    pub(crate) writes: u32,
    /// Of these, accepted.
    pub(crate) accepted: u32,
    /// Of these, answered with anything else.
    pub(crate) refused: u32,
}

/// A run of sending, as the record had it.
#[derive(Clone, Copy, Debug)]
struct RunSeen {
    epoch: Epoch,
    deadline_at: UnixMs,
    kind: RunKind,
    /// Since when the record says that it may not send.
    over_since: Option<u64>,
}

/// What the rules are held against.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) heard: Vec<Heard>,
    /// Acceptances beyond the first, by batch.
    pub(crate) extra: BTreeMap<BatchKey, u32>,
    /// When the ledger learned how many outcomes.
    learned: Vec<(u64, u64)>,
    /// When each process began its last reading of the ledger.
    reads: BTreeMap<WorkerId, u64>,
    /// When the reading began that the record's books are from.
    books_since: Option<u64>,
    runs: Vec<RunSeen>,
    last: Option<(u64, Epoch, State, Option<Stamp>)>,
}

impl Monitor {
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            heard: vec![Heard::default(); devices],
            extra: BTreeMap::new(),
            learned: Vec::new(),
            reads: BTreeMap::new(),
            books_since: None,
            runs: Vec::new(),
            last: None,
        }
    }

    /// The campaign's record was written.
    pub(crate) fn moved(&mut self, next: &Campaign, now: u64) -> Result<(), String> {
        let live = next.live_run();
        for run in &mut self.runs {
            let is_live = live.is_some_and(|live| live.epoch == run.epoch);
            if !is_live && run.over_since.is_none() {
                run.over_since = Some(now);
            }
        }
        let new = |r: &&Run| !self.runs.iter().any(|seen| seen.epoch == r.epoch);
        let new = live.filter(new).map(|r| RunSeen {
            epoch: r.epoch,
            deadline_at: r.deadline_at,
            kind: r.kind,
            over_since: None,
        });
        self.runs.extend(new);
        let before = self.last.replace((next.version, next.epoch, next.state, next.pressed.clone()));
        let Some((version, epoch, state, pressed)) = before else { return Ok(()) };
        if next.version != version + 1 || next.epoch < epoch {
            return Err(format!("version {version} -> {}, epoch {epoch} -> {}", next.version, next.epoch));
        }
        if pressed.is_some() && pressed != next.pressed {
            return Err(format!("who pressed first was changed from {pressed:?} to {:?}", next.pressed));
        }
        if !may_follow(state, next.state) {
            return Err(format!("the record moved from {state:?} to {:?}", next.state));
        }
        Ok(())
    }

    /// The ledger learned something.
    pub(crate) fn learned(&mut self, outcomes: u64, now: u64) {
        if outcomes > 0 {
            self.learned.push((now, outcomes));
        }
    }

    /// Somebody begins to read the ledger from its beginning.
    pub(crate) fn reads(&mut self, who: WorkerId, now: u64) {
        self.reads.insert(who, now);
    }

    /// The books were written by this process: what the ledger has learned since its reading began may not be in them.
    pub(crate) fn books_written(&mut self, by: WorkerId, state: State) {
        if matches!(state, State::Stopped | State::Done) && self.books_since.is_none() {
            self.books_since = Some(self.reads.get(&by).copied().unwrap_or(0));
        }
        if state == State::Sending {
            self.books_since = None;
        }
    }

    /// Outcomes that became better known than the books have them.
    pub(crate) fn learned_late(&self) -> u64 {
        let since = self.books_since.unwrap_or(u64::MAX);
        self.learned.iter().filter(|(at, _)| *at >= since).map(|(_, n)| n).sum()
    }

    /// A shard envelope is put on its queue: its run stands in the record.
    pub(crate) fn shard_sent(&self, envelope: &ShardEnvelope) -> Result<(), String> {
        self.known_run(envelope.head.epoch, envelope.head.deadline_at)
            .map_err(|why| format!("the envelope of shard {}: {why}", envelope.shard))
    }

    /// Whether this run may send no more.
    pub(crate) fn is_over(&self, epoch: Epoch) -> bool {
        self.runs.iter().find(|r| r.epoch == epoch).is_none_or(|r| r.over_since.is_some())
    }

    /// Whether this run is a canary.
    pub(crate) fn is_canary(&self, epoch: Epoch) -> bool {
        self.runs.iter().any(|r| r.epoch == epoch && r.kind == RunKind::Canary)
    }

    fn known_run(&self, epoch: Epoch, deadline_at: UnixMs) -> Result<(), String> {
        match self.runs.iter().find(|r| r.epoch == epoch) {
            None => Err(format!("the record has no run of epoch {epoch}")),
            Some(run) if run.deadline_at != deadline_at => {
                Err(format!("the deadline of epoch {epoch} is another"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Bytes leave for a gateway: by the record as it is, their run is not over for longer than a look is good for.
    fn may_write(&self, deadline_at: UnixMs, now: u64) -> Result<(), String> {
        if let Some((_, _, State::Stopped, _)) = self.last {
            return Err("a push is written while the campaign is stopped".to_owned());
        }
        let good_for = u64::try_from(LOOK_GOOD_FOR.as_millis()).unwrap_or(u64::MAX);
        match self.runs.iter().rev().find(|r| r.deadline_at == deadline_at) {
            None => Err("a push is written with a deadline that no run has".to_owned()),
            Some(RunSeen { over_since: Some(at), epoch, .. }) if now - at >= good_for => {
                Err(format!("a push of epoch {epoch} is written {} ms after its run was over", now - at))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The state table, once more and in another way: which state may stand after which.
fn may_follow(from: State, to: State) -> bool {
    use State::{Armed, Done, Ready, Sending, Stopped, Stopping};
    from == to
        || matches!(
            (from, to),
            (Ready, Armed)
                | (Armed, Ready | Sending)
                | (Sending, Stopping | Done)
                | (Stopping, Stopped)
                | (Stopped, Sending)
        )
}

impl World {
    /// A batch envelope is put on its queue: its run is known, and its devices are those of the snapshot's batch.
    pub(crate) fn batch_sent(&self, process: &Process, batch: &BatchEnvelope) {
        let (key, head) = (batch.key, &batch.head);
        let known = self.with(|s| s.monitor.known_run(head.epoch, head.deadline_at));
        let whole = self.audience.batches.get(&key);
        let right = match whole {
            None => Err("no such batch".to_owned()),
            Some((_, n)) if *n != batch.devices => Err(format!("{} devices instead of {n}", batch.devices)),
            Some((body, _)) if batch.only.is_empty() && *body != batch.body => {
                Err("its body is another".to_owned())
            }
            Some(_) => self.right_places(batch),
        };
        let users = common::envelope::BatchBody::new(&batch.body).users().count();
        let within = if users <= usize::from(self.spec.batch_users) {
            Ok(())
        } else {
            Err(format!("{users} users in one batch"))
        };
        if let Err(why) = known.and(right).and(within) {
            self.violate(format!("{} sends batch {key}: {why}", process.name));
        }
        self.is_on_queue(batch);
    }

    /// Every device in it stands at its place in this batch.
    fn right_places(&self, batch: &BatchEnvelope) -> Result<(), String> {
        for (i, view) in common::envelope::BatchBody::new(&batch.body).devices().enumerate() {
            let (place, number) = (batch.place(i), crate::audience::number(view.target));
            let device = number.and_then(|n| self.audience.devices.get(n));
            if device.is_none_or(|d| (d.key, d.place) != (batch.key, place)) {
                return Err(format!("a strange device at place {place}"));
            }
        }
        Ok(())
    }

    /// These devices' pushes leave this process now.
    pub(crate) fn written(&self, process: &Arc<Process>, devices: &[usize], deadline_at: UnixMs) {
        let now = self.ms();
        let own = ProcessClock(Arc::clone(process)).now();
        let allowed = self.with(|s| {
            devices.iter().for_each(|n| s.monitor.heard[*n].writes += 1);
            s.tally.busy_ms = now - *s.first_write.get_or_insert(now);
            s.monitor.may_write(deadline_at, now)
        });
        let in_time =
            if own < deadline_at { Ok(()) } else { Err("a push is written after the deadline".to_owned()) };
        let key = devices.first().and_then(|n| self.audience.devices.get(*n)).map(|d| d.key);
        let held = key.map_or(Ok(()), |key| self.is_held_by(process, key, own));
        if let Err(why) = allowed.and(in_time).and(held) {
            self.violate(format!("{}: {why}", process.name));
        }
        let limit = self.in_hand_max();
        let in_hand = process.in_hand.load(Ordering::Relaxed);
        if in_hand > limit {
            self.violate(format!(
                "{} has {in_hand} pushes in hand, {limit} at most are allowed",
                process.name
            ));
        }
    }

    /// Room is taken by the average batch (or, before that is known, for ten batches at once), and one batch above the limit
    /// goes alone: so many batches, and each may be the largest.
    fn in_hand_max(&self) -> usize {
        let batches = &self.audience.batches;
        let largest = batches.values().map(|(_, n)| usize::from(*n)).max().unwrap_or(0);
        let average = self.audience.devices.len().div_ceil(batches.len().max(1)).max(1);
        let limit = self.spec.push.devices_in_flight;
        // Room of a tenth each, rounded down: up to nineteen fit.
        let unknown = limit / (limit / QUEUE_CALL_ENTRIES_MAX).max(1);
        self.spec.push.lanes * ((limit / average).max(unknown) + 1) * largest
    }

    /// Whoever writes holds the claim, by the ledger. With clocks that differ, others may think it lapsed.
    fn is_held_by(&self, process: &Process, key: BatchKey, own: UnixMs) -> Result<(), String> {
        if self.has_skew() {
            return Ok(());
        }
        let record = self.parts.ledger.peek(self.campaign, key);
        match record {
            Some(r) if r.holder == Some(process.id) && r.lease_until > own => Ok(()),
            Some(r) => Err(format!(
                "batch {key} is written without its claim: holder {:?}, lease until {}, now {}",
                r.holder, r.lease_until.0, own.0
            )),
            None => Err(format!("batch {key} is written, and the ledger has no record of it")),
        }
    }

    pub(crate) fn has_skew(&self) -> bool {
        self.spec.strikes.iter().any(|s| matches!(s.what, crate::strike::What::Skew(_)))
    }

    /// A gateway accepted a push: not twice, unless the ledger has counted that it may happen.
    pub(crate) fn accepted(&self, device: usize) {
        let key = self.audience.devices[device].key;
        let extra = self.with(|s| {
            let heard = &mut s.monitor.heard[device];
            heard.accepted += 1;
            let again = heard.accepted > 1;
            s.tally.accepted += 1;
            s.tally.doubled += u64::from(again);
            again.then(|| {
                let extra = s.monitor.extra.entry(key).or_default();
                *extra += 1;
                *extra
            })
        });
        let Some(extra) = extra else { return };
        let bound = self.parts.ledger.peek(self.campaign, key).map_or(0, |r| r.doubled_at_most);
        if extra > bound {
            self.violate(format!(
                "device {device} of batch {key} is accepted twice: {extra} such in its batch, {bound} counted"
            ));
        }
    }

    /// A gateway answered a push with something else.
    pub(crate) fn refused(&self, device: usize) {
        self.with(|s| s.monitor.heard[device].refused += 1);
    }
}
