//! Listening: connections up to a limit, a time-out for heads, a shutdown that lets requests end.

mod connection;

use crate::config::ApiConfig;
use crate::ready::Ready;
use crate::routes::with_ready;
use connection::Connections;
use control::Control;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Pause after a failed accept (most often: no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the API can't start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It would be reachable from other machines, and nobody said that this is wanted.
    #[error(
        "{0} is reachable from other machines, and there is neither TLS nor a token yet: whoever reaches it may press. \
         Listen on 127.0.0.1, or set allow_public if the network around it is closed"
    )]
    Public(SocketAddr),
    /// The configuration can't be.
    #[error("the API's configuration is wrong: {0}")]
    Config(String),
    /// The address can't be listened on.
    #[error("can't listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A running API.
#[derive(Debug)]
pub struct Served {
    /// The address that it listens on.
    pub addr: SocketAddr,
    /// Ends after the shutdown token was cancelled and the requests under way have ended.
    pub handle: JoinHandle<()>,
}

/// Listens, and serves until `shutdown`.
///
/// # Errors
/// Why it can't start; nothing is left running then.
pub async fn serve(
    control: Arc<Control>,
    config: ApiConfig,
    shutdown: CancellationToken,
) -> Result<Served, ApiError> {
    config.check()?;
    let failed = |source| ApiError::Listen { addr: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    if !addr.ip().is_loopback() {
        tracing::warn!(%addr, "the api is reachable from other machines, without tls and tokens");
    }
    let ready = Arc::new(Ready::default());
    ready.look(control.backend(), &**control.clock()).await;
    let routes = with_ready(Arc::clone(&control), config.clone(), Arc::clone(&ready), shutdown.clone());
    let until = shutdown.clone();
    tokio::spawn(async move { ready.keep_looking(control.backend(), &**control.clock(), until).await });
    let connections = Connections::new(routes, &config.limits, shutdown);
    let handle = tokio::spawn(accept(listener, connections, config));
    Ok(Served { addr, handle })
}

async fn accept(listener: TcpListener, connections: Connections, config: ApiConfig) {
    let slots = Arc::new(Semaphore::new(config.limits.connections_max));
    let shutdown = connections.shutdown.clone();
    let next = async || {
        let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
        Some((slot, listener.accept().await))
    };
    while let Some(Some((slot, accepted))) = shutdown.run_until_cancelled(next()).await {
        match accepted {
            Ok((stream, remote)) => connections.spawn(stream, remote, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.drain(Duration::from_millis(config.limits.drain_ms)).await;
}
