//! Answers: HEADERS without a table, DATA as the windows allow.

use super::{Rest, Server};
use crate::fault::Code;
use crate::frame::{self, Head};
use crate::hpack::{LITERAL, put_integer, put_raw};
use crate::limits::HEAD_BYTES;

/// Place of `:status` in the static table (RFC 7541, appendix A).
const STATUS: usize = 8;

impl Server {
    /// Answers a request; nothing happens if its stream is gone. Answers whether it was there.
    pub fn answer(&mut self, stream: u32, status: u16, fields: &[(&[u8], &[u8])], body: &[u8]) -> bool {
        if self.streams.remove(&stream).is_none() {
            return false;
        }
        let at = self.out.len();
        self.out.extend_from_slice(&[0; HEAD_BYTES]);
        put_status(&mut self.out, status);
        for (name, value) in fields {
            put_integer(&mut self.out, LITERAL, 0);
            put_raw(&mut self.out, &[name]);
            put_raw(&mut self.out, &[value]);
        }
        let ends = if body.is_empty() { frame::END_STREAM } else { 0 };
        let len = self.out.len() - at - HEAD_BYTES;
        let head = Head { len, kind: frame::HEADERS, flags: frame::END_HEADERS | ends, stream };
        if let Some(place) = self.out.get_mut(at..at + HEAD_BYTES) {
            place.copy_from_slice(&head.octets());
        }
        if !body.is_empty() {
            self.put_body(stream, body);
        }
        true
    }

    /// Resets a stream.
    pub fn reset(&mut self, stream: u32, code: Code) {
        if self.forget(stream) {
            self.put_reset(stream, code);
        }
    }

    fn put_body(&mut self, stream: u32, body: &[u8]) {
        let fits = self.send_window.min(self.window(stream)).min(self.frame_bytes as i64);
        if self.waiting.is_empty() && body.len() as i64 <= fits {
            self.send_window -= body.len() as i64;
            frame::put(&mut self.out, frame::DATA, frame::END_STREAM, stream, body);
            if !self.stream_windows.is_empty() {
                self.stream_windows.remove(&stream);
            }
            return;
        }
        self.waiting.push_back(Rest { stream, body: body.to_vec(), sent: 0 });
        self.pump();
    }

    fn window(&self, stream: u32) -> i64 {
        self.stream_windows.get(&stream).copied().unwrap_or(self.first_window)
    }

    /// Writes what the windows allow of the bodies that wait.
    pub(super) fn pump(&mut self) {
        for _ in 0..self.waiting.len() {
            let Some(mut rest) = self.waiting.pop_front() else { return };
            while rest.sent < rest.body.len() {
                let window = self.window(rest.stream);
                let most = self.send_window.min(window).min(self.frame_bytes as i64).max(0) as usize;
                let from = rest.body.get(rest.sent..).unwrap_or_default();
                let piece = from.get(..most).unwrap_or(from);
                if piece.is_empty() {
                    break;
                }
                let flags = if piece.len() == from.len() { frame::END_STREAM } else { 0 };
                frame::put(&mut self.out, frame::DATA, flags, rest.stream, piece);
                rest.sent += piece.len();
                self.send_window -= piece.len() as i64;
                self.stream_windows.insert(rest.stream, window - piece.len() as i64);
            }
            if rest.sent < rest.body.len() {
                self.waiting.push_back(rest);
            } else {
                self.stream_windows.remove(&rest.stream);
            }
        }
    }
}

/// `:status`, from the static table if it is there.
fn put_status(out: &mut Vec<u8>, status: u16) {
    let usual = [200, 204, 206, 304, 400, 404, 500].iter().position(|known| *known == status);
    match usual {
        Some(place) => out.push(0x80 | (STATUS + place) as u8),
        None => {
            put_integer(out, LITERAL, STATUS);
            put_raw(out, &[status.to_string().as_bytes()]);
        }
    }
}
