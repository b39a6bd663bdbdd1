//! Frame heads (RFC 9113, 4.1 and 6): read, written, padding taken off. What a frame means is the connection's matter.

use crate::fault::{Fault, frame_size, protocol};
use crate::limits::HEAD_BYTES;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// The nine octets before each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// The reserved bit is ignored.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEAD_BYTES>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        Some(Self { len, kind, flags, stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]) })
    }

    pub(crate) fn octets(self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = (self.len as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends a frame.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&Head { len: payload.len(), kind, flags, stream }.octets());
    out.extend_from_slice(payload);
}

/// The payload without padding (RFC 9113, 6.1) and, in HEADERS, without the deprecated priority fields (6.2).
pub(crate) fn strip(head: Head, payload: &[u8]) -> Result<&[u8], Fault> {
    let mut rest = payload;
    let mut pad = 0;
    if head.has(PADDED) {
        let (&length, after) = rest.split_first().ok_or(frame_size("padded, but without a length"))?;
        (pad, rest) = (usize::from(length), after);
    }
    if head.kind == HEADERS && head.has(WITH_PRIORITY) {
        rest = rest.get(5..).ok_or(frame_size("priority fields cut short"))?;
    }
    let end = rest.len().checked_sub(pad).ok_or(protocol("more padding than payload"))?;
    rest.get(..end).ok_or(protocol("more padding than payload"))
}

/// A payload that is one 32-bit number.
pub(crate) fn number(payload: &[u8]) -> Result<u32, Fault> {
    let octets = payload.try_into().map_err(|_| frame_size("not four octets"))?;
    Ok(u32::from_be_bytes(octets))
}
