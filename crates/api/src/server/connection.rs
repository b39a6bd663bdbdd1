//! One HTTP/1.1 connection: its time-outs, and an end that lets the client read the last answer.

use super::tls::Tls;
use crate::config::ApiLimits;
use crate::requests::Peer;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Headers that a request may have.
const HEADERS_MAX: usize = 100;
/// After an answer that came before the body was read, what the client still sends is thrown away for this long, or the
/// system would throw the answer away.
const LINGER: Duration = Duration::from_secs(2);

/// What all connections share.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    router: Router,
    head_timeout: Duration,
    write_timeout: Duration,
    tls: Option<Arc<Tls>>,
    /// Ends connections when their request is answered.
    pub(super) shutdown: CancellationToken,
    /// Ends them at once.
    kill: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    pub(super) fn new(
        router: Router,
        limits: &ApiLimits,
        tls: Option<Arc<Tls>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            router,
            head_timeout: limits.head_timeout(),
            write_timeout: Duration::from_millis(limits.write_timeout_ms),
            tls,
            shutdown,
            kill: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Serves a connection in a task of its own.
    pub(super) fn spawn(&self, stream: TcpStream, remote: SocketAddr, slot: OwnedSemaphorePermit) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let kill = this.kill.clone();
            kill.run_until_cancelled(this.run(stream, remote)).await;
            drop(slot);
        });
    }

    /// Waits for the requests under way, and then ends what is left.
    pub(super) async fn drain(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "requests are cut off: they did not end in time");
            self.kill.cancel();
            self.tasks.wait().await;
        }
    }

    async fn run(self, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let tls = self.tls.is_some();
        let peer = Peer { remote: remote.ip().to_canonical(), local: local.ip().to_canonical(), tls };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection has no nodelay");
        }
        let Some(tls) = self.tls.as_ref().map(|tls| tls.acceptor()) else {
            return self.talk(stream, peer).await;
        };
        match tokio::time::timeout(self.head_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.talk(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S, peer: Peer) {
        let inner = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            Box::pin(inner.call(request))
        });
        let io = TokioIo::new(Stalling { stream, limit: self.write_timeout, since: None, stalled: false });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head_timeout).max_headers(HEADERS_MAX);
        let mut connection = http.serve_connection(io, service);
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                ended = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
                () = self.shutdown.cancelled(), if !stopping => {
                    stopping = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        let Stalling { stream, stalled, .. } = connection.into_parts().io.into_inner();
        if stalled {
            // Whoever takes nothing does not take a good-bye either.
            return;
        }
        linger(stream, if stopping { Duration::ZERO } else { LINGER }).await;
    }
}

/// Says that nothing more comes, and reads on for a while without looking. With TLS both need the other side: both have
/// one time-out.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, patience: Duration) {
    let end = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut away = vec![0; 16 * 1024];
        while matches!(stream.read(&mut away).await, Ok(n) if n > 0) {}
    };
    // Its end does not matter: the client is gone, or had its time.
    let _ = tokio::time::timeout(patience, end).await;
}

/// A stream that fails when its other side takes nothing for too long.
#[derive(Debug)]
struct Stalling<S> {
    stream: S,
    limit: Duration,
    since: Option<Pin<Box<Sleep>>>,
    /// It has failed so.
    stalled: bool,
}

impl<S> Stalling<S> {
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.since = None;
            return result;
        }
        let timer = self.since.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        std::task::ready!(timer.as_mut().poll(cx));
        self.stalled = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A TLS stream takes writes into its own buffer, and waits here.
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
