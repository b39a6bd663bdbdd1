//! A stream that reads more than it is asked for, can be told to let answers gather, and remembers whether the kernel took
//! what it was given last, so that nothing is piled up behind a peer that stopped reading.

use super::kernel::Ports;
use super::limits;
use std::cell::Cell;
use std::io::Result;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What a stream and its driver tell each other.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The kernel's send buffer is full.
    pub(super) blocked: Cell<bool>,
    /// After a read that found less than it had room for, the kernel is not asked again, and nobody is woken.
    pub(super) gather: Cell<bool>,
    /// There was such a read.
    pub(super) dry: Cell<bool>,
    /// Bytes that the kernel took, over the connection's life.
    pub(super) written: Cell<u64>,
}

/// A stream that takes back what has not left when it is dropped, unless it is told to linger.
pub(super) trait Linger {
    /// How the kernel knows it.
    fn ports(&self) -> Option<Ports>;

    /// What the kernel holds still leaves when it is dropped.
    fn linger(&self);
}

impl Linger for TcpStream {
    fn ports(&self) -> Option<Ports> {
        Some((self.local_addr().ok()?.port(), self.peer_addr().ok()?.port()))
    }

    fn linger(&self) {
        // On a socket that is broken already nothing leaves.
        let _ = socket2::SockRef::from(self).set_linger(None);
    }
}

impl<T: Linger> Linger for Socket<T> {
    fn ports(&self) -> Option<Ports> {
        self.io.ports()
    }

    fn linger(&self) {
        self.io.linger();
    }
}

impl<T: Linger> Linger for TlsStream<T> {
    fn ports(&self) -> Option<Ports> {
        self.get_ref().0.ports()
    }

    fn linger(&self) {
        self.get_ref().0.linger();
    }
}

/// A stream with its marks.
pub(super) struct Socket<T> {
    io: T,
    marks: Rc<Marks>,
    buffer: Box<[u8]>,
    /// What of the buffer was read and not handed on.
    from: usize,
    to: usize,
}

impl<T> Socket<T> {
    pub(super) fn new(io: T, marks: Rc<Marks>) -> Self {
        Self { io, marks, buffer: vec![0; limits::READ_BYTES].into(), from: 0, to: 0 }
    }

    fn noting(&self, poll: Poll<Result<usize>>) -> Poll<Result<usize>> {
        self.marks.blocked.set(poll.is_pending());
        if let Poll::Ready(Ok(bytes)) = &poll {
            self.marks.written.set(self.marks.written.get() + *bytes as u64);
        }
        poll
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = &mut *self.get_mut();
        if this.from == this.to {
            if this.marks.gather.get() && this.marks.dry.get() {
                return Poll::Pending;
            }
            let mut buffer = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut buffer))?;
            (this.from, this.to) = (0, buffer.filled().len());
            this.marks.dry.set(buffer.remaining() > 0);
        }
        let ready = this.buffer.get(this.from..this.to).unwrap_or_default();
        let taken = ready.get(..to.remaining()).unwrap_or(ready);
        to.put_slice(taken);
        this.from += taken.len();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.noting(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.noting(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
