//! Listening: connections up to a limit, a time-out for heads, a shutdown that lets requests end.

mod connection;
mod tls;

use crate::App;
use crate::access::one_time_code;
use crate::config::ApiConfig;
use crate::ready::Ready;
use crate::routes::with_app;
use crate::tokens::nobody_administers;
use connection::Connections;
use control::Control;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Tls;
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
        "{0} is reachable from other machines in the clear: whoever listens in has people's tokens. Listen on 127.0.0.1, \
         give a certificate (access.tls) or the balancer before it (access.trusted_proxies), or set allow_public if the \
         network around it is closed"
    )]
    Public(SocketAddr),
    /// The configuration can't be.
    #[error("the API's configuration is wrong: {0}")]
    Config(String),
    /// The certificate can't be used.
    #[error("no TLS: {0}")]
    Tls(String),
    /// Whether somebody administers it can't be found out.
    #[error("no one-time code for the first administrator: {0}")]
    First(String),
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
    /// Makes the first administrator.
    pub access: FirstAdministrator,
}

/// Makes the one-time code by which somebody becomes the first administrator.
#[derive(Clone, Debug)]
pub struct FirstAdministrator(Arc<App>);

impl FirstAdministrator {
    /// A code, where nobody could administer this installation: good for a day, once, in this process. `None` where
    /// somebody can.
    ///
    /// # Errors
    /// When the tokens can't be read, or the system has no random bits.
    pub async fn code(&self) -> Result<Option<String>, ApiError> {
        if !nobody_administers(&self.0).await.map_err(|e| ApiError::First(e.to_string()))? {
            return Ok(None);
        }
        let code = one_time_code().map_err(ApiError::First)?;
        self.0.access.first.offer(&code, self.0.control.clock().now());
        Ok(Some(code))
    }
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
    let tls = config.access.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
    let failed = |source| ApiError::Listen { addr: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    if !addr.ip().is_loopback() {
        let covered = config.access.is_covered();
        tracing::warn!(%addr, covered, "the api is reachable from other machines");
    }
    let ready = Arc::new(Ready::default());
    ready.look(control.backend(), &**control.clock()).await;
    let app = Arc::new(App::new(Arc::clone(&control), config.clone(), Arc::clone(&ready), shutdown.clone()));
    app.access.keys.refresh(control.backend()).await;
    let (until, fresh) = (shutdown.clone(), Arc::clone(&app));
    tokio::spawn(async move {
        let look = ready.keep_looking(control.backend(), &**control.clock(), until.clone());
        tokio::join!(look, fresh.access.keys.keep_fresh(control.backend(), until));
    });
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).keep_fresh(shutdown.clone()));
    }
    // A task of its own: whatever becomes of webhooks, people are served.
    let telling = tokio::spawn(Arc::clone(&app.notifier).run(shutdown.clone()));
    let connections = Connections::new(with_app(&app), &config.limits, tls, shutdown);
    let handle = tokio::spawn(async move {
        accept(listener, connections, config).await;
        if let Err(error) = telling.await {
            tracing::error!(%error, "webhooks were told nothing any more: their task broke off");
        }
    });
    Ok(Served { addr, handle, access: FirstAdministrator(app) })
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
