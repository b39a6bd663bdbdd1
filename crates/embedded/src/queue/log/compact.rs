//! Keeps the log small: a new segment when one is full, dead ones removed, survivors copied forward.

use super::format::{Op, Ops, SendOp};
use super::{Log, LogError};
use common::queue::Seq;
use common::time::UnixMs;

/// The log may be larger than twice what is alive in it by this many segments.
const SLACK_SEGMENTS: u64 = 3;
/// At most so many segments are emptied when one becomes full: bounds the pause.
const EMPTIED_PER_SEGMENT: usize = 2;
/// Bodies copied in one frame, in bytes.
const COPY_BYTES: u64 = 1 << 20;

impl Log {
    /// Begins a new segment when the last one is full, and compacts then.
    pub(super) fn make_room(&mut self, now: UnixMs) -> Result<(), LogError> {
        let Some((&last, segment)) = self.segments.last_key_value() else { return self.add_segment(1, now) };
        if segment.bytes < self.segment_bytes {
            return Ok(());
        }
        self.clean_tail()?;
        if self.fsync {
            self.sync_tip()?;
        }
        self.add_segment(last + 1, now)?;
        if let Err(why) = self.compact() {
            // The log stays larger than it should; the next full segment tries again.
            tracing::error!(dir = %self.dir.display(), %why, "survivors of an old queue segment could not be moved");
        }
        Ok(())
    }

    fn sync_tip(&mut self) -> Result<(), LogError> {
        let Some(file) = self.tip() else { return Ok(()) };
        file.sync().map_err(|e| {
            self.stop(&e);
            LogError::Stopped(e.to_string())
        })
    }

    fn compact(&mut self) -> Result<(), LogError> {
        for _ in 0..EMPTIED_PER_SEGMENT {
            if !self.is_too_large() {
                break;
            }
            let Some((&oldest, _)) = self.segments.first_key_value() else { break };
            self.empty_segment(oldest)?;
            if self.fsync {
                self.sync_tip()?;
            }
            self.drop_dead_segments();
        }
        Ok(())
    }

    fn is_too_large(&self) -> bool {
        let (bytes, alive) =
            self.segments.values().fold((0, 0), |(b, a), s| (b + s.bytes, a + s.alive_bytes));
        bytes > 2 * alive + SLACK_SEGMENTS * self.segment_bytes
    }

    /// Copies what is alive in a segment to the end of the log.
    fn empty_segment(&mut self, number: u64) -> Result<(), LogError> {
        let here = self.entries.iter().filter(|(_, e)| e.segment == number);
        let mut survivors: Vec<Seq> = here.map(|(seq, _)| *seq).collect();
        survivors.sort_unstable();
        let (mut ops, mut bodies, mut bytes) = (Ops::default(), Vec::new(), 0);
        for seq in survivors {
            let (Some(place), Some(entry)) = (self.body(seq), self.entries.get(&seq)) else { continue };
            bodies.push(place.read()?);
            bytes += u64::from(entry.body_bytes);
            ops.push(Op::Send(SendOp {
                seq,
                receives: entry.receives,
                dead: entry.dead,
                delay_until: entry.delay_until,
                group: entry.group.as_deref(),
                body_bytes: entry.body_bytes,
                body_hash: entry.body_hash,
            }));
            if bytes >= COPY_BYTES {
                self.write(&mut std::mem::take(&mut ops), &std::mem::take(&mut bodies))?;
                bytes = 0;
            }
        }
        if !ops.is_empty() {
            self.write(&mut ops, &bodies)?;
        }
        Ok(())
    }

    /// Removes the oldest segments in which nothing is alive. Stops at the first that can't be removed: a tombstone must
    /// not go before what it buries.
    pub(super) fn drop_dead_segments(&mut self) {
        while self.segments.len() > 1 {
            let Some(oldest) = self.segments.first_entry() else { return };
            if oldest.get().alive > 0 {
                return;
            }
            let number = *oldest.key();
            if let Err(why) = self.files.remove(&self.path(number)) {
                tracing::warn!(dir = %self.dir.display(), number, %why, "a dead queue segment could not be removed");
                return;
            }
            self.segments.remove(&number);
        }
    }
}
