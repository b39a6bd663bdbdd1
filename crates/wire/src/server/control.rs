//! SETTINGS, PING, windows, faults.

use super::Server;
use crate::fault::{Code, Fault, frame_size, protocol};
use crate::frame::{self, Head};
use crate::limits::{CONTROL_BYTES_MAX, FRAME_BYTES_LARGEST, FRAME_BYTES_MAX, WINDOW_FIRST, WINDOW_MAX};

const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;

impl Server {
    pub(super) fn introduce(&mut self) {
        let mut settings = Vec::new();
        for (id, value) in [
            (MAX_CONCURRENT_STREAMS, self.config.streams),
            (INITIAL_WINDOW_SIZE, self.config.stream_window_bytes),
        ] {
            settings.extend_from_slice(&id.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame::put(&mut self.out, frame::SETTINGS, 0, 0, &settings);
        let more = self.config.window_bytes - WINDOW_FIRST as u32;
        if more > 0 {
            frame::put(&mut self.out, frame::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
    }

    pub(super) fn on_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if head.has(frame::ACK) {
            self.on_settings_taken();
            return Ok(());
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(frame_size("a setting has six octets"));
        }
        for &[i0, i1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "too large a window"));
                }
                INITIAL_WINDOW_SIZE => {
                    let by = i64::from(value) - self.first_window;
                    self.first_window = i64::from(value);
                    self.stream_windows.values_mut().for_each(|window| *window += by);
                }
                MAX_FRAME_SIZE if !(FRAME_BYTES_MAX as u32..=FRAME_BYTES_LARGEST).contains(&value) => {
                    return Err(protocol("a frame size that can't be"));
                }
                MAX_FRAME_SIZE => self.frame_bytes = value as usize,
                // Our answers use no table.
                _ => {}
            }
        }
        self.acknowledge(frame::SETTINGS, &[])
    }

    /// The client goes by our next SETTINGS from now on. The first acknowledgement is that of our introduction.
    fn on_settings_taken(&mut self) {
        if self.introduced {
            if self.announced.len() > 1 {
                self.announced.pop_front();
            }
            self.limit = self.announced.iter().copied().max().unwrap_or(self.limit);
        }
        self.introduced = true;
    }

    pub(super) fn on_ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 8 {
            return Err(frame_size("PING has eight octets"));
        }
        if head.has(frame::ACK) { Ok(()) } else { self.acknowledge(frame::PING, payload) }
    }

    fn acknowledge(&mut self, kind: u8, payload: &[u8]) -> Result<(), Fault> {
        frame::put(&mut self.out, kind, frame::ACK, 0, payload);
        // Answers count too: a client that reads nothing is not served for ever.
        if self.output().len() > 64 * CONTROL_BYTES_MAX {
            return Err(Fault::Connection(Code::ENHANCE_YOUR_CALM, "too many frames that want an answer"));
        }
        Ok(())
    }

    pub(super) fn on_window_update(&mut self, stream: u32, payload: &[u8]) -> Result<(), Fault> {
        let more = i64::from(frame::number(payload)? & 0x7fff_ffff);
        if more == 0 {
            return Err(protocol("a window grows by nothing"));
        }
        if stream == 0 {
            self.send_window += more;
            if self.send_window > WINDOW_MAX {
                return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "too large a window"));
            }
        } else if self.streams.contains_key(&stream) || self.waiting.iter().any(|r| r.stream == stream) {
            *self.stream_windows.entry(stream).or_insert(self.first_window) += more;
        }
        Ok(())
    }

    /// Opens the connection's window again once half of it is used.
    pub(super) fn credit(&mut self) {
        let used = i64::from(self.config.window_bytes) - self.receive_window;
        if used * 2 >= i64::from(self.config.window_bytes) && !self.ended {
            frame::put(&mut self.out, frame::WINDOW_UPDATE, 0, 0, &(used as u32).to_be_bytes());
            self.receive_window += used;
        }
    }

    /// A fault ends the stream or the connection.
    pub(super) fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Stream(id, code) => {
                self.forget(id);
                self.put_reset(id, code);
            }
            Fault::Connection(code, _) => {
                self.put_goaway(code, b"");
                self.ended = true;
            }
        }
    }

    pub(super) fn put_reset(&mut self, id: u32, code: Code) {
        frame::put(&mut self.out, frame::RST_STREAM, 0, id, &code.0.to_be_bytes());
    }

    /// Whether the stream was open.
    pub(super) fn forget(&mut self, id: u32) -> bool {
        if !self.stream_windows.is_empty() {
            self.stream_windows.remove(&id);
        }
        if !self.waiting.is_empty() {
            self.waiting.retain(|rest| rest.stream != id);
        }
        self.streams.remove(&id).is_some()
    }
}
