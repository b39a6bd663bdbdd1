//! Bytes become frames, in place as far as they are whole, and each goes to its handler.

use super::Connection;
use crate::fault::{Fault, frame_size, protocol};
use crate::frame::{self, Head};
use crate::limits::{FRAME_BYTES_MAX, HEAD_BYTES};
use crate::request::{Doubt, Outcome};
use std::time::Duration;

impl Connection {
    /// Takes bytes that were read, cut anywhere. After the end they are ignored.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        let rest = self.fill_partial(bytes, now);
        let rest = self.take_whole(rest, now);
        if self.end.is_none() {
            self.partial.extend_from_slice(rest);
            self.pump();
            self.credit();
            self.end_if_drained();
        }
        self.check();
    }

    /// Completes the frame of which a beginning is kept.
    fn fill_partial<'a>(&mut self, mut bytes: &'a [u8], now: Duration) -> &'a [u8] {
        while self.end.is_none() && !self.partial.is_empty() && !bytes.is_empty() {
            let missing = match Head::read(&self.partial) {
                None => HEAD_BYTES - self.partial.len(),
                Some(head) => HEAD_BYTES + head.len - self.partial.len(),
            };
            let (now_here, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(now_here);
            bytes = rest;
            let mut whole = std::mem::take(&mut self.partial);
            if !self.take_whole(&whole, now).is_empty() {
                self.partial = whole;
            } else if self.end.is_none() {
                whole.clear();
                self.partial = whole;
            }
        }
        bytes
    }

    /// Handles the whole frames; the rest is the beginning of one.
    fn take_whole<'a>(&mut self, mut bytes: &'a [u8], now: Duration) -> &'a [u8] {
        while self.end.is_none()
            && let Some(head) = Head::read(bytes)
        {
            if head.len > FRAME_BYTES_MAX {
                self.suffer(frame_size("a frame is larger than we allow"));
                break;
            }
            let Some(payload) = bytes.get(HEAD_BYTES..HEAD_BYTES + head.len) else { return bytes };
            if let Err(fault) = self.frame(head, payload, now) {
                self.suffer(fault);
            }
            bytes = bytes.get(HEAD_BYTES + head.len..).unwrap_or_default();
        }
        if self.end.is_some() { &[] } else { bytes }
    }

    fn frame(&mut self, head: Head, payload: &[u8], now: Duration) -> Result<(), Fault> {
        if !self.peer.settled && (head.kind != frame::SETTINGS || head.has(frame::ACK)) {
            return Err(protocol("SETTINGS do not come first"));
        }
        if self.block.is_some() && head.kind != frame::CONTINUATION {
            return Err(protocol("a header block is interrupted"));
        }
        on_right_stream(head)?;
        match head.kind {
            frame::HEADERS => self.on_headers(head, payload),
            frame::CONTINUATION => self.on_continuation(head, payload),
            frame::DATA => self.on_data(head, payload),
            frame::SETTINGS => self.on_settings(head, payload),
            frame::PING => self.on_ping(head, payload, now),
            frame::WINDOW_UPDATE => self.on_window_update(head, payload),
            frame::RST_STREAM => self.on_reset(head.stream, payload),
            frame::GOAWAY => self.on_goaway(payload),
            frame::PRIORITY if payload.len() != 5 => Err(frame_size("PRIORITY has five octets")),
            frame::PUSH_PROMISE => Err(protocol("a push that we forbade")),
            // PRIORITY, and unknown kinds (RFC 9113, 4.1 and 5.5).
            _ => Ok(()),
        }
    }

    /// A fault ends the stream or the connection.
    fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Connection(code, why) => self.fail(code, why),
            Fault::Stream(id, code) => {
                self.reset(id, code);
                self.finish_or_answer(id, Outcome::Ambiguous(Doubt::Malformed), false);
            }
        }
    }

    /// Frames for a stream that we have not opened, or whose opening has not left, are a fault (RFC 9113, 5.1, "idle").
    pub(super) fn must_have_left(&mut self, id: u32) -> Result<(), Fault> {
        let left = self.out.left();
        let waits = self.slots.open(id).is_some_and(|slot| slot.starts >= left);
        if waits || self.slots.is_idle(id) {
            return Err(protocol("a frame for a stream that is not open"));
        }
        Ok(())
    }
}

/// Stream 0 is the connection's (RFC 9113, 5.1.1).
fn on_right_stream(head: Head) -> Result<(), Fault> {
    match (head.kind, head.stream) {
        (frame::SETTINGS | frame::PING | frame::GOAWAY, 1..) => {
            Err(protocol("a frame for the connection names a stream"))
        }
        (frame::DATA | frame::HEADERS | frame::PRIORITY | frame::RST_STREAM | frame::CONTINUATION, 0) => {
            Err(protocol("a frame for a stream names none"))
        }
        _ => Ok(()),
    }
}
