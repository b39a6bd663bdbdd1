//! The output: one contiguous buffer, and how much of it left.

use crate::frame;
use crate::limits::CONTROL_BYTES_MAX;

/// Once so many bytes have left of a buffer that never runs empty, they are cut off.
const CUT_BYTES: usize = 256 * 1_024;

#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` left.
    taken: usize,
    /// Bytes of the connection before `bytes`.
    before: u64,
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

    pub(super) fn took(&mut self, bytes: usize) {
        self.taken = (self.taken + bytes).min(self.bytes.len());
        if self.taken == self.bytes.len() || self.taken >= CUT_BYTES {
            self.before += self.taken as u64;
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
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
        self.control += crate::limits::HEAD_BYTES;
        self.control <= CONTROL_BYTES_MAX
    }
}
