//! Stage 4: writes each shard's object, and beside it the list of its dropped users.

use super::contest::Loser;
use super::dropped::{Dropped, add};
use super::resolve::{Work, name as work_name};
use super::scratch::{Head, of_shard};
use super::{BuildError, Ctx, beside, each_shard};
use bytes::Bytes;
use common::campaign::DropReason;
use common::envelope::{BatchBody, UserWriter};
use common::ids::{ShardNo, SnapshotId};
use common::limits::LOCALES_MAX;
use common::ports::PutMode;
use common::snapshot::{Shard, ShardEntry, ShardWriter, keys};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NAME: &str = "done";
const STAGE: &str = "writing the snapshot";

/// The checkpoint of one shard, as the head of its scratch object; behind it lie its dropped users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) entry: ShardEntry,
    pub(super) devices: BTreeMap<String, u64>,
    pub(super) dropped: BTreeMap<DropReason, u64>,
    pub(super) dropped_devices: BTreeMap<String, u64>,
    /// Devices that stage 2 found for this shard.
    pub(super) found_devices: u64,
    /// Length of the list of dropped users.
    pub(super) dropped_bytes: u64,
}

/// The name of a shard's object.
pub(super) fn name(shard: u16) -> String {
    of_shard(NAME, shard)
}

/// The locales of all shards, in order: their numbers are the same in every shard.
pub(super) fn locales(works: &[Head<Work>]) -> Result<Vec<String>, BuildError> {
    let all: BTreeSet<&String> = works.iter().flat_map(|w| &w.head.locales).collect();
    if all.len() > LOCALES_MAX {
        return Err(BuildError::TooManyLocales);
    }
    Ok(all.into_iter().cloned().collect())
}

pub(super) async fn write(
    ctx: &Arc<Ctx>,
    works: Vec<Head<Work>>,
    losers: Vec<Vec<Loser>>,
    locales: &[String],
) -> Result<Vec<Head<Done>>, BuildError> {
    let total = works.iter().map(|w| w.head.users).sum();
    let shards: Arc<Vec<_>> = Arc::new(
        works.into_iter().zip(losers).map(|(work, losers)| Input::new(work, losers, locales)).collect(),
    );
    let seen = Arc::new(AtomicU64::new(0));
    each_shard(ctx, |ctx, shard| {
        let (shards, seen) = (shards.clone(), seen.clone());
        async move {
            let input = &shards[usize::from(shard)];
            let done = shard_done(&ctx, shard, input).await?;
            let users = input.work.head.users;
            ctx.keeper.tick(STAGE, seen.fetch_add(users, Ordering::Relaxed) + users, total).await?;
            Ok(done)
        }
    })
    .await
}

/// What is known of a shard before it is written.
struct Input {
    work: Head<Work>,
    losers: Arc<[Loser]>,
    /// From the shard's numbers of locales to the snapshot's.
    locales: Arc<[u8]>,
}

impl Input {
    fn new(work: Head<Work>, losers: Vec<Loser>, all: &[String]) -> Self {
        let number =
            |tag: &String| all.binary_search(tag).ok().and_then(|n| u8::try_from(n).ok()).unwrap_or(0);
        let locales = work.head.locales.iter().map(number).collect();
        Self { work, losers: losers.into(), locales }
    }
}

async fn shard_done(ctx: &Ctx, shard: u16, input: &Input) -> Result<Head<Done>, BuildError> {
    if let Some(done) = ctx.scratch.head::<Done>(&name(shard)).await? {
        return Ok(done);
    }
    let [records, lines, dropped] = input.work.head.sections_at();
    let work = work_name(shard);
    let bytes = ctx.scratch.body(&work, &input.work, records.start..dropped.end).await?;
    let cut = |at: std::ops::Range<u64>| {
        let place = |n: u64| usize::try_from(n - records.start).unwrap_or(usize::MAX);
        bytes.slice(place(at.start)..place(at.end))
    };
    let sections = [cut(records.clone()), cut(lines), cut(dropped)];
    let (losers, locales, batch_users) =
        (input.losers.clone(), input.locales.clone(), ctx.options.batch_users);
    let head = input.work.head.clone();
    let made = beside(move || {
        let writing = Writing::new(shard, batch_users, &head, &sections[2]);
        writing.run(&sections, &losers, &locales, &head)
    });
    let (object, dropped, done) = made.await?;
    let key = keys::shard(ctx.campaign, ShardNo(shard), done.entry.blake3);
    ctx.backend.objects.put(&key, object, PutMode::IfAbsent).await?;
    ctx.scratch.put(&name(shard), done, &[&dropped]).await
}

/// One shard on its way out.
struct Writing {
    shard: ShardNo,
    writer: ShardWriter,
    devices: BTreeMap<String, u64>,
    dropped: Dropped,
    dropped_devices: BTreeMap<String, u64>,
}

impl Writing {
    fn new(shard: u16, batch_users: u16, work: &Work, dropped: &Bytes) -> Self {
        Self {
            shard: ShardNo(shard),
            writer: ShardWriter::new(ShardNo(shard), batch_users),
            devices: BTreeMap::new(),
            dropped: Dropped { ndjson: dropped.to_vec(), counts: work.dropped.clone() },
            dropped_devices: work.dropped_devices.clone(),
        }
    }

    fn run(
        mut self,
        [records, lines, _]: &[Bytes; 3],
        losers: &[Loser],
        locales: &[u8],
        work: &Work,
    ) -> Result<(Bytes, Vec<u8>, Done), BuildError> {
        let mut losers = losers.iter().peekable();
        let (mut sent, mut lost) = ([0u64; 2], [0u64; 2]);
        for ((number, user), line) in (0u32..).zip(BatchBody::new(records).users()).zip(lines.chunks_exact(8))
        {
            let mut kept = UserWriter::new(user.id);
            for (place, device) in (0u8..).zip(&user.devices) {
                if let Some(loser) = losers.next_if(|l| (l.user, l.device) == (number, place)) {
                    lost[usize::from(loser.same_user)] += 1;
                    continue;
                }
                let locale = locales.get(usize::from(device.locale)).copied().unwrap_or(0);
                kept.device(device.target, locale);
                sent[device.target.platform() as usize] += 1;
            }
            if kept.is_empty() {
                let line = line.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
                self.dropped.push(line, user.id, DropReason::NoDevice, Some("other_user"));
            }
            self.writer.push(kept);
        }
        for (platform, n) in common::device::Platform::ALL.iter().zip(sent).filter(|(_, n)| *n > 0) {
            self.devices.insert(platform.label().to_owned(), n);
        }
        for (why, n) in ["other_user", "duplicate"].into_iter().zip(lost).filter(|(_, n)| *n > 0) {
            self.dropped_devices.insert(why.to_owned(), n);
        }
        self.finish(work)
    }

    fn finish(self, work: &Work) -> Result<(Bytes, Vec<u8>, Done), BuildError> {
        let users = u64::from(self.writer.users());
        let object = self.writer.finish();
        let blake3 = SnapshotId(*blake3::hash(&object).as_bytes());
        // What was written is read back as a worker will.
        let opened = Shard::open_unchecked(&object).map_err(|e| BuildError::Faulty(e.to_string()))?;
        if users + self.dropped.counts.values().sum::<u64>() != work.entries {
            return Err(BuildError::Faulty(format!(
                "shard {} lost or gained users while it was written",
                self.shard
            )));
        }
        let done = Done {
            entry: ShardEntry {
                users,
                devices: opened.devices.into(),
                batches: opened.batches(),
                bytes: object.len() as u64,
                blake3,
            },
            devices: self.devices,
            dropped: self.dropped.counts,
            dropped_devices: self.dropped_devices,
            found_devices: work.devices() + work.dropped_devices.values().sum::<u64>(),
            dropped_bytes: self.dropped.ndjson.len() as u64,
        };
        Ok((object, self.dropped.ndjson, done))
    }
}

/// The counts of all shards.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) devices: BTreeMap<String, u64>,
    pub(super) dropped: BTreeMap<DropReason, u64>,
    pub(super) dropped_devices: BTreeMap<String, u64>,
    pub(super) found_devices: u64,
}

impl Totals {
    pub(super) fn of(done: &[Head<Done>]) -> Self {
        let mut all = Self::default();
        for Head { head, .. } in done {
            add(&mut all.devices, &head.devices);
            add(&mut all.dropped, &head.dropped);
            add(&mut all.dropped_devices, &head.dropped_devices);
            all.found_devices += head.found_devices;
        }
        all
    }
}
