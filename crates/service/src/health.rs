//! The listener of a worker: `/healthz` (the process lives), `/readyz` (it could do its part of a press now), `/metrics`.
//! Everything is answered from memory, so a probe never waits for a backend.

use crate::ready::Readiness;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Frame};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Probes and scrapers at once.
const CONNECTIONS_MAX: usize = 64;
/// Time for a request's head to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// A connection is closed after this, whatever it does.
const CONNECTION_MAX: Duration = Duration::from_secs(60);
/// Pause after a failed accept (most often: no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Gives the metrics as Prometheus text.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What is answered.
#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: Metrics,
}

/// Listens, and serves until it is dropped. Answers with the address.
///
/// # Errors
/// The address can't be listened on.
pub async fn listen(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
) -> std::io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((address, accept(listener, Health { readiness, metrics })))
}

async fn accept(listener: TcpListener, health: Health) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let health = health.clone();
                tokio::spawn(async move {
                    // What a prober does wrong is its own affair.
                    let _ = tokio::time::timeout(CONNECTION_MAX, serve(stream, health)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a probe was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, health: Health) -> Result<(), hyper::Error> {
    let answer = service_fn(move |request| {
        let answer = answer(&health, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    http.serve_connection(TokioIo::new(stream), answer).await
}

const JSON: &str = "application/json";
/// Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn answer<B>(health: &Health, request: &Request<B>) -> Response<Text> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, JSON, json!({ "ok": false }).to_string());
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, JSON, json!({ "ok": true }).to_string()),
        "/readyz" => ready(&health.readiness.why_not()),
        "/metrics" => text(StatusCode::OK, TEXT, (health.metrics)()),
        _ => text(StatusCode::NOT_FOUND, JSON, json!({ "ok": false }).to_string()),
    }
}

fn ready(reasons: &[String]) -> Response<Text> {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, JSON, json!({ "ready": reasons.is_empty(), "reasons": reasons }).to_string())
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Text> {
    let mut response = Response::new(Text(Some(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A whole body.
struct Text(Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |b| b.len() as u64))
    }
}
