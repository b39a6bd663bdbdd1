//! The segment log of one queue: what is on it, where each body lies, and what a restart needs to know.
//!
//! - An append is one frame, one `writev`, and done before anything is acknowledged. What fails half-way is cut off.
//! - Segments go oldest first and only when nothing in them is alive, so that a tombstone outlives what it buries.
//! - Survivors of an old segment are copied forward when the log is much larger than what is alive in it.
//! - Each segment begins with the deduplication ids that are still remembered, so that older segments may go.

mod compact;
mod files;
mod format;
mod replay;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use files::{DiskFiles, Files, SegmentFile};
pub(crate) use format::{Op, Ops, SendOp};
pub use replay::Damage;

use bytes::Bytes;
use common::queue::Seq;
use common::time::UnixMs;
use format::{SEGMENT_HEAD_BYTES, segment_head, to_usize};
use scan::BodyOffsets;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A segment takes no further frame beyond this size.
pub(crate) const SEGMENT_BYTES: u64 = 32 << 20;

/// Why the log could not do it. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// The disk is full, or worse; trying again may help.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Nobody knows what is on the disk: only opening it again helps.
    #[error("the log stopped after an fsync failed ({0}): restart owl on this data directory")]
    Stopped(String),
    /// More than a frame holds.
    #[error("the entries are too long for one frame of the log")]
    TooLong,
    /// A body is not what was written.
    #[error("the body of envelope {0} is damaged")]
    BadBody(Seq),
}

/// What the log knows of an envelope that is alive: on the queue, or a dead letter.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// How often it was handed out.
    pub(crate) receives: u32,
    /// It is a dead letter.
    pub(crate) dead: bool,
    /// Not handed out before then.
    pub(crate) delay_until: Option<UnixMs>,
    /// Its FIFO group.
    pub(crate) group: Option<Box<str>>,
    segment: u64,
    offset: u64,
    body_bytes: u32,
    body_hash: u64,
}

/// A body that can be read without holding the log.
pub(crate) struct BodyPlace {
    seq: Seq,
    file: Arc<dyn SegmentFile>,
    offset: u64,
    bytes: u32,
    hash: u64,
}

impl BodyPlace {
    /// Reads and checks it.
    pub(crate) fn read(&self) -> Result<Bytes, LogError> {
        let mut body = vec![0; to_usize(self.bytes)];
        self.file.read_at(&mut body, self.offset)?;
        if xxh3_64(&body) == self.hash { Ok(body.into()) } else { Err(LogError::BadBody(self.seq)) }
    }
}

struct Segment {
    file: Arc<dyn SegmentFile>,
    bytes: u64,
    /// Envelopes whose body is here, and the length of these.
    alive: u64,
    alive_bytes: u64,
}

/// The log of one queue.
pub(crate) struct Log {
    dir: PathBuf,
    files: Arc<dyn Files>,
    fsync: bool,
    segments: BTreeMap<u64, Segment>,
    entries: HashMap<Seq, Entry>,
    /// Deduplication ids by the end of their memory.
    remembered: VecDeque<(UnixMs, String)>,
    next_seq: Seq,
    /// A failed write may have left part of a frame behind the last good one.
    tail_is_dirty: bool,
    stopped: Option<String>,
    segment_bytes: u64,
}

impl Log {
    /// Everything alive, dead letters included.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Seq, &Entry)> {
        self.entries.iter().map(|(seq, entry)| (*seq, entry))
    }

    /// Deduplication ids, each with the end of its memory.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = &(UnixMs, String)> {
        self.remembered.iter()
    }

    /// The number that the next envelope gets.
    pub(crate) fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Where an envelope's body lies.
    pub(crate) fn body(&self, seq: Seq) -> Option<BodyPlace> {
        let entry = self.entries.get(&seq)?;
        let file = self.segments.get(&entry.segment)?.file.clone();
        Some(BodyPlace { seq, file, offset: entry.offset, bytes: entry.body_bytes, hash: entry.body_hash })
    }

    /// The file that is written now: what an fsync is for.
    pub(crate) fn tip(&self) -> Option<Arc<dyn SegmentFile>> {
        self.segments.last_key_value().map(|(_, s)| s.file.clone())
    }

    /// Takes no more: after an fsync failed, nobody knows what is on the disk.
    pub(crate) fn stop(&mut self, why: &io::Error) {
        self.stopped = Some(why.to_string());
    }

    /// Writes one frame. When this returns `Ok`, it is in the kernel; otherwise nothing has changed.
    pub(crate) fn append(&mut self, mut ops: Ops, bodies: &[Bytes], now: UnixMs) -> Result<(), LogError> {
        if let Some(why) = &self.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        if ops.is_empty() {
            return Ok(());
        }
        while self.remembered.front().is_some_and(|(until, _)| *until <= now) {
            self.remembered.pop_front();
        }
        self.make_room(now)?;
        self.write(&mut ops, bodies)?;
        self.drop_dead_segments();
        Ok(())
    }

    fn write(&mut self, ops: &mut Ops, bodies: &[Bytes]) -> Result<(), LogError> {
        self.clean_tail()?;
        let Some((&number, segment)) = self.segments.last_key_value() else {
            return Err(LogError::Stopped("it has no segment".to_owned()));
        };
        let (file, at) = (segment.file.clone(), segment.bytes);
        let sealed = ops.seal(number, at).ok_or(LogError::TooLong)?;
        let mut slices: Vec<_> =
            std::iter::once(sealed).chain(bodies.iter().map(|b| &b[..])).map(IoSlice::new).collect();
        if let Err(e) = file.append(&mut slices) {
            self.tail_is_dirty = true;
            // What is left of it is cut off now, or else before the next write.
            let _ = self.clean_tail();
            return Err(e.into());
        }
        let length = ops.frame_bytes();
        let parts =
            format::FrameParts { meta: 0..0, bodies: format::FRAME_HEAD_BYTES + ops.meta().len()..length };
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes += length as u64;
        }
        self.apply(number, ops.meta(), BodyOffsets::new(at, &parts));
        Ok(())
    }

    fn clean_tail(&mut self) -> io::Result<()> {
        if self.tail_is_dirty
            && let Some((_, segment)) = self.segments.last_key_value()
        {
            segment.file.truncate(segment.bytes)?;
            self.tail_is_dirty = false;
        }
        Ok(())
    }

    /// Enters a frame's operations into the index.
    fn apply(&mut self, segment: u64, meta: &[u8], mut offsets: BodyOffsets) {
        format::each_op(meta, |op| match op {
            Op::Send(send) => {
                let entry = Entry {
                    receives: send.receives,
                    dead: send.dead,
                    delay_until: send.delay_until,
                    group: send.group.map(Into::into),
                    segment,
                    offset: offsets.next(send.body_bytes),
                    body_bytes: send.body_bytes,
                    body_hash: send.body_hash,
                };
                self.next_seq = self.next_seq.max(send.seq.saturating_add(1));
                self.enter(send.seq, Some(entry));
            }
            Op::Received { seq, count } => {
                if let Some(entry) = self.entries.get_mut(&seq) {
                    entry.receives = entry.receives.max(count);
                }
            }
            Op::Dead { seq } => {
                if let Some(entry) = self.entries.get_mut(&seq) {
                    entry.dead = true;
                }
            }
            Op::Deleted { seq } => self.enter(seq, None),
            Op::Remember { dedup, until } => self.remembered.push_back((until, dedup.to_owned())),
        });
    }

    /// Puts an entry in or takes it out, and keeps the segments' counts.
    fn enter(&mut self, seq: Seq, entry: Option<Entry>) {
        let new = entry.as_ref().map(|e| (e.segment, e.body_bytes));
        let old = match entry {
            Some(entry) => self.entries.insert(seq, entry),
            None => self.entries.remove(&seq),
        };
        if let Some((number, bytes)) = new
            && let Some(segment) = self.segments.get_mut(&number)
        {
            segment.alive += 1;
            segment.alive_bytes += u64::from(bytes);
        }
        if let Some(old) = old
            && let Some(segment) = self.segments.get_mut(&old.segment)
        {
            segment.alive -= 1;
            segment.alive_bytes -= u64::from(old.body_bytes);
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.dir, number)
    }

    /// Begins a segment: its head, and the deduplication ids that are still remembered.
    fn add_segment(&mut self, number: u64, now: UnixMs) -> Result<(), LogError> {
        let path = self.path(number);
        let file = self.files.open(&path)?;
        let begun = self.begin_segment(&*file, number, now);
        let bytes = begun.inspect_err(|_| {
            // Half a segment is not kept; if it can't be removed, the next attempt begins it anew.
            let _ = file.truncate(0).and_then(|()| self.files.remove(&path));
        })?;
        self.segments.insert(number, Segment { file, bytes, alive: 0, alive_bytes: 0 });
        Ok(())
    }

    fn begin_segment(&mut self, file: &dyn SegmentFile, number: u64, now: UnixMs) -> Result<u64, LogError> {
        file.truncate(0)?;
        file.append(&mut [IoSlice::new(&segment_head(number, self.next_seq))])?;
        let mut bytes = SEGMENT_HEAD_BYTES as u64;
        self.remembered.retain(|(until, _)| *until > now);
        self.remembered.make_contiguous().sort();
        for ids in self.remembered.as_slices().0.chunks(200) {
            let mut ops = Ops::default();
            for (until, dedup) in ids {
                ops.push(Op::Remember { dedup, until: *until });
            }
            let sealed = ops.seal(number, bytes).ok_or(LogError::TooLong)?;
            file.append(&mut [IoSlice::new(sealed)])?;
            bytes += ops.frame_bytes() as u64;
        }
        if self.fsync {
            file.sync()?;
            self.files.sync_dir(&self.dir)?;
        }
        Ok(bytes)
    }
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}
