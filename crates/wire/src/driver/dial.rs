//! One new connection: a fresh look-up, TCP without delay and with little room in the kernel, TLS that speaks `h2`.

use super::limits;
use super::pool::Target;
use super::socket::{Marks, Socket};
use rand::seq::SliceRandom as _;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or DNS does not answer.
    #[error("`{host}` can't be looked up: {source}")]
    LookUp {
        /// Whose address.
        host: String,
        /// As the system says.
        source: std::io::Error,
    },
    /// No address takes connections.
    #[error("no address of `{host}` takes connections: {why}")]
    Connect {
        /// Whose addresses.
        host: String,
        /// What the last one tried said.
        why: String,
    },
    /// The certificate is not of a CA that counts, or the other side does not speak TLS.
    #[error("no TLS with `{host}`: {source}")]
    Tls {
        /// With whom.
        host: String,
        /// As rustls says.
        source: std::io::Error,
    },
    /// It speaks something else.
    #[error("`{host}` does not speak HTTP/2")]
    NoHttp2 {
        /// Who.
        host: String,
    },
    /// It took longer than [`limits::DIAL_WITHIN`].
    #[error("`{host}` did not answer within {} s", limits::DIAL_WITHIN.as_secs())]
    TimedOut {
        /// Who.
        host: String,
    },
}

/// What a connection runs on.
pub(super) type Io = TlsStream<Socket<TcpStream>>;

/// Makes a connection.
pub(super) async fn dial(target: &Target, marks: &Rc<Marks>) -> Result<Io, DialError> {
    let timed_out = |_| DialError::TimedOut { host: target.host.clone() };
    tokio::time::timeout(limits::DIAL_WITHIN, connect(target, marks)).await.map_err(timed_out)?
}

async fn connect(target: &Target, marks: &Rc<Marks>) -> Result<Io, DialError> {
    let host = || target.host.clone();
    let socket = Socket::new(tcp(target).await?, Rc::clone(marks));
    let name = ServerName::try_from(host())
        .map_err(|e| DialError::Tls { host: host(), source: std::io::Error::other(e) })?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&target.tls));
    let connecting =
        connector.connect_with(name, socket, |tls| tls.set_buffer_limit(Some(limits::TLS_BYTES)));
    let io = connecting.await.map_err(|source| DialError::Tls { host: host(), source })?;
    match io.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(io),
        _ => Err(DialError::NoHttp2 { host: host() }),
    }
}

/// Looks the name up afresh, so that load spreads as the vendors want, and tries its addresses in random order.
async fn tcp(target: &Target) -> Result<TcpStream, DialError> {
    let host = || target.host.clone();
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let mut addresses: Vec<SocketAddr> =
        found.map_err(|source| DialError::LookUp { host: host(), source })?.collect();
    addresses.shuffle(&mut rand::rng());
    let mut why = "it has none".to_owned();
    for address in addresses {
        if let Err(reason) = (target.permits)(address) {
            reason.clone_into(&mut why);
            continue;
        }
        match open(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error.to_string(),
        }
    }
    Err(DialError::Connect { host: host(), why })
}

async fn open(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_send_buffer_size(limits::SEND_BUFFER_BYTES)?;
    // However it ends, what the kernel holds then leaves no more: only who says goodbye waits for it.
    options.set_linger(Some(Duration::ZERO))?;
    // Not on every system: without it, an abort leaves what the send buffer holds.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    options.set_tcp_notsent_lowat(limits::NOT_SENT_BYTES)?;
    socket.connect(address).await
}
