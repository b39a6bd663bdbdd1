//! Reads what left the connection as a strict server would, with a decoder that is not ours.

use super::feed::{Feed, first};
use crate::frame::{self, Head};
use crate::limits::{PREFACE, STREAM_MAX};
use std::collections::BTreeMap;

/// A request as it was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// END_STREAM came.
    pub(super) whole: bool,
    reset: bool,
}

pub(super) struct Witness {
    /// The beginning of a frame.
    partial: Vec<u8>,
    fresh: bool,
    decoder: loona_hpack::Decoder<'static>,
    /// A block whose end has not come.
    block: Option<(u32, Vec<u8>)>,
    pub(super) streams: BTreeMap<u32, Seen>,
    sent: i64,
    gone: bool,
}

impl Witness {
    pub(super) fn new() -> Self {
        Self {
            partial: Vec::new(),
            fresh: true,
            decoder: loona_hpack::Decoder::new(),
            block: None,
            streams: BTreeMap::new(),
            sent: 0,
            gone: false,
        }
    }

    /// Whether the last byte seen was the last one of a frame.
    pub(super) fn is_between_frames(&self) -> bool {
        self.partial.is_empty() && self.block.is_none() && !self.fresh
    }

    /// Bytes of a frame or a block have come, but not all.
    pub(super) fn is_inside(&self) -> bool {
        !self.fresh && !self.is_between_frames()
    }

    pub(super) fn see(&mut self, bytes: &[u8], feed: &Feed) {
        self.partial.extend_from_slice(bytes);
        if self.fresh {
            if self.partial.len() < PREFACE.len() {
                return assert!(PREFACE.starts_with(&self.partial));
            }
            assert!(self.partial.starts_with(PREFACE));
            self.partial.drain(..PREFACE.len());
            self.fresh = false;
        }
        while let Some((head, payload)) = first(&self.partial) {
            let (payload, end) = (payload.to_vec(), payload.len() + 9);
            assert!(!self.gone, "{head:?} behind GOAWAY");
            assert!(payload.len() <= feed.frame_bytes, "{head:?}");
            self.frame(head, &payload, feed);
            self.partial.drain(..end);
        }
    }

    fn frame(&mut self, head: Head, payload: &[u8], feed: &Feed) {
        assert!(self.block.is_none() || head.kind == frame::CONTINUATION, "{head:?} inside a block");
        match head.kind {
            frame::HEADERS => {
                let last = self.streams.keys().next_back().copied().unwrap_or(0);
                assert!(head.stream > last && head.stream % 2 == 1 && head.stream <= STREAM_MAX, "{head:?}");
                let whole = head.has(frame::END_STREAM);
                self.streams.insert(head.stream, Seen { whole, ..Seen::default() });
                self.block = Some((head.stream, Vec::new()));
                self.fragment(head, payload);
            }
            frame::CONTINUATION => self.fragment(head, payload),
            frame::DATA => self.data(head, payload, feed),
            frame::RST_STREAM => {
                assert_eq!(payload.len(), 4);
                let seen = self.streams.get_mut(&head.stream);
                assert!(seen.is_some_and(|seen| !std::mem::replace(&mut seen.reset, true)), "{head:?}");
            }
            frame::GOAWAY => self.gone = true,
            frame::SETTINGS | frame::PING | frame::WINDOW_UPDATE => assert_eq!(head.stream, 0),
            _ => unreachable!("{head:?}"),
        }
    }

    fn fragment(&mut self, head: Head, payload: &[u8]) {
        let Some((stream, mut bytes)) = self.block.take() else { unreachable!("{head:?}") };
        assert_eq!(stream, head.stream);
        bytes.extend_from_slice(payload);
        if !head.has(frame::END_HEADERS) {
            self.block = Some((stream, bytes));
            return;
        }
        let fields = self.decoder.decode(&bytes);
        assert!(fields.is_ok(), "{fields:?} of {bytes:x?}");
        if let (Some(seen), Ok(fields)) = (self.streams.get_mut(&stream), fields) {
            seen.fields = fields;
        }
    }

    fn data(&mut self, head: Head, payload: &[u8], feed: &Feed) {
        self.sent += payload.len() as i64;
        assert!(self.sent <= feed.window, "the connection's window");
        let Some(seen) = self.streams.get_mut(&head.stream) else { unreachable!("{head:?}") };
        assert!(!seen.whole && !seen.reset, "{head:?} behind its end");
        seen.body.extend_from_slice(payload);
        seen.whole = head.has(frame::END_STREAM);
        assert!(seen.body.len() as i64 <= feed.stream(head.stream), "the stream's window");
    }
}
