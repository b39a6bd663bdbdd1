//! Threads and listeners: one thread accepts and answers the admin listener, the others serve connections.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, BufReader, Interest};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::connection::End;
use super::journal::Platform;
use super::shared::Shared;
use super::{Behaviour, Beyond, GatewayError, ServerKind, admin, connection, limits, witness};

/// The three listeners, bound.
pub(super) struct Listeners {
    pub(super) apns: std::net::TcpListener,
    pub(super) fcm: std::net::TcpListener,
    pub(super) admin: std::net::TcpListener,
}

type Accepted = (Platform, TcpStream);

/// Starts all threads; they end when `stop` changes or its sender is gone.
pub(super) fn spawn(
    shared: &Arc<Shared>,
    tls: &Arc<ServerConfig>,
    listeners: Listeners,
    threads: usize,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, GatewayError> {
    let mut handles = Vec::new();
    let mut workers = Vec::new();
    for number in 0..threads.max(1) {
        let (sender, receiver) = mpsc::channel(limits::CONNECTION_BACKLOG);
        let work = work(Arc::clone(shared), TlsAcceptor::from(Arc::clone(tls)), receiver);
        handles.push(spawn_thread(format!("gateway-{number}"), stop.clone(), work)?);
        workers.push(sender);
    }
    let front = front(Arc::clone(shared), listeners, workers);
    handles.push(spawn_thread("gateway-front".to_owned(), stop.clone(), front)?);
    Ok(handles)
}

fn spawn_thread(
    name: String,
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, GatewayError> {
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(GatewayError::Thread)?;
    let run = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = work => {}
            }
        });
        // A summary in the making must not hold up the end.
        runtime.shutdown_background();
    };
    Builder::new().name(name).spawn(run).map_err(GatewayError::Thread)
}

/// Serves the connections that are dealt to this thread.
async fn work(shared: Arc<Shared>, tls: TlsAcceptor, mut accepted: mpsc::Receiver<Accepted>) {
    while let Some((platform, stream)) = accepted.recv().await {
        tokio::spawn(handshake(Arc::clone(&shared), tls.clone(), platform, stream));
    }
}

async fn handshake(shared: Arc<Shared>, tls: TlsAcceptor, platform: Platform, stream: TcpStream) {
    let Ok((stream, rest)) = stream.try_clone().and_then(|rest| {
        Ok((tokio::net::TcpStream::from_std(stream)?, tokio::net::TcpStream::from_std(rest)?))
    }) else {
        return;
    };
    let behaviour = shared.behaviour();
    let Some(_seat) = Seat::take(&shared, platform, behaviour.connections_max) else {
        return turn_away(&behaviour, stream, &rest).await;
    };
    // Without it, answers wait for the client's delayed acknowledgements.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if behaviour.tls_handshake_ms > 0 {
        tokio::time::sleep(Duration::from_millis(u64::from(behaviour.tls_handshake_ms))).await;
    }
    // TLS reads 4 KiB at a time: with a buffer before it, a call to the kernel brings more.
    let stream = BufReader::with_capacity(limits::READ_BYTES, stream);
    match tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            let _open = OpenConnection::count(Arc::clone(&shared));
            let end = match shared.info.mode {
                ServerKind::Witness => witness::serve(shared, platform, stream).await,
                ServerKind::Validating | ServerKind::Sink => {
                    connection::serve(shared, platform, stream, gone(&rest)).await
                }
            };
            if end == End::Closed {
                read_out(rest).await;
            }
        }
        Ok(Ok(_)) => tracing::debug!(?platform, "connection without http/2 closed"),
        Ok(Err(error)) => tracing::debug!(?platform, %error, "tls handshake failed"),
        Err(_) => tracing::debug!(?platform, "tls handshake took too long"),
    }
}

/// Reads what a client still sends after we said goodbye: a socket that is closed with bytes unread resets the
/// connection, and the last answers, GOAWAY among them, could be lost with it.
async fn read_out(mut rest: tokio::net::TcpStream) {
    let mut buffer = [0; 4096];
    let read = async { while matches!(rest.read(&mut buffer).await, Ok(1..)) {} };
    // A client that goes on talking is not waited for.
    let _ = tokio::time::timeout(limits::CLOSING_TIMEOUT, read).await;
}

/// What becomes of a connection beyond the limit.
async fn turn_away(behaviour: &Behaviour, stream: tokio::net::TcpStream, rest: &tokio::net::TcpStream) {
    match behaviour.connections_beyond {
        Beyond::Silence => gone(rest).await,
        // Then the kernel resets instead of saying goodbye.
        Beyond::Reset => drop(stream.set_zero_linger()),
    }
}

/// Waits until the client has closed, without reading; not for ever where the system does not tell.
async fn gone(stream: &tokio::net::TcpStream) {
    #[cfg(target_os = "linux")]
    let closed = async {
        // What came in does not end this, as readiness to be read would; the client's FIN or RST does.
        while stream.ready(Interest::PRIORITY).await.is_ok_and(|ready| !ready.is_read_closed()) {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
        }
    };
    #[cfg(not(target_os = "linux"))]
    let closed = async {
        let _ = stream.ready(Interest::ERROR).await;
    };
    let _ = tokio::time::timeout(limits::SILENCE_TIMEOUT, closed).await;
}

/// A place among the connections that one gateway serves at once, for as long as this lives.
struct Seat(Arc<Shared>, Platform);

impl Seat {
    /// Takes a place if there is one; with 0 there always is.
    fn take(shared: &Arc<Shared>, platform: Platform, most: u32) -> Option<Self> {
        // Given back when it is dropped, even if there is none too many.
        let seat = Self(Arc::clone(shared), platform);
        let before = shared.connections[platform as usize].fetch_add(1, Relaxed);
        (most == 0 || before < u64::from(most)).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections[self.1 as usize].fetch_sub(1, Relaxed);
    }
}

/// A connection that is counted as open for as long as this lives.
struct OpenConnection(Arc<Shared>);

impl OpenConnection {
    fn count(shared: Arc<Shared>) -> Self {
        shared.connections_opened.fetch_add(1, Relaxed);
        shared.open_connections.fetch_add(1, Relaxed);
        Self(shared)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open_connections.fetch_sub(1, Relaxed);
    }
}

/// Accepts connections, deals them out, and serves the admin listener.
async fn front(shared: Arc<Shared>, listeners: Listeners, workers: Vec<mpsc::Sender<Accepted>>) {
    let Listeners { apns, fcm, admin } = listeners;
    let result = tokio::try_join!(
        accept(Platform::Apns, apns, workers.clone()),
        accept(Platform::Fcm, fcm, workers),
        admin::serve(shared, admin)
    );
    if let Err(error) = result {
        tracing::error!(%error, "a gateway listener failed");
    }
}

async fn accept(
    platform: Platform,
    listener: std::net::TcpListener,
    workers: Vec<mpsc::Sender<Accepted>>,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    for worker in workers.iter().cycle() {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream.into_std()?,
                // Too many open files, or a client that left early: neither is a reason to stop listening.
                Err(error) => tracing::warn!(%error, "cannot accept a connection"),
            }
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
        };
        if worker.send((platform, stream)).await.is_err() {
            break;
        }
    }
    Ok(())
}
