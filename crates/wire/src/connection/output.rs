//! The output: one contiguous buffer, and how much of it left.

use crate::frame;
use crate::frame::Head;
use crate::limits::{CONTROL_BYTES_MAX, HEAD_BYTES, PREFACE};

/// Once so many bytes have left of a buffer that never runs empty, they are cut off.
const CUT_BYTES: usize = 256 * 1_024;

#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` left.
    taken: usize,
    /// Bytes of the connection before `bytes`.
    before: u64,
    /// Where the first frame in `bytes` begins: before it stands the rest of one that was cut off half, or the preface.
    first: usize,
    /// Bytes of answers to the other side's frames since `control_from`.
    control: usize,
    control_from: u64,
}

impl Output {
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Bytes of the connection that left.
    pub(super) fn left(&self) -> u64 {
        self.before + self.taken as u64
    }

    /// Bytes of the connection that were written, left or not.
    pub(super) fn end(&self) -> u64 {
        self.before + self.bytes.len() as u64
    }

    /// To append to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What stands before all frames.
    pub(super) fn preface(&mut self) {
        self.bytes.extend_from_slice(PREFACE);
        self.first = PREFACE.len();
    }

    pub(super) fn took(&mut self, bytes: usize) {
        self.taken = (self.taken + bytes).min(self.bytes.len());
        if self.taken == self.bytes.len() {
            self.before += self.taken as u64;
            self.bytes.clear();
            (self.taken, self.first) = (0, 0);
        } else if self.taken >= CUT_BYTES {
            self.first = self.next_frame() - self.taken;
            self.before += self.taken as u64;
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Where the first frame begins of which nothing left.
    fn next_frame(&self) -> usize {
        let mut at = self.first;
        while at < self.taken
            && let Some(head) = self.head(at)
        {
            at += HEAD_BYTES + head.len;
        }
        at
    }

    fn head(&self, at: usize) -> Option<Head> {
        self.bytes.get(at..).and_then(Head::read)
    }

    /// Takes the frames back for which `keeps` says no, of those of which nothing has left.
    pub(super) fn keep_frames(&mut self, mut keeps: impl FnMut(Head) -> bool) {
        let (mut from, mut to) = (self.next_frame(), self.next_frame());
        while let Some(head) = self.head(from) {
            let end = (from + HEAD_BYTES + head.len).min(self.bytes.len());
            if keeps(head) {
                self.bytes.copy_within(from..end, to);
                to += end - from;
            }
            from = end;
        }
        self.bytes.truncate(to);
        self.control_from = self.control_from.min(self.end());
    }

    /// Takes back what was written from a position of the connection on, as far as it has not left.
    pub(super) fn cut(&mut self, from: u64) {
        let keep = from.saturating_sub(self.before) as usize;
        self.bytes.truncate(keep.max(self.taken));
    }

    /// Appends a frame that answers one of the other side's. Says no if too much of the kind waits.
    pub(super) fn control(&mut self, kind: u8, flags: u8, payload: &[u8]) -> bool {
        if self.left() >= self.control_from {
            (self.control, self.control_from) = (0, self.end());
        }
        self.control += payload.len();
        frame::put(&mut self.bytes, kind, flags, 0, payload);
        self.control += HEAD_BYTES;
        self.control <= CONTROL_BYTES_MAX
    }
}
