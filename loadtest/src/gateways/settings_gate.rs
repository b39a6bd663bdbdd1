//! Changes the stream limit of an HTTP/2 connection while it runs, which the h2 crate cannot.
//!
//! APNs allows one stream until the first success. The gate sits between h2 and TLS, and rewrites two of the frames
//! that h2 writes: in its first SETTINGS the stream limit becomes the small one; its second SETTINGS (h2 sends one when
//! told to set the window to what it already is) becomes the announcement of the large one. Frames keep their length,
//! and each is acknowledged once, so neither side notices. After that, bytes pass as they are.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const FRAME_HEADER_BYTES: usize = 9;
const PARAMETER_BYTES: usize = 6;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A stream whose writer may still be under the gate.
pub(super) struct SettingsGate<T> {
    io: T,
    rewriter: Option<Rewriter>,
    /// Rewritten bytes that the stream did not take yet.
    pending: Vec<u8>,
}

impl<T> SettingsGate<T> {
    /// Announces `first` streams at first, and `then` with the second SETTINGS.
    pub(super) fn narrow(io: T, first: u32, then: u32) -> Self {
        Self { io, rewriter: Some(Rewriter::new(first, then)), pending: Vec::new() }
    }

    /// Changes nothing.
    pub(super) fn open(io: T) -> Self {
        Self { io, rewriter: None, pending: Vec::new() }
    }
}

impl<T: AsyncWrite + Unpin> SettingsGate<T> {
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(Error::from(ErrorKind::WriteZero)));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for SettingsGate<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for SettingsGate<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_pending(cx))?;
        let Some(rewriter) = &mut this.rewriter else { return Pin::new(&mut this.io).poll_write(cx, bytes) };
        rewriter.rewrite(bytes, &mut this.pending);
        if rewriter.is_done() {
            this.rewriter = None;
        }
        // What does not go out now goes out before the next write or with the next flush.
        match this.poll_pending(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_pending(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Follows the frames in the bytes that are written.
struct Rewriter {
    first: u32,
    then: u32,
    settings_seen: u8,
    /// A frame header or a parameter whose bytes have not all been written yet.
    held: Vec<u8>,
    /// Payload bytes to come in the current frame.
    payload_left: usize,
    in_settings: bool,
}

impl Rewriter {
    fn new(first: u32, then: u32) -> Self {
        Self { first, then, settings_seen: 0, held: Vec::new(), payload_left: 0, in_settings: false }
    }

    /// The second SETTINGS has passed.
    fn is_done(&self) -> bool {
        self.settings_seen == 2 && self.payload_left == 0 && self.held.is_empty()
    }

    fn rewrite(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if self.is_done() {
                out.extend_from_slice(bytes);
                return;
            }
            if self.payload_left > 0 && !self.in_settings {
                let (payload, rest) = bytes.split_at(self.payload_left.min(bytes.len()));
                out.extend_from_slice(payload);
                self.payload_left -= payload.len();
                bytes = rest;
                continue;
            }
            let wanted = if self.payload_left == 0 { FRAME_HEADER_BYTES } else { PARAMETER_BYTES };
            let (part, rest) = bytes.split_at((wanted - self.held.len()).min(bytes.len()));
            self.held.extend_from_slice(part);
            bytes = rest;
            if self.held.len() == wanted {
                self.unit();
                out.append(&mut self.held);
            }
        }
    }

    /// Looks at a whole frame header, or at a whole parameter of SETTINGS.
    fn unit(&mut self) {
        match *self.held.as_slice() {
            [l0, l1, l2, kind, flags, ..] if self.payload_left == 0 => {
                self.payload_left = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                self.in_settings = kind == SETTINGS && flags & ACK == 0;
                self.settings_seen += u8::from(self.in_settings);
            }
            [i0, i1, ..] => {
                self.payload_left = self.payload_left.saturating_sub(PARAMETER_BYTES);
                match (self.settings_seen, u16::from_be_bytes([i0, i1])) {
                    (1, MAX_CONCURRENT_STREAMS) => self.held = parameter(self.first),
                    (2, INITIAL_WINDOW_SIZE) => self.held = parameter(self.then),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn parameter(streams: u32) -> Vec<u8> {
    let mut parameter = MAX_CONCURRENT_STREAMS.to_be_bytes().to_vec();
    parameter.extend_from_slice(&streams.to_be_bytes());
    parameter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn two_settings_are_rewritten_however_the_bytes_are_cut() {
        let window = [0, 4, 0, 0, 255, 255];
        let limit = |streams: u8| [0, 3, 0, 0, 0, streams];
        let written = [
            frame(4, 0, &[window, limit(100)].concat()),
            frame(4, 1, &[]),
            frame(1, 4, &[4, 0, 3, 0, 9]),
            frame(4, 0, &window),
            frame(4, 0, &window),
        ]
        .concat();
        let expected = [
            frame(4, 0, &[window, limit(1)].concat()),
            frame(4, 1, &[]),
            frame(1, 4, &[4, 0, 3, 0, 9]),
            frame(4, 0, &limit(50)),
            frame(4, 0, &window),
        ]
        .concat();
        for size in 1..=written.len() {
            let (mut rewriter, mut out) = (Rewriter::new(1, 50), Vec::new());
            written.chunks(size).for_each(|chunk| rewriter.rewrite(chunk, &mut out));
            assert_eq!(out, expected, "cut into {size} bytes");
            assert!(rewriter.is_done());
        }
    }
}
