//! What happens around every request: its id, its span, one line in the log, and counters.

use crate::App;
use crate::problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::Instrument;

/// The header that carries a request's id, both ways.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// Longest id that is taken from a client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The two ends of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) remote: IpAddr,
    pub(crate) local: IpAddr,
}

/// Counters for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_class: [AtomicU64; 5],
    shed: AtomicU64,
    in_flight: AtomicU64,
}

impl Counts {
    pub(crate) fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    fn answered(&self, status: u16) {
        if let Some(count) = self.by_class.get(usize::from(status / 100).wrapping_sub(1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counters in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from("# TYPE owl_api_requests_total counter\n");
        for (class, count) in (1..).zip(&self.by_class) {
            let n = count.load(Ordering::Relaxed);
            out.push_str(&format!("owl_api_requests_total{{status=\"{class}xx\"}} {n}\n"));
        }
        let (shed, now) = (self.shed.load(Ordering::Relaxed), self.in_flight.load(Ordering::Relaxed));
        out.push_str(&format!("# TYPE owl_api_shed_total counter\nowl_api_shed_total {shed}\n"));
        out.push_str(&format!("# TYPE owl_api_requests_in_flight gauge\nowl_api_requests_in_flight {now}\n"));
        out
    }
}

/// Counts a request as under way, also when its future is dropped because the client went away.
struct InFlight<'a>(&'a AtomicU64);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The outermost middleware.
pub(crate) async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let _in_flight = InFlight::new(&app.counts.in_flight);
    let id = request_id(request.headers());
    let began = app.control.clock().mono();
    let (method, route) = (request.method().clone(), route(&request));
    let span = tracing::info_span!("request", id, %method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem::finish(response, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    harden(response.headers_mut());
    let took = app.control.clock().mono().saturating_sub(began);
    app.counts.answered(response.status().as_u16());
    span.in_scope(|| log(&response, took.as_millis()));
    response
}

/// The route's pattern, not the path: a path may hold a user's id.
fn route(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |m| m.as_str().to_owned())
}

fn log(response: &Response, ms: u128) {
    let status = response.status().as_u16();
    let problem = response.extensions().get::<crate::Problem>();
    let (kind, detail) = problem.map_or(("", ""), |p| (p.code(), p.detail.as_str()));
    match status {
        503 => tracing::warn!(status, ms, kind, detail, "request not served"),
        500.. => tracing::error!(status, ms, kind, detail, "request failed"),
        _ => tracing::debug!(status, ms, kind, "request answered"),
    }
}

/// Nothing here is meant to be framed, sniffed or cached.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
    ] {
        if !headers.contains_key(name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// The client's id, if it is one that can stand in a log; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let good = |id: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()).filter(good);
    given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}
