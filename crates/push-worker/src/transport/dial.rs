//! One new connection: a fresh look-up, TCP without delay, TLS that speaks `h2`, the HTTP/2 handshake.

use super::limits;
use super::origin::Origin;
use super::socket::Socket;
use bytes::Bytes;
use rand::seq::SliceRandom as _;
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
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
    /// HTTP/2 did not begin.
    #[error("no HTTP/2 with `{host}`: {source}")]
    Handshake {
        /// With whom.
        host: String,
        /// As `h2` says.
        source: h2::Error,
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

/// Both halves of a new connection.
pub(super) struct Dialled {
    pub(super) send: h2::client::SendRequest<Bytes>,
    pub(super) connection: h2::client::Connection<Io, Bytes>,
    /// The kernel's send buffer is full.
    pub(super) blocked: Rc<Cell<bool>>,
}

/// Makes a connection.
pub(super) async fn dial(origin: &Origin) -> Result<Dialled, DialError> {
    let timed_out = |_| DialError::TimedOut { host: origin.host().to_owned() };
    tokio::time::timeout(limits::DIAL_WITHIN, connect(origin)).await.map_err(timed_out)?
}

async fn connect(origin: &Origin) -> Result<Dialled, DialError> {
    let host = || origin.host().to_owned();
    let blocked = Rc::new(Cell::new(false));
    let socket = Socket::new(tcp(origin).await?, Rc::clone(&blocked));
    let name = ServerName::try_from(host())
        .map_err(|e| DialError::Tls { host: host(), source: std::io::Error::other(e) })?;
    let connector = tokio_rustls::TlsConnector::from(origin.tls());
    let tls =
        connector.connect(name, socket).await.map_err(|source| DialError::Tls { host: host(), source })?;
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(DialError::NoHttp2 { host: host() });
    }
    let (send, connection) =
        builder().handshake(tls).await.map_err(|source| DialError::Handshake { host: host(), source })?;
    Ok(Dialled { send, connection, blocked })
}

fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(limits::STREAMS_FIRST)
        .initial_window_size(limits::ANSWER_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_reset_streams(limits::RESET_STREAMS_REMEMBERED)
        .reset_stream_duration(limits::RESET_STREAMS_FOR);
    builder
}

/// Looks the name up afresh, so that load spreads as the vendor wants, and tries its addresses in random order.
async fn tcp(origin: &Origin) -> Result<TcpStream, DialError> {
    let host = || origin.host().to_owned();
    let found = tokio::net::lookup_host((origin.host(), origin.port())).await;
    let mut addresses: Vec<SocketAddr> =
        found.map_err(|source| DialError::LookUp { host: host(), source })?.collect();
    addresses.shuffle(&mut rand::rng());
    let mut why = "it has none".to_owned();
    for address in addresses {
        if !origin.permits(address) {
            why = "a rehearsal must not go to Apple".to_owned();
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
    socket.set_send_buffer_size(limits::SEND_BUFFER_BYTES)?;
    socket.connect(address).await
}
