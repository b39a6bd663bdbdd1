//! Something between a connection and its socket, as TLS is.

use crate::driver::kernel::Ports;
use crate::driver::socket::{Linger, Socket};
use std::cell::Cell;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

type Pipe = Socket<DuplexStream>;

/// What becomes of bytes on their way to the socket.
pub(super) trait Hook: Unpin {
    fn write(&mut self, socket: &mut Pipe, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>;

    fn flush(&mut self, socket: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(socket).poll_flush(cx)
    }
}

/// Reads as the socket does, and writes as its hook says.
pub(super) struct Shim<H> {
    pub(super) socket: Pipe,
    pub(super) hook: H,
}

impl<H> Linger for Shim<H> {
    fn ports(&self) -> Option<Ports> {
        self.socket.ports()
    }
    fn linger(&self) {
        self.socket.linger();
    }
}

impl<H: Unpin> AsyncRead for Shim<H> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, to)
    }
}

impl<H: Hook> AsyncWrite for Shim<H> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        this.hook.write(&mut this.socket, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        this.hook.flush(&mut this.socket, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// As TLS does it: takes all that it is given, writes a part of it, fails with the rest, and answers with the error.
pub(super) struct BreaksHalfWay {
    pub(super) breaks: Rc<Cell<bool>>,
    pub(super) writes: usize,
}

impl Hook for BreaksHalfWay {
    fn write(&mut self, socket: &mut Pipe, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if !self.breaks.get() {
            return Pin::new(socket).poll_write(cx, bytes);
        }
        let part = &bytes[..self.writes.min(bytes.len())];
        if !part.is_empty() {
            assert!(Pin::new(socket).poll_write(cx, part).is_ready());
        }
        Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
    }
}

/// Takes everything, as TLS does, and passes on so many bytes.
pub(super) struct Holds {
    pub(super) passes: Rc<Cell<usize>>,
    pub(super) held: Vec<u8>,
}

impl Hook for Holds {
    fn write(&mut self, socket: &mut Pipe, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.held.extend_from_slice(bytes);
        let _ = self.flush(socket, cx);
        Poll::Ready(Ok(bytes.len()))
    }

    fn flush(&mut self, socket: &mut Pipe, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let part = self.passes.get().min(self.held.len());
        if part > 0 {
            let out: Vec<u8> = self.held.drain(..part).collect();
            assert!(matches!(Pin::new(socket).poll_write(cx, &out), Poll::Ready(Ok(n)) if n == part));
            self.passes.set(self.passes.get() - part);
        }
        if self.held.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}
