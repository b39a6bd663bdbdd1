//! Flow control both ways (RFC 9113, 5.2 and 6.9).

use super::Connection;
use crate::fault::{Code, Fault, protocol};
use crate::frame::{self, Head};
use crate::limits::WINDOW_MAX;
use crate::slots::Rest;

impl Connection {
    /// Writes what the windows allow of the bodies that wait, one frame of each in turn.
    pub(super) fn pump(&mut self) {
        let mut idle = 0;
        while self.send_window > 0 && idle < self.blocked.len() {
            let Some(id) = self.blocked.pop_front() else { return };
            let Some(slot) = self.slots.open(id) else { continue };
            let Some(mut rest) = slot.rest.take() else { continue };
            let wrote = self.write_piece(id, &mut rest);
            idle = if wrote { 0 } else { idle + 1 };
            if rest.sent < rest.body.len()
                && let Some(slot) = self.slots.open(id)
            {
                slot.rest = Some(rest);
                self.blocked.push_back(id);
            }
        }
    }

    fn write_piece(&mut self, id: u32, rest: &mut Rest) -> bool {
        let most = self.send_window.min(rest.window).min(self.peer.frame_bytes as i64).max(0) as usize;
        let from = rest.body.get(rest.sent..).unwrap_or_default();
        let piece = from.get(..most).unwrap_or(from);
        if piece.is_empty() {
            return false;
        }
        let flags = if piece.len() == from.len() { frame::END_STREAM } else { 0 };
        frame::put(self.out.bytes(), frame::DATA, flags, id, piece);
        let bytes = piece.len();
        rest.sent += bytes;
        rest.window -= bytes as i64;
        self.send_window -= bytes as i64;
        self.rest_bytes -= bytes;
        true
    }

    /// WINDOW_UPDATE (RFC 9113, 6.9).
    pub(super) fn on_window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        let more = i64::from(frame::number(payload)? & 0x7fff_ffff);
        if head.stream != 0 {
            return self.on_stream_window(head.stream, more);
        }
        if more == 0 {
            return Err(protocol("a window grows by nothing"));
        }
        self.send_window += more;
        if self.send_window > WINDOW_MAX {
            return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "the connection's window is too large"));
        }
        Ok(())
    }

    /// The window of a stream whose body has left is of no use, and not kept.
    fn on_stream_window(&mut self, id: u32, more: i64) -> Result<(), Fault> {
        self.must_have_left(id)?;
        let Some(slot) = self.slots.open(id) else { return Ok(()) };
        if more == 0 {
            return Err(Fault::Stream(id, Code::PROTOCOL_ERROR));
        }
        let Some(rest) = &mut slot.rest else { return Ok(()) };
        rest.window += more;
        if rest.window > WINDOW_MAX { Err(Fault::Stream(id, Code::FLOW_CONTROL_ERROR)) } else { Ok(()) }
    }

    /// A new SETTINGS_INITIAL_WINDOW_SIZE moves the windows of open streams, below nothing too (RFC 9113, 6.9.2).
    pub(super) fn move_windows(&mut self, window: i64) -> Result<(), Fault> {
        let by = window - self.peer.window;
        self.peer.window = window;
        for id in &self.blocked {
            if let Some(rest) = self.slots.open(*id).and_then(|slot| slot.rest.as_mut()) {
                rest.window += by;
                if rest.window > WINDOW_MAX {
                    return Err(Fault::Connection(
                        Code::FLOW_CONTROL_ERROR,
                        "a stream's window is too large",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes received bytes off the connection's window.
    pub(super) fn debit(&mut self, bytes: usize) -> Result<(), Fault> {
        self.receive_window -= bytes as i64;
        if self.receive_window < 0 {
            return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "more bytes than the window allows"));
        }
        Ok(())
    }

    /// Opens the connection's window again once half of it is used.
    pub(super) fn credit(&mut self) {
        let used = i64::from(self.config.window_bytes) - self.receive_window;
        if used * 2 >= i64::from(self.config.window_bytes) {
            frame::put(self.out.bytes(), frame::WINDOW_UPDATE, 0, 0, &(used as u32).to_be_bytes());
            self.receive_window += used;
        }
    }
}
