//! Bytes become frames, frames become requests.

use super::{Asked, Coming, Event, Server, Stream};
use crate::fault::{Code, Fault, frame_size, protocol};
use crate::frame::{self, Head};
use crate::hpack::{BadBlock, Text};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_FRAMES_MAX, FRAME_BYTES_MAX, HEAD_BYTES, PREFACE};

/// Heads kept for later requests.
const SPARE_MAX: usize = 64;

impl Server {
    /// Takes bytes that were read, cut anywhere, and tells what came.
    pub fn receive(&mut self, bytes: &[u8], on: &mut dyn FnMut(Event<'_>)) {
        if self.partial.is_empty() {
            let rest = self.take_whole(bytes, on);
            self.partial.extend_from_slice(rest);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            let rest = self.take_whole(&whole, on).len();
            whole.drain(..whole.len() - rest);
            self.partial = whole;
        }
        self.credit();
        self.pump();
    }

    /// Handles the whole frames; the rest is the beginning of one.
    fn take_whole<'a>(&mut self, mut bytes: &'a [u8], on: &mut dyn FnMut(Event<'_>)) -> &'a [u8] {
        if self.fresh {
            match bytes.strip_prefix(PREFACE) {
                Some(rest) => (bytes, self.fresh) = (rest, false),
                None if PREFACE.starts_with(bytes) => return bytes,
                None => self.suffer(protocol("no preface")),
            }
        }
        while !self.ended
            && let Some(head) = Head::read(bytes)
        {
            if head.len > FRAME_BYTES_MAX {
                self.suffer(frame_size("a frame is larger than we allow"));
                break;
            }
            let Some(payload) = bytes.get(HEAD_BYTES..HEAD_BYTES + head.len) else { return bytes };
            if let Err(fault) = self.frame(head, payload, on) {
                self.suffer(fault);
            }
            bytes = bytes.get(HEAD_BYTES + head.len..).unwrap_or_default();
        }
        if self.ended { &[] } else { bytes }
    }

    fn frame(&mut self, head: Head, payload: &[u8], on: &mut dyn FnMut(Event<'_>)) -> Result<(), Fault> {
        if self.block.is_some() && head.kind != frame::CONTINUATION {
            return Err(protocol("a header block is interrupted"));
        }
        match (head.kind, head.stream) {
            (frame::SETTINGS, 0) => self.on_settings(head, payload),
            (frame::PING, 0) => self.on_ping(head, payload),
            (frame::GOAWAY, 0) => {
                self.leave();
                Ok(())
            }
            (frame::WINDOW_UPDATE, _) => self.on_window_update(head.stream, payload),
            (frame::SETTINGS | frame::PING | frame::GOAWAY, _) => Err(protocol("not a stream's frame")),
            (frame::PUSH_PROMISE, _) => Err(protocol("a client can't push")),
            (frame::HEADERS | frame::CONTINUATION | frame::DATA | frame::RST_STREAM, 0) => {
                Err(protocol("a frame for a stream names none"))
            }
            (frame::HEADERS, _) => self.on_headers(head, payload, on),
            (frame::CONTINUATION, _) => self.on_continuation(head, payload, on),
            (frame::DATA, _) => self.on_data(head, payload, on),
            (frame::RST_STREAM, _) => self.on_reset(head.stream, payload, on),
            _ => Ok(()),
        }
    }

    fn on_headers(&mut self, head: Head, payload: &[u8], on: &mut dyn FnMut(Event<'_>)) -> Result<(), Fault> {
        let fragment = frame::strip(head, payload)?;
        let ends = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            return self.on_block(head.stream, ends, fragment, on);
        }
        self.block = Some((head.stream, ends, 1, fragment.to_vec()));
        Ok(())
    }

    fn on_continuation(
        &mut self,
        head: Head,
        payload: &[u8],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let Some((stream, ends, frames, mut bytes)) = self.block.take().filter(|b| b.0 == head.stream) else {
            return Err(protocol("CONTINUATION of nothing"));
        };
        bytes.extend_from_slice(payload);
        if frames >= BLOCK_FRAMES_MAX || bytes.len() > BLOCK_BYTES_MAX {
            return Err(Fault::Connection(Code::ENHANCE_YOUR_CALM, "a header block without end"));
        }
        if head.has(frame::END_HEADERS) {
            return self.on_block(stream, ends, &bytes, on);
        }
        self.block = Some((stream, ends, frames + 1, bytes));
        Ok(())
    }

    /// A request's head, or its trailers.
    fn on_block(
        &mut self,
        id: u32,
        ends: bool,
        block: &[u8],
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let mut coming = self.spare.pop().unwrap_or_default();
        self.read(block, &mut coming).map_err(|_| {
            Fault::Connection(Code::COMPRESSION_ERROR, "a header block that can't be decoded")
        })?;
        if id <= self.last {
            return self.on_trailers(id, ends, on);
        }
        if id.is_multiple_of(2) {
            return Err(protocol("a client's stream is odd"));
        }
        self.last = id;
        // It was told that this one is not served.
        if self.leaving.is_some() {
            return Ok(());
        }
        if self.streams.len() >= self.limit as usize {
            self.put_reset(id, Code::REFUSED_STREAM);
            on(Event::Refused);
            return Ok(());
        }
        if ends {
            self.streams.insert(id, Stream::Asked);
            on(Event::Asked(Asked { stream: id, head: &coming.head, body: &[], body_bytes: 0 }));
            self.keep(coming);
        } else {
            self.streams.insert(id, Stream::Coming(coming));
        }
        Ok(())
    }

    fn on_trailers(&mut self, id: u32, ends: bool, on: &mut dyn FnMut(Event<'_>)) -> Result<(), Fault> {
        match self.streams.get(&id) {
            Some(Stream::Coming(_)) if ends => {
                self.finish(id, &[], on);
                Ok(())
            }
            Some(_) => Err(protocol("HEADERS in mid-stream")),
            None => Ok(()),
        }
    }

    /// Keeps the wanted values. The first of a name counts.
    fn read(&mut self, block: &[u8], coming: &mut Coming) -> Result<(), BadBlock> {
        let Coming { head, body, body_bytes } = coming;
        head.text.clear();
        head.places.clear();
        head.places.resize(self.wanted.len(), None);
        body.clear();
        *body_bytes = 0;
        let wanted = &mut self.wanted;
        self.decoder.decode(block, |field| {
            let place = wanted.iter().position(|wanted| field.name.is(wanted.name, &wanted.coded));
            let Some(place) = place else { return Ok(()) };
            if let (Some(slot @ None), Some(wanted)) = (head.places.get_mut(place), wanted.get_mut(place)) {
                let from = head.text.len() as u32;
                take_value(field.value, &mut head.text, &mut wanted.known)?;
                *slot = Some((from, head.text.len() as u32));
            }
            Ok(())
        })
    }

    fn on_data(&mut self, head: Head, payload: &[u8], on: &mut dyn FnMut(Event<'_>)) -> Result<(), Fault> {
        self.receive_window -= payload.len() as i64;
        if self.receive_window < 0 {
            return Err(Fault::Connection(Code::FLOW_CONTROL_ERROR, "more bytes than the window allows"));
        }
        let data = frame::strip(head, payload)?;
        if head.stream > self.last || head.stream.is_multiple_of(2) {
            return Err(protocol("DATA for a stream that is not open"));
        }
        match self.streams.get_mut(&head.stream) {
            Some(Stream::Asked) => {
                return Err(Fault::Connection(Code::STREAM_CLOSED, "DATA behind the stream's end"));
            }
            // Refused, reset or not served.
            None => return Ok(()),
            Some(Stream::Coming(_)) if head.has(frame::END_STREAM) => {
                self.finish(head.stream, data, on);
                return Ok(());
            }
            Some(Stream::Coming(coming)) => {
                coming.body_bytes += data.len();
                let room = self.config.body_bytes_max.saturating_sub(coming.body.len());
                coming.body.extend_from_slice(data.get(..room).unwrap_or(data));
            }
        }
        if !payload.is_empty() {
            let more = (payload.len() as u32).to_be_bytes();
            frame::put(&mut self.out, frame::WINDOW_UPDATE, 0, head.stream, &more);
        }
        Ok(())
    }

    /// The last piece of a body, which is the whole of it as a rule.
    fn finish(&mut self, id: u32, data: &[u8], on: &mut dyn FnMut(Event<'_>)) {
        let Some(Stream::Coming(mut coming)) = self.streams.insert(id, Stream::Asked) else { return };
        let body_bytes = coming.body_bytes + data.len();
        let most = self.config.body_bytes_max;
        let body = if coming.body_bytes == 0 {
            data.get(..most).unwrap_or(data)
        } else {
            let room = most.saturating_sub(coming.body.len());
            coming.body.extend_from_slice(data.get(..room).unwrap_or(data));
            &coming.body
        };
        on(Event::Asked(Asked { stream: id, head: &coming.head, body, body_bytes }));
        self.keep(coming);
    }

    fn keep(&mut self, coming: Box<Coming>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(coming);
        }
    }

    fn on_reset(&mut self, id: u32, payload: &[u8], on: &mut dyn FnMut(Event<'_>)) -> Result<(), Fault> {
        frame::number(payload)?;
        if id > self.last {
            return Err(protocol("RST_STREAM for a stream that is not open"));
        }
        if self.forget(id) {
            on(Event::Reset(id));
        }
        Ok(())
    }
}

/// Appends a value; one that is coded as the last one was is not decoded again.
fn take_value(value: Text<'_>, to: &mut Vec<u8>, known: &mut (Vec<u8>, Vec<u8>)) -> Result<(), BadBlock> {
    let Some(coded) = value.coded() else { return value.decode_into(to) };
    if known.0 != coded {
        known.0.clear();
        known.1.clear();
        value.decode_into(&mut known.1)?;
        known.0.extend_from_slice(coded);
    }
    to.extend_from_slice(&known.1);
    Ok(())
}
