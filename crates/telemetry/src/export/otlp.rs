//! Spans to a collector, as OTLP in protobuf over HTTP; and what the rest of the code needs of a tracer.
//!
//! The SDK's batch processor has a thread of its own, a bounded queue, and drops what does not fit: a collector that hangs
//! costs nothing else. ureq is the client because it is in the tree already, blocks (which that thread may), and pulls in
//! neither tonic nor reqwest.

use super::{TelemetryConfig, TelemetryError};
use crate::metrics::SPANS_FAILED;
use crate::trace::{ROOTS, SPANS, Tracer};
use async_trait::async_trait;
use bytes::Bytes;
use common::trace::TraceParent;
use http::{Request, Response};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use std::time::Duration;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// One export may take this long.
const EXPORT_WITHIN: Duration = Duration::from_secs(3);
/// The end waits this long for the last spans.
pub(super) const SHUTDOWN_WITHIN: Duration = Duration::from_secs(4);
/// An answer of a collector that is longer is not read to its end, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The SDK's part, or `None` when no collector is named.
pub(super) fn provider(
    config: &TelemetryConfig,
    service: &'static str,
) -> Result<Option<SdkTracerProvider>, TelemetryError> {
    let Some(endpoint) = config.endpoint().map_err(TelemetryError::Config)? else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_WITHIN)
        .build()
        .map_err(|e| TelemetryError::Spans(e.to_string()))?;
    let builder = SdkTracerProvider::builder().with_batch_exporter(exporter);
    Ok(Some(builder.with_sampler(Presses).with_resource(resource(service)).build()))
}

fn resource(service: &'static str) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Resource::builder_empty().with_service_name(service).with_attribute(version).build()
}

/// The layer that turns our spans into the SDK's.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let ours = filter_fn(|about| about.is_span() && SPANS.contains(&about.name()));
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("superb-owl"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(ours)
}

/// Tells [`crate::trace`] how it is done.
pub(super) fn install(batches_one_in: u32) {
    crate::trace::install(Tracer { current, follow }, batches_one_in);
}

fn current(span: &Span) -> Option<TraceParent> {
    let context = span.context();
    let context = context.span().span_context().clone();
    let (trace, id, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    let is_followed = context.is_valid() && context.is_sampled();
    is_followed.then(|| format!("00-{trace}-{id}-{:02x}", flags.to_u8()).parse().ok()).flatten()
}

fn follow(span: &Span, parent: &TraceParent) {
    let mut parts = parent.as_str().split('-').skip(1);
    let (trace, id) = (parts.next().map(TraceId::from_hex), parts.next().map(SpanId::from_hex));
    let flags = parts.next().map(|f| u8::from_str_radix(f, 16));
    if let (Some(Ok(trace)), Some(Ok(id)), Some(Ok(flags))) = (trace, id, flags) {
        let context = SpanContext::new(trace, id, TraceFlags::new(flags), true, TraceState::default());
        // It fails when no layer wants the span, and then there is nothing to do.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

/// A trace begins with a press; everything else only goes on with one.
#[derive(Clone, Debug)]
pub(super) struct Presses;

impl ShouldSample for Presses {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|c| c.span().span_context().clone()).filter(SpanContext::is_valid);
        let wanted = parent.map_or(ROOTS.contains(&name), |p| p.is_sampled());
        let decision = if wanted { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

/// ureq, as the exporter wants it.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(EXPORT_WITHIN))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0);
        Self(config.build().into())
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        if !sent.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            SPANS_FAILED.one(());
        }
        sent
    }
}
