//! Answers: header blocks (RFC 9113, 6.2, 6.10 and 8.3.2), bodies (6.1), trailers and informational answers (8.1).

use super::{Block, Connection};
use crate::fault::{Code, Fault, protocol};
use crate::frame::{self, Head};
use crate::hpack::{BadBlock, Field};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_FRAMES_MAX, VALUE_BYTES_MAX};
use crate::slots::State;

/// What a header block says, as far as it is wanted.
#[derive(Default)]
struct Said {
    status: Option<u16>,
    headers: Vec<(usize, Vec<u8>)>,
}

impl Connection {
    pub(super) fn on_headers(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        self.must_have_left(head.stream)?;
        let fragment = frame::strip(head, payload)?;
        let end_stream = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            return self.on_block(head.stream, end_stream, fragment);
        }
        self.block = Some(Block { stream: head.stream, end_stream, frames: 1, bytes: fragment.to_vec() });
        Ok(())
    }

    pub(super) fn on_continuation(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        let Some(mut block) = self.block.take() else { return Err(protocol("CONTINUATION of nothing")) };
        if block.stream != head.stream {
            return Err(protocol("CONTINUATION of another stream's block"));
        }
        block.frames += 1;
        block.bytes.extend_from_slice(payload);
        if block.frames > BLOCK_FRAMES_MAX || block.bytes.len() > BLOCK_BYTES_MAX {
            return Err(Fault::Connection(Code::ENHANCE_YOUR_CALM, "a header block without end"));
        }
        if head.has(frame::END_HEADERS) {
            return self.on_block(block.stream, block.end_stream, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Every block is read, those of forgotten streams too: the decoder's table depends on it (RFC 9113, 4.3).
    fn on_block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Result<(), Fault> {
        let said = self.read(block).map_err(|_| {
            Fault::Connection(Code::COMPRESSION_ERROR, "a header block that can't be decoded")
        })?;
        let Some(slot) = self.slots.get(id) else { return Ok(()) };
        if slot.state == State::Ended {
            return Err(Fault::Connection(Code::STREAM_CLOSED, "HEADERS behind the stream's end"));
        }
        match (slot.status, said.status) {
            (None, Some(200..)) => {
                slot.status = said.status;
                if !said.headers.is_empty() {
                    slot.detail.get_or_insert_default().headers = said.headers;
                }
            }
            // Informational: the real one follows. 101 does not exist here (RFC 9113, 8.6).
            (None, Some(100 | 102..=199)) if !end_stream => return Ok(()),
            (Some(_), None) if end_stream => {}
            _ => return Err(Fault::Stream(id, Code::PROTOCOL_ERROR)),
        }
        if end_stream {
            self.finish_answered(id);
        }
        Ok(())
    }

    /// Looks at each field without decoding it, unless it is wanted.
    fn read(&mut self, block: &[u8]) -> Result<Said, BadBlock> {
        let mut said = Said { status: usual_status(block), ..Said::default() };
        if !self.config.keep_successes && said.status.is_some_and(is_success) {
            self.decoder.pass_over(block)?;
            return Ok(said);
        }
        let (wanted, status_name) = (&self.wanted, &self.status_name);
        self.decoder.decode(block, |field| {
            if said.status.is_none() && field.name.is(b":status", status_name) {
                said.status = Some(status(field)?);
            } else if let Some(place) = wanted.iter().position(|(plain, coded)| field.name.is(plain, coded)) {
                let mut value = Vec::new();
                field.value.decode_into(&mut value)?;
                value.truncate(VALUE_BYTES_MAX);
                if said.headers.iter().all(|(known, _)| *known != place) {
                    said.headers.push((place, value));
                }
            }
            Ok(())
        })?;
        Ok(said)
    }

    pub(super) fn on_data(&mut self, head: Head, payload: &[u8]) -> Result<(), Fault> {
        self.must_have_left(head.stream)?;
        // Padding counts (RFC 9113, 6.9.1), and so do bytes of streams that we reset.
        self.debit(payload.len())?;
        let data = frame::strip(head, payload)?;
        let most = self.config.answer_bytes_max;
        let keep_success = self.config.keep_successes;
        let Some(slot) = self.slots.get(head.stream) else { return Ok(()) };
        if slot.state == State::Ended {
            return Err(Fault::Connection(Code::STREAM_CLOSED, "DATA behind the stream's end"));
        }
        let Some(status) = slot.status else { return Err(Fault::Stream(head.stream, Code::PROTOCOL_ERROR)) };
        slot.seen += payload.len();
        if !data.is_empty() && (keep_success || !is_success(status)) {
            let body = &mut slot.detail.get_or_insert_default().body;
            let room = most - body.len();
            body.extend_from_slice(data.get(..room).unwrap_or(data));
        }
        if slot.seen > most {
            self.reset(head.stream, Code::CANCEL);
            self.finish_cut(head.stream);
        } else if head.has(frame::END_STREAM) {
            self.finish_answered(head.stream);
        }
        Ok(())
    }
}

/// Statuses of the static table, known by a block's first octet (RFC 7541, appendix A: 8 to 14).
fn usual_status(block: &[u8]) -> Option<u16> {
    let index = block.first()?.checked_sub(0x88)?;
    [200, 204, 206, 304, 400, 404, 500].get(usize::from(index)).copied()
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn status(field: Field<'_>) -> Result<u16, BadBlock> {
    if let Some(digits) = field.value.uncoded() {
        return Ok(number(digits));
    }
    let mut digits = Vec::new();
    field.value.decode_into(&mut digits)?;
    Ok(number(&digits))
}

/// Three digits (RFC 9110, 15). Nothing for anything else: then the answer is malformed, but the block is not.
fn number(digits: &[u8]) -> u16 {
    match digits {
        &[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => 0,
    }
}
