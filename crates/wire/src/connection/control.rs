//! SETTINGS, PING, GOAWAY, RST_STREAM (RFC 9113, 6.4 to 6.8), and our own introduction (3.4).

use super::{Connection, Draining};
use crate::fault::{Code, Fault, frame_size, protocol};
use crate::frame::{self, Head};
use crate::limits::{FRAME_BYTES_LARGEST, FRAME_BYTES_MAX, WINDOW_FIRST, WINDOW_MAX};
use crate::request::Outcome;
use std::time::Duration;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;

impl Connection {
    /// Preface, SETTINGS, the connection's window. No HPACK state for answers, no pushes.
    pub(super) fn introduce(&mut self) {
        let mut settings = Vec::new();
        for (id, value) in
            [(HEADER_TABLE_SIZE, 0), (ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW_FIRST as u32)]
        {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&u32::to_be_bytes(value));
        }
        let more = self.config.window_bytes - WINDOW_FIRST as u32;
        self.out.preface();
        let out = self.out.bytes();
        frame::put(out, frame::SETTINGS, 0, 0, &settings);
        if more > 0 {
            frame::put(out, frame::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
    }

    pub(super) fn on_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.has(frame::ACK) {
            // We send SETTINGS once; from here on the other side's encoder has no table.
            self.decoder.limit(0);
            return if payload.is_empty() {
                Ok(())
            } else {
                Err(frame_size("an acknowledgement with settings"))
            };
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(frame_size("a setting has six octets"));
        }
        for &[i0, i1, v0, v1, v2, v3] in settings {
            self.on_setting(u16::from_be_bytes([i0, i1]), u32::from_be_bytes([v0, v1, v2, v3]))?;
        }
        self.peer.settled = true;
        self.answer(frame::SETTINGS, &[])
    }

    fn on_setting(&mut self, id: u16, value: u32) -> Result<(), Fault> {
        match id {
            HEADER_TABLE_SIZE => self.encoder.limit(value),
            ENABLE_PUSH if value != 0 => return Err(protocol("a server can't enable pushes")),
            MAX_CONCURRENT_STREAMS => self.peer.streams = Some(value),
            INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "too large a window"));
            }
            INITIAL_WINDOW_SIZE => return self.move_windows(i64::from(value)),
            MAX_FRAME_SIZE if !(FRAME_BYTES_MAX as u32..=FRAME_BYTES_LARGEST).contains(&value) => {
                return Err(protocol("a frame size that can't be"));
            }
            MAX_FRAME_SIZE => self.peer.frame_bytes = value as usize,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn on_ping(&mut self, head: Head, payload: &[u8], now: Duration) -> Result<(), Fault> {
        let octets: [u8; 8] = payload.try_into().map_err(|_| frame_size("PING has eight octets"))?;
        if !head.has(frame::ACK) {
            return self.answer(frame::PING, &octets);
        }
        self.fences.answered(octets);
        if self.ping.waits && u64::from_be_bytes(octets) == self.ping.count {
            self.ping.waits = false;
            self.ping.round_trip = Some(now.saturating_sub(self.ping.last));
        }
        Ok(())
    }

    /// Acknowledges. Whoever asks for more than we can get rid of is told to calm down.
    fn answer(&mut self, kind: u8, payload: &[u8]) -> Result<(), Fault> {
        if self.out.control(kind, frame::ACK, payload) {
            return Ok(());
        }
        Err(Fault::Connection(Code::ENHANCE_YOUR_CALM, "too many frames that want an answer"))
    }

    /// Streams above the last one named were not processed (RFC 9113, 6.8); the others may still be answered.
    pub(super) fn on_goaway(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let (last, code) = payload.split_at_checked(4).ok_or(frame_size("GOAWAY cut short"))?;
        let last = frame::number(last)? & 0x7fff_ffff;
        let code = frame::number(code.get(..4).unwrap_or_default())?;
        self.goaway = Some(Code(code));
        self.draining.get_or_insert(Draining { until: None });
        self.take_back(last);
        for id in self.slots.ids(|slot| slot.id > last) {
            self.finish_or_answer(id, Outcome::NotProcessed, false);
        }
        Ok(())
    }

    /// Takes what has not left of the streams above `last` out of the output: they will be sent elsewhere, so they must not
    /// leave here too, whatever the server then does with them. A stream that has begun to leave, and would stay without
    /// its end, is reset.
    ///
    /// The header blocks that stay are all before those that go, and none follows: the server's table is of no use any more.
    fn take_back(&mut self, last: u32) {
        let (mut bytes, mut cut, mut unopened) = (0, Vec::new(), u32::MAX);
        self.out.keep_frames(|head| {
            if head.stream <= last {
                return true;
            }
            match head.kind {
                // Streams open in the order of their ids.
                frame::HEADERS => unopened = unopened.min(head.stream),
                frame::DATA => {
                    bytes += head.len as i64;
                    cut.push(head.stream);
                }
                _ => {}
            }
            head.stream < unopened && head.kind != frame::DATA
        });
        self.send_window += bytes;
        cut.retain(|id| *id < unopened);
        cut.extend(self.slots.ids(|slot| slot.id > last && slot.id < unopened && slot.rest.is_some()));
        cut.sort_unstable();
        cut.dedup();
        for id in cut {
            self.reset(id, Code::CANCEL);
        }
    }

    pub(super) fn on_reset(&mut self, id: u32, payload: &[u8]) -> Result<(), Fault> {
        let code = Code(frame::number(payload)?);
        self.must_have_left(id)?;
        let outcome = if code == Code::REFUSED_STREAM { Outcome::NotProcessed } else { Outcome::Reset(code) };
        self.finish_or_answer(id, outcome, false);
        Ok(())
    }
}
