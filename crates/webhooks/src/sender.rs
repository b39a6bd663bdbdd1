//! One attempt: a POST over HTTP/1.1 on a connection of its own.
//!
//! hyper, and not the blocking client that the commands use: an attempt ends with its time-out and with the process, and
//! holds no thread meanwhile; the addresses are looked at between resolving and connecting; and no proxy of the environment
//! stands in between.

use crate::config::WebhookConfig;
use crate::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use common::time::Clock;
use common::webhook::delivery::ATTEMPT_MAX;
use common::webhook::{Came, MessageId};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// An answer's body is waited for no longer than this.
const BODY_MAX: Duration = Duration::from_secs(2);
/// Of an answer's body no more is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Of an answer's body so much is shown.
const SHOWN_BYTES_MAX: usize = 1024;
/// Of the reason why there was no answer so much is kept.
const WHY_CHARS_MAX: usize = 500;
/// Room for an answer's head, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Time for each of them to take a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const USER_AGENT: &str = concat!("superb-owl-webhooks/", env!("CARGO_PKG_VERSION"));

/// A message, signed for an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where it goes.
    pub url: String,
    /// `webhook-id`.
    pub id: MessageId,
    /// `webhook-timestamp`.
    pub timestamp_s: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// Whoever sends messages.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends one, and tells what came. Cancel-safe: a dropped call may have been received.
    async fn send(&self, post: &Post) -> Came;
}

/// Sends over the network.
pub struct HttpSender {
    config: WebhookConfig,
    /// Or why there is none: what goes without TLS goes on.
    tls: Result<TlsConnector, String>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for HttpSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSender").field("config", &self.config).finish_non_exhaustive()
    }
}

impl HttpSender {
    /// Trusts the roots that browsers trust, as compiled in.
    #[must_use]
    pub fn new(config: WebhookConfig, clock: Arc<dyn Clock>) -> Self {
        Self::trusting(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }, config, clock)
    }

    /// Trusts these roots.
    #[must_use]
    pub fn trusting(roots: RootCertStore, config: WebhookConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, tls: connector(roots), clock }
    }

    async fn exchange(&self, post: &Post) -> Result<Came, String> {
        let target = Target::parse(&post.url, &self.config)?;
        let stream = self.connect(&target).await?;
        if !target.tls {
            return self.ask(stream, &target, post).await;
        }
        let name = ServerName::try_from(target.host.clone());
        let name = name.map_err(|_| format!("`{}` can't be the name in a certificate", target.host))?;
        let stream = self.tls.as_ref().map_err(Clone::clone)?.connect(name, stream).await;
        let stream = stream.map_err(|e| format!("no TLS with {}: {e}", target.authority))?;
        self.ask(stream, &target, post).await
    }

    /// Resolves the name now, and connects to nothing but what is permitted of what came.
    async fn connect(&self, target: &Target) -> Result<TcpStream, String> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found = found.map_err(|e| format!("`{}` has no address: {e}", target.host))?;
        let (good, bad): (Vec<_>, Vec<_>) =
            found.partition(|address| self.config.permits(address.ip(), target.tls));
        if good.is_empty() {
            return Err(bad.first().map_or_else(
                || format!("`{}` has no address", target.host),
                |address| target.refused(address.ip()),
            ));
        }
        let mut why = String::new();
        for address in good.into_iter().take(ADDRESSES_MAX) {
            match dial(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn ask<S>(&self, stream: S, target: &Target, post: &Post) -> Result<Came, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = request(target, post)?;
        let broken = |e: hyper::Error| format!("the connection broke before an answer came: {e}");
        let mut http = http1::Builder::new();
        let opened = http.max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
        let (mut requests, connection) = opened.map_err(broken)?;
        // Ends with this attempt, however it ends.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let answer = requests.send_request(request).await.map_err(broken)?;
        let status = answer.status();
        let retry_after = self.retry_after(answer.headers());
        // The status has come and counts, also when the body has no end.
        let text = match status {
            StatusCode::NO_CONTENT => String::new(),
            _ => tokio::time::timeout(BODY_MAX, read(answer.into_body())).await.unwrap_or_default(),
        };
        Ok(Came::Answer { status: status.as_u16(), retry_after, text })
    }

    /// Seconds, or a date.
    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let now = u64::try_from(self.clock.now().0).map(Duration::from_millis).unwrap_or_default();
        Some(at.saturating_sub(now))
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, post: &Post) -> Came {
        match tokio::time::timeout(ATTEMPT_MAX, self.exchange(post)).await {
            Ok(Ok(came)) => came,
            Ok(Err(why)) => Came::Nothing(clipped(&why)),
            Err(_) => Came::Nothing(format!("no answer within {} s", ATTEMPT_MAX.as_secs())),
        }
    }
}

/// A receiver's certificate may have as many names as it likes, and all of them stand in the error.
fn clipped(why: &str) -> String {
    why.chars().take(WHY_CHARS_MAX).collect()
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|e| format!("TLS can't be set up: {e}"))?;
    let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(tls)))
}

async fn dial(address: SocketAddr) -> Result<TcpStream, String> {
    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("{address} takes no connection: {error}")),
        Err(_) => Err(format!("{address} took no connection within {} s", CONNECT_MAX.as_secs())),
    }
}

fn request(target: &Target, post: &Post) -> Result<Request<Full<Bytes>>, String> {
    let request = Request::post(target.path.as_str())
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("webhook-id", post.id.to_string())
        .header("webhook-timestamp", post.timestamp_s)
        .header("webhook-signature", &post.signature);
    let body = Full::new(Bytes::from(post.body.clone()));
    request.body(body).map_err(|e| format!("no request can be made of the URL: {e}"))
}

/// The beginning of the body. What is wrong with the rest does not matter: the status has come.
async fn read(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        let Some(Ok(frame)) = body.frame().await else { break };
        let Ok(data) = frame.into_data() else { continue };
        let room = ANSWER_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
    }
    bytes.truncate(SHOWN_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes);
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_an_end() {
        assert_eq!(clipped("no route"), "no route");
        assert_eq!(clipped(&"ä".repeat(1_000)).chars().count(), WHY_CHARS_MAX);
    }
}
