//! What the three services send out: log lines and Embedded Metric Format on standard output, spans to a collector. Only
//! `crates/service` uses it.

mod config;
mod emf;
mod json;
mod logs;
mod otlp;

pub use config::TelemetryConfig;

use common::time::{Clock, SystemClock};
use emf::Emf;
use logs::JsonLines;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Why telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A setting is wrong; every fault is in it, one a line.
    #[error("{0}")]
    Config(String),
    /// The exporter of spans could not be made.
    #[error("spans cannot be exported: {0}")]
    Spans(String),
    /// Logging has begun already in this process.
    #[error("telemetry runs already in this process")]
    Twice,
    /// No thread for the metrics.
    #[error("no thread for metrics: {0}")]
    Thread(#[from] std::io::Error),
}

/// Where whole lines go. Each call is one line, or several, and ends with a newline.
pub(crate) type Lines = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Telemetry of a process, until [`Telemetry::shutdown`].
#[derive(Debug)]
pub struct Telemetry {
    emf: Option<(Sender<()>, JoinHandle<()>)>,
    spans: Option<SdkTracerProvider>,
}

/// Begins logging, metrics and traces for this process, called once.
///
/// # Errors
/// Settings that can't be, all at once; or that it has begun already.
pub fn init(config: &TelemetryConfig, service: &'static str) -> Result<Telemetry, TelemetryError> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(TelemetryError::Config(faults.join("\n")));
    }
    let lines: Lines = Arc::new(to_stdout);
    let filter = EnvFilter::try_new(&config.log).map_err(|e| TelemetryError::Config(e.to_string()))?;
    let logs = JsonLines::new(service, Arc::clone(&lines)).with_filter(filter);
    let spans = otlp::provider(config, service)?;
    let registry = Registry::default().with(logs).with(spans.as_ref().map(otlp::layer));
    tracing::subscriber::set_global_default(registry).map_err(|_| TelemetryError::Twice)?;
    if spans.is_some() {
        otlp::install(config.trace_batches_one_in);
    }
    crate::process::read();
    let every = Duration::from_secs(config.metrics_emf_every_s.into());
    let emf = (!every.is_zero()).then(|| start_emf(service, every, lines)).transpose()?;
    Ok(Telemetry { emf, spans })
}

impl Telemetry {
    /// Every metric in Prometheus' text format.
    #[must_use]
    pub fn prometheus(&self) -> String {
        crate::prometheus()
    }

    /// Sends what is left: the last metrics, the spans that wait. It blocks for a few seconds at most, when the collector
    /// does not answer.
    pub fn shutdown(self) {
        if let Some((stop, thread)) = self.emf {
            drop(stop);
            let _ = thread.join();
        }
        if let Some(spans) = self.spans
            && let Err(error) = spans.shutdown_with_timeout(otlp::SHUTDOWN_WITHIN)
        {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// One write for one line, so that lines of several threads do not mix. Nobody can be told when standard output fails.
fn to_stdout(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

fn start_emf(
    service: &'static str,
    every: Duration,
    lines: Lines,
) -> std::io::Result<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = channel::<()>();
    let body = move || {
        let mut emf = Emf::new(service);
        loop {
            let last = stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout);
            crate::process::read();
            let text = emf.lines(crate::metrics::ALL, now_ms());
            if !text.is_empty() {
                lines(text.as_bytes());
            }
            if last {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("emf".to_owned()).spawn(body)?;
    Ok((stop, thread))
}

/// Milliseconds since 1970, by the wall clock.
fn now_ms() -> i64 {
    SystemClock::default().now().0
}
