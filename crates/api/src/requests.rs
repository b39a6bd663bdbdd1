//! What happens around every request: its id, its span, one line in the log, and counters.

use crate::App;
use crate::problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use telemetry::Reading;
use telemetry::metrics::{API_REQUESTS_IN_FLIGHT, API_SHED, HTTP_REQUESTS, HTTP_SECONDS, Route, Status};
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
    /// It is encrypted, and we hold the certificate.
    pub(crate) tls: bool,
}

/// This API's own counts; the metrics are the whole process', which in tests holds several.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    shed: AtomicU64,
    in_flight: AtomicI64,
}

impl Counts {
    pub(crate) fn shed(&self) {
        API_SHED.one(());
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// Every metric in Prometheus' text format, with these counts in place of the process'.
    pub(crate) fn text(&self) -> String {
        let shed = Reading::Total(self.shed.load(Ordering::Relaxed));
        let in_flight = Reading::Value(self.in_flight.load(Ordering::Relaxed));
        telemetry::prometheus_with(&[(&API_SHED, shed), (&API_REQUESTS_IN_FLIGHT, in_flight)])
    }
}

/// Counts a request as under way, also when its future is dropped because the client went away.
struct InFlight<'a>(&'a AtomicI64);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicI64) -> Self {
        API_REQUESTS_IN_FLIGHT.add((), 1);
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        API_REQUESTS_IN_FLIGHT.add((), -1);
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The outermost middleware.
pub(crate) async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let _in_flight = InFlight::new(&app.counts.in_flight);
    let id = request_id(request.headers());
    let began = app.control.clock().mono();
    let (method, route) = (request.method().clone(), route(&request));
    let label = Route::of(&route);
    let span = tracing::info_span!("request", id, %method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = problem::finish(response, &id);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    harden(response.headers_mut());
    let took = app.control.clock().mono().saturating_sub(began);
    HTTP_REQUESTS.one((label, Status::of(response.status().as_u16())));
    HTTP_SECONDS.observe(label, took);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use telemetry::Label;

    #[test]
    fn every_route_is_counted_under_its_own_name() {
        let router = include_str!("routes/mod.rs");
        let routes: BTreeSet<_> =
            router.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(routes.contains("/v1/campaigns/{id}/press"), "{routes:?}");
        let counted: BTreeSet<_> =
            Route::VALUES.iter().copied().filter(|v| *v != Route::None.value()).collect();
        assert_eq!(
            routes, counted,
            "the table of metrics lists the routes: crates/telemetry/src/metrics/labels.rs"
        );
    }
}
