//! Stage 2: shard by shard, the entries in order, without repetitions, and with their devices.
//!
//! Leaves one scratch object a shard: claims (what stage 3 needs of each device), user records, their lines, and the
//! users dropped so far. Which devices a user has is read here, once, and stays so for the whole build.

use super::contest::{BUCKETS, CLAIM_BYTES, Claim, bucket_of};
use super::dropped::Dropped;
use super::partition::{Partition, Record, load, records};
use super::scratch::{Head, of_shard};
use super::{BuildError, Ctx, beside, each_shard};
use bytes::Bytes;
use common::campaign::{DropReason, Options};
use common::device::{Device, UserDevices};
use common::envelope::UserWriter;
use common::limits::LOCALES_MAX;
use common::ports::PortError;
use common::snapshot::user_hash;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Users of one look-up call.
const LOOKUP_USERS: usize = 4_096;
const NAME: &str = "work";
const STAGE: &str = "looking devices up";

/// The checkpoint of one shard, as the head of its scratch object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Work {
    /// Entries of the list that belong to this shard.
    pub(super) entries: u64,
    /// Users with a device.
    pub(super) users: u64,
    /// Dropped so far, by reason.
    pub(super) dropped: BTreeMap<DropReason, u64>,
    /// Devices left out so far, by reason.
    pub(super) dropped_devices: BTreeMap<String, u64>,
    /// The locales that the records number.
    pub(super) locales: Vec<String>,
    /// How many claims lie in each bucket and the ones before it.
    pub(super) claims: Vec<u64>,
    /// Lengths of the sections behind the claims: records, lines, dropped users.
    sections: [u64; 3],
}

impl Work {
    /// Devices in the records.
    pub(super) fn devices(&self) -> u64 {
        self.claims.last().copied().unwrap_or(0)
    }

    /// Where the claims of some buckets lie.
    pub(super) fn claims_at(&self, buckets: Range<usize>) -> Range<u64> {
        let end = |n: usize| n.checked_sub(1).and_then(|n| self.claims.get(n)).copied().unwrap_or(0);
        end(buckets.start) * CLAIM_BYTES as u64..end(buckets.end) * CLAIM_BYTES as u64
    }

    /// Where records, lines and dropped users lie.
    pub(super) fn sections_at(&self) -> [Range<u64>; 3] {
        let mut at = self.devices() * CLAIM_BYTES as u64;
        self.sections.map(|length| {
            at += length;
            at - length..at
        })
    }
}

/// The name of a shard's object.
pub(super) fn name(shard: u16) -> String {
    of_shard(NAME, shard)
}

pub(super) async fn resolve(
    ctx: &Arc<Ctx>,
    partition: &Arc<Partition>,
) -> Result<Vec<Head<Work>>, BuildError> {
    let seen = Arc::new(AtomicU64::new(0));
    let works = each_shard(ctx, |ctx, shard| {
        let (partition, seen) = (partition.clone(), seen.clone());
        async move { shard_work(&ctx, &partition, shard, &seen).await }
    })
    .await?;
    let entries: u64 = works.iter().map(|w| w.head.entries).sum();
    if entries != partition.uploaded {
        return Err(BuildError::Faulty(format!(
            "{} entries were read, {entries} reached a shard",
            partition.uploaded
        )));
    }
    Ok(works)
}

async fn shard_work(
    ctx: &Ctx,
    partition: &Partition,
    shard: u16,
    seen: &AtomicU64,
) -> Result<Head<Work>, BuildError> {
    let tick = |n: usize| {
        ctx.keeper.tick(STAGE, seen.fetch_add(n as u64, Ordering::Relaxed) + n as u64, partition.uploaded)
    };
    if let Some(done) = ctx.scratch.head::<Work>(&name(shard)).await? {
        tick(usize::try_from(done.head.entries).unwrap_or(0)).await?;
        return Ok(done);
    }
    let parts = load(ctx, partition, shard).await?;
    let (roll, mut found) = beside(move || Roll::of(parts)).await?;
    let entries = roll.entries;
    tick(roll.entries - roll.users.len()).await?;
    for users in roll.users.chunks(LOOKUP_USERS) {
        let ids: Vec<&str> = users.iter().map(|u| roll.id(u)).collect();
        let devices = ctx.backend.devices.get_many(&ids).await?;
        if devices.len() != ids.len() {
            let why = format!("{} answers to {} ids", devices.len(), ids.len());
            return Err(PortError::Corrupt { what: "the device table", why }.into());
        }
        for ((user, id), devices) in users.iter().zip(ids).zip(devices) {
            found.user(id, user.line, devices, &ctx.options)?;
        }
        tick(users.len()).await?;
    }
    drop(roll);
    let (work, body) = beside(move || found.finish(entries as u64)).await?;
    let body: Vec<&[u8]> = body.iter().map(Vec::as_slice).collect();
    ctx.scratch.put(&name(shard), work, &body).await
}

/// The users of one shard, in order of hash and id, each once.
struct Roll {
    parts: Vec<Bytes>,
    users: Vec<UserAt>,
    entries: usize,
}

/// A user's id, by its place in the parts.
struct UserAt {
    hash: u64,
    line: u64,
    at: usize,
    part: u16,
    length: u8,
}

impl Roll {
    fn of(parts: Vec<Bytes>) -> Result<(Self, Found), BuildError> {
        let (mut roll, mut found) = (Self { parts: vec![], users: vec![], entries: 0 }, Found::default());
        for (number, part) in (0u16..).zip(&parts) {
            for record in records(part) {
                roll.entries += 1;
                match record? {
                    Record::User { line, id } => roll.users.push(UserAt {
                        hash: user_hash(id),
                        line,
                        at: id.as_ptr().addr() - part.as_ptr().addr(),
                        part: number,
                        length: u8::try_from(id.len()).unwrap_or(u8::MAX),
                    }),
                    Record::Bad { line, text, why } => {
                        found.dropped.push(line, text, DropReason::BadLine, Some(why));
                    }
                }
            }
        }
        roll.parts = parts;
        roll.sort_and_unite(&mut found.dropped);
        Ok((roll, found))
    }

    fn id(&self, user: &UserAt) -> &str {
        id_in(&self.parts, user)
    }

    /// Sorts, and keeps of each id the first line.
    fn sort_and_unite(&mut self, dropped: &mut Dropped) {
        let parts = &self.parts;
        self.users.sort_unstable_by(|a, b| {
            a.hash.cmp(&b.hash).then_with(|| id_in(parts, a).cmp(id_in(parts, b))).then(a.line.cmp(&b.line))
        });
        self.users.dedup_by(|later, first| {
            let same = later.hash == first.hash && id_in(parts, later) == id_in(parts, first);
            if same {
                let detail = format!("stands on line {} already", first.line);
                dropped.push(later.line, id_in(parts, later), DropReason::Duplicate, Some(&detail));
            }
            same
        });
    }
}

fn id_in<'a>(parts: &'a [Bytes], user: &UserAt) -> &'a str {
    let bytes = &parts[usize::from(user.part)][user.at..user.at + usize::from(user.length)];
    // It was text when it was read from there; nothing else can be.
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What was found out about the users of one shard.
#[derive(Default)]
struct Found {
    records: Vec<u8>,
    lines: Vec<u8>,
    users: u32,
    claims: Vec<Claim>,
    locales: Vec<String>,
    locale_numbers: HashMap<Box<str>, u8>,
    dropped: Dropped,
    dropped_devices: BTreeMap<&'static str, u64>,
}

impl Found {
    fn user(
        &mut self,
        id: &str,
        line: u64,
        devices: Option<UserDevices>,
        options: &Options,
    ) -> Result<(), BuildError> {
        let Some(devices) = devices else {
            self.dropped.push(line, id, DropReason::Unknown, None);
            return Ok(());
        };
        if devices.opted_out {
            self.dropped.push(line, id, DropReason::OptedOut, None);
            return Ok(());
        }
        let mut writer = UserWriter::new(id);
        let mut left_out = None;
        for device in &devices.devices {
            match unfit(device, options) {
                Some(why) => {
                    left_out = Some(why);
                    *self.dropped_devices.entry(why).or_default() += 1;
                }
                None if writer.devices() == u8::MAX => {
                    let why = format!("a user has more than {} devices", u8::MAX);
                    return Err(PortError::Corrupt { what: "the device table", why }.into());
                }
                None => self.device(&mut writer, device)?,
            }
        }
        if writer.is_empty() {
            self.dropped.push(line, id, DropReason::NoDevice, left_out);
            return Ok(());
        }
        writer.finish(&mut self.records);
        self.lines.extend_from_slice(&line.to_le_bytes());
        self.users += 1;
        Ok(())
    }

    fn device(&mut self, writer: &mut UserWriter, device: &Device) -> Result<(), BuildError> {
        let locale = self.locale(&device.locale)?;
        self.claims.push(Claim::new(&device.target, device.registered_at, self.users, writer.devices()));
        writer.device(device.target.as_ref(), locale);
        Ok(())
    }

    fn locale(&mut self, tag: &str) -> Result<u8, BuildError> {
        if let Some(number) = self.locale_numbers.get(tag) {
            return Ok(*number);
        }
        let number = u8::try_from(self.locales.len()).ok().filter(|n| usize::from(*n) < LOCALES_MAX);
        let number = number.ok_or(BuildError::TooManyLocales)?;
        self.locales.push(tag.to_owned());
        self.locale_numbers.insert(tag.into(), number);
        Ok(number)
    }

    fn finish(mut self, entries: u64) -> Result<(Work, [Vec<u8>; 4]), BuildError> {
        self.claims.sort_unstable_by_key(Claim::rank);
        let mut counts = [0; BUCKETS];
        self.claims.iter().for_each(|c| counts[bucket_of(c)] += 1);
        let mut all = 0;
        let ends = counts.map(|n: u64| {
            all += n;
            all
        });
        let mut claims = Vec::with_capacity(self.claims.len() * CLAIM_BYTES);
        self.claims.iter().for_each(|c| c.write(&mut claims));
        let length = |section: &[u8]| section.len() as u64;
        let work = Work {
            entries,
            users: self.users.into(),
            sections: [length(&self.records), length(&self.lines), length(&self.dropped.ndjson)],
            dropped: self.dropped.counts,
            dropped_devices: self.dropped_devices.iter().map(|(why, n)| ((*why).to_owned(), *n)).collect(),
            locales: self.locales,
            claims: ends.to_vec(),
        };
        if work.users + work.dropped.values().sum::<u64>() != entries {
            return Err(BuildError::Faulty("a shard has more or fewer users than entries".to_owned()));
        }
        Ok((work, [claims, self.records, self.lines, self.dropped.ndjson]))
    }
}

/// Why a device is not for this campaign.
fn unfit(device: &Device, options: &Options) -> Option<&'static str> {
    if options.app.as_deref().is_some_and(|app| app != &*device.app) {
        return Some("other_app");
    }
    (device.environment != options.environment).then_some("other_environment")
}

/// Sorts claims on one device: the one that keeps it comes first.
pub(super) type Rank = (u128, Reverse<i64>, u16, u32, u8);
