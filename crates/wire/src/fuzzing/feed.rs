//! What the other side has granted at most, read off the bytes that it sent.

use crate::frame::{self, Head};
use crate::limits::{FRAME_BYTES_MAX, HEAD_BYTES, WINDOW_FIRST};
use std::collections::HashMap;

/// Bounds that hold whichever of the frames were taken: grants are added up, and never taken back.
pub(super) struct Feed {
    partial: Vec<u8>,
    pub(super) window: i64,
    pub(super) frame_bytes: usize,
    first_window: i64,
    streams: HashMap<u32, i64>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            partial: Vec::new(),
            window: WINDOW_FIRST,
            frame_bytes: FRAME_BYTES_MAX,
            first_window: WINDOW_FIRST,
            streams: HashMap::new(),
        }
    }

    /// Most bytes that a stream may ever have sent by now.
    pub(super) fn stream(&self, id: u32) -> i64 {
        self.first_window + self.streams.get(&id).copied().unwrap_or(0)
    }

    pub(super) fn see(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some((head, payload)) = first(&self.partial) {
            let end = HEAD_BYTES + head.len;
            let number = frame::number(payload).map_or(0, |number| i64::from(number & 0x7fff_ffff));
            match (head.kind, head.stream) {
                (frame::WINDOW_UPDATE, 0) => self.window += number,
                (frame::WINDOW_UPDATE, id) => *self.streams.entry(id).or_default() += number,
                (frame::SETTINGS, 0) if !head.has(frame::ACK) => {
                    for &[i0, i1, v0, v1, v2, v3] in payload.as_chunks::<6>().0 {
                        let value = u32::from_be_bytes([v0, v1, v2, v3]);
                        match u16::from_be_bytes([i0, i1]) {
                            4 => self.first_window = self.first_window.max(i64::from(value)),
                            5 => self.frame_bytes = self.frame_bytes.max(value as usize),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
            self.partial.drain(..end);
        }
    }
}

/// The first frame, if it is whole.
pub(super) fn first(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let head = Head::read(bytes)?;
    Some((head, bytes.get(HEAD_BYTES..HEAD_BYTES + head.len)?))
}
