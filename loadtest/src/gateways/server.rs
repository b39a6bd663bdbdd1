//! Threads and listeners: one thread accepts and answers the admin listener, the others serve connections.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{Builder, JoinHandle};

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::connection::End;
use super::journal::Platform;
use super::shared::Shared;
use super::{GatewayError, ServerKind, admin, connection, limits, witness};

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
    // Without it, answers wait for the client's delayed acknowledgements.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // TLS reads 4 KiB at a time: with a buffer before it, a call to the kernel brings more.
    let stream = BufReader::with_capacity(limits::READ_BYTES, stream);
    match tokio::time::timeout(limits::HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            let _open = OpenConnection::count(Arc::clone(&shared));
            let end = match shared.info.mode {
                ServerKind::Witness => witness::serve(shared, platform, stream).await,
                ServerKind::Validating | ServerKind::Sink => {
                    connection::serve(shared, platform, stream).await
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
