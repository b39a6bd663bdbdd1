//! Requests become frames: HEADERS (RFC 9113, 6.2), CONTINUATION (6.10), DATA (6.1), back to back for a group.

use super::Connection;
use crate::frame::{self, Head};
use crate::limits::{HEAD_BYTES, WINDOW_MAX};
use crate::request::{Group, Request};
use crate::slots::Rest;

impl Connection {
    /// Requests that are taken now: streams that are free, or nothing while the output is full, bodies wait for the
    /// connection's window, or completions were not fetched.
    #[must_use]
    pub fn room(&self) -> usize {
        let full = self.out.waiting_bytes() + self.rest_bytes >= self.config.out_bytes_max;
        let waits = self.send_window <= 0 && self.rest_bytes > 0;
        let unread = self.done.len() >= self.config.streams_max;
        let closed = self.end.is_some() || self.draining.is_some() || !self.slots.has_ids();
        if full || waits || unread || closed {
            return 0;
        }
        self.streams().saturating_sub(self.in_flight())
    }

    /// Writes requests into the output, in their order. Answers how many were taken; the others are the caller's still.
    pub fn submit(&mut self, group: &Group<'_>, requests: &[Request<'_>]) -> usize {
        let mut taken = 0;
        let mut room = self.room();
        for request in requests {
            // Bytes and windows change with each request, streams by one.
            if room == 0 || !self.may_write() || !self.write(group, request) {
                break;
            }
            room -= 1;
            taken += 1;
        }
        if taken > 0 {
            self.earliest = Some(self.earliest.map_or(group.until, |earliest| earliest.min(group.until)));
        }
        self.check();
        taken
    }

    fn may_write(&self) -> bool {
        let full = self.out.waiting_bytes() + self.rest_bytes >= self.config.out_bytes_max;
        !full && (self.send_window > 0 || self.rest_bytes == 0)
    }

    /// Says no when stream ids are used up.
    fn write(&mut self, group: &Group<'_>, request: &Request<'_>) -> bool {
        let starts = self.out.end();
        let Some(slot) = self.slots.take() else { return false };
        slot.tag = request.tag;
        slot.starts = starts;
        slot.until = group.until;
        (slot.status, slot.seen, slot.rest, slot.detail) = (None, 0, None, None);
        let id = slot.id;
        self.books.submitted += 1;
        self.books.in_flight += 1;
        let parts = [group.body_begins, request.body, group.body_ends];
        let body_bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.write_head(id, group, request, body_bytes == 0);
        if body_bytes > 0 {
            self.write_body(id, parts, body_bytes);
        }
        true
    }

    fn write_head(&mut self, id: u32, group: &Group<'_>, request: &Request<'_>, ends: bool) {
        let out = self.out.bytes();
        let at = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        self.encoder.encode(out, group.template, request.path, request.own);
        let len = out.len() - at - HEAD_BYTES;
        let ends = if ends { frame::END_STREAM } else { 0 };
        if len > self.peer.frame_bytes {
            return split(out, at, id, ends, self.peer.frame_bytes);
        }
        let head = Head { len, kind: frame::HEADERS, flags: frame::END_HEADERS | ends, stream: id };
        if let Some(place) = out.get_mut(at..at + HEAD_BYTES) {
            place.copy_from_slice(&head.octets());
        }
    }

    fn write_body(&mut self, id: u32, parts: [&[u8]; 3], bytes: usize) {
        let fits = self.send_window.min(self.peer.window).min(self.peer.frame_bytes as i64);
        if bytes as i64 > fits {
            return self.keep_body(id, parts.concat());
        }
        self.send_window -= bytes as i64;
        let out = self.out.bytes();
        let head = Head { len: bytes, kind: frame::DATA, flags: frame::END_STREAM, stream: id };
        out.extend_from_slice(&head.octets());
        for part in parts {
            out.extend_from_slice(part);
        }
    }

    /// The body leaves piece by piece, as frames and windows allow.
    fn keep_body(&mut self, id: u32, body: Vec<u8>) {
        let window = self.peer.window.min(WINDOW_MAX);
        if self.rest_bytes == 0 {
            // Streams that ended meanwhile.
            self.blocked.clear();
        }
        self.rest_bytes += body.len();
        if let Some(slot) = self.slots.open(id) {
            slot.rest = Some(Box::new(Rest { body, sent: 0, window }));
            self.blocked.push_back(id);
        }
        self.pump();
    }
}

/// A block that is larger than a frame may be: HEADERS, then CONTINUATION up to END_HEADERS.
fn split(out: &mut Vec<u8>, at: usize, id: u32, ends: u8, frame_bytes: usize) {
    let block = out.split_off(at + HEAD_BYTES);
    out.truncate(at);
    let last = block.len().div_ceil(frame_bytes).saturating_sub(1);
    for (n, part) in block.chunks(frame_bytes).enumerate() {
        let (kind, flags) = if n == 0 { (frame::HEADERS, ends) } else { (frame::CONTINUATION, 0) };
        let flags = flags | if n == last { frame::END_HEADERS } else { 0 };
        frame::put(out, kind, flags, id, part);
    }
}
