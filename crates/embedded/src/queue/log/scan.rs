//! Walks through a segment's bytes: good frames in order, damage in the middle skipped and named, a torn tail found.

use super::format::{
    FRAME_MAGIC, FrameParts, NoFrame, SEGMENT_HEAD_BYTES, read_frame, read_segment_head, to_usize,
};

/// What a walk found besides frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// What the segment's head says; `None` when it is unreadable.
    pub(super) next_seq: Option<u64>,
    /// Bytes up to the end of the last good frame.
    pub(super) good_bytes: u64,
    /// Bytes behind it, in which no frame is.
    pub(super) tail_bytes: u64,
    /// The tail is the beginning of a frame that was cut short, or zeros that a power cut left: no bytes were changed.
    pub(super) tail_is_torn: bool,
    /// Ranges between good frames in which no frame is: first byte and length.
    pub(super) damage: Vec<(u64, u64)>,
}

/// Walks through `bytes`, a whole segment. `each` gets a good frame's offset and parts.
pub(super) fn scan(bytes: &[u8], number: u64, mut each: impl FnMut(usize, &FrameParts)) -> Scan {
    let mut found = Scan { next_seq: read_segment_head(bytes, number), ..Scan::default() };
    let mut at = SEGMENT_HEAD_BYTES.min(bytes.len());
    if found.next_seq.is_none() && bytes.len() >= SEGMENT_HEAD_BYTES {
        found.damage.push((0, SEGMENT_HEAD_BYTES as u64));
    }
    while at < bytes.len() {
        match read_frame(&bytes[at..], number, at as u64) {
            Ok(parts) => {
                each(at, &parts);
                at += parts.bodies.end;
            }
            Err(why) => match next_frame(bytes, number, at + 1) {
                Some(next) => {
                    found.damage.push((at as u64, (next - at) as u64));
                    at = next;
                }
                None => {
                    found.tail_is_torn = why == NoFrame::Torn || bytes[at..].iter().all(|b| *b == 0);
                    break;
                }
            },
        }
    }
    found.good_bytes = at as u64;
    found.tail_bytes = (bytes.len() - at) as u64;
    found
}

/// The next place at which a good frame begins.
fn next_frame(bytes: &[u8], number: u64, from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find_iter(rest, &FRAME_MAGIC)
        .map(|place| from + place)
        .find(|at| read_frame(&bytes[*at..], number, *at as u64).is_ok())
}

/// Offsets of the bodies of one frame, in the order of its send operations.
pub(super) struct BodyOffsets(u64);

impl BodyOffsets {
    /// Of a frame at this offset.
    pub(super) fn new(frame_at: u64, parts: &FrameParts) -> Self {
        Self(frame_at + parts.bodies.start as u64)
    }

    /// The next body's.
    pub(super) fn next(&mut self, body_bytes: u32) -> u64 {
        let at = self.0;
        self.0 += to_usize(body_bytes) as u64;
        at
    }
}
