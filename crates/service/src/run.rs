//! From the command line to the exit status: the same for every service.

use crate::args::{About, Args};
use crate::config::{self, Fault, Settings, Sources};
use crate::health;
use crate::ready::Readiness;
use crate::stop::{self, DRAIN_WITHIN, FLUSH_WITHIN, Stop};
use anyhow::Context as _;
use aws::Aws;
use common::time::{Clock, SystemClock};
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Exit status for a configuration that can't be.
const STATUS_CONFIG: u8 = 2;

/// What a service gets to work with.
pub struct Context<S> {
    /// Its configuration, checked.
    pub settings: Arc<S>,
    /// The ports on AWS.
    pub aws: Aws,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the service is to end.
    pub shutdown: CancellationToken,
    /// What its health listener says.
    pub readiness: Readiness,
    stop: Stop,
    tasks: TaskTracker,
    at_end: Mutex<Vec<BoxFuture<'static, ()>>>,
}

impl<S> std::fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<S> Context<S> {
    /// Starts a task that the service can't do without: when it ends before `shutdown`, or panics, so does the service,
    /// with status 1. On shutdown it is waited for.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.stop.clone().watch(name, task));
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` until the very end, so that a drain can be watched.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub async fn serve_health(&self, address: SocketAddr) -> std::io::Result<()> {
        let (address, serve) = health::listen(address, self.readiness.clone(), crate::metrics()).await?;
        tracing::info!(%address, "listening");
        tokio::spawn(serve);
        Ok(())
    }

    /// Awaited after all tasks have ended, within the time for flushing.
    pub fn at_end(&self, last: impl Future<Output = ()> + Send + 'static) {
        self.at_end.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(last));
    }
}

/// The whole of a service: reads the configuration, opens AWS, starts what `start` starts, and ends by a signal within
/// the time that ECS gives. Exit status: 0 ended as asked, 1 failed, 2 wrong flags or configuration; 130 and 143 after a
/// second signal.
pub fn run<S: Settings>(
    about: &About,
    start: impl AsyncFnOnce(&Context<S>) -> anyhow::Result<()>,
) -> ExitCode {
    let args = Args::parse_for(about);
    let settings = match settings::<S>(&args) {
        Ok(settings) => settings,
        Err(faults) => {
            for fault in &faults {
                eprintln!("{}: {fault}", about.name);
            }
            return ExitCode::from(STATUS_CONFIG);
        }
    };
    if args.check_config {
        println!("{}: the configuration is good", about.name);
        return ExitCode::SUCCESS;
    }
    match begin(about, settings, start) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{}: {error:#}", about.name);
            ExitCode::FAILURE
        }
    }
}

fn settings<S: Settings>(args: &Args) -> Result<S, Vec<Fault>> {
    let mut sources = Sources::of_process(args.config.as_deref()).map_err(|fault| vec![fault])?;
    sources.flags = args.settings();
    config::load(sources)
}

fn begin<S: Settings>(
    about: &About,
    settings: S,
    start: impl AsyncFnOnce(&Context<S>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::init(settings.telemetry(), about.name).context("cannot begin telemetry")?;
    stop::log_panics();
    let effective = serde_json::to_string(&settings).context("cannot show the configuration")?;
    tracing::info!(service = about.name, version = env!("CARGO_PKG_VERSION"), config = effective, "starting");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("owl")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let failed = runtime.block_on(live(settings, start));
    // What still runs in blocking threads is nothing that must be waited for.
    runtime.shutdown_background();
    let status = match &failed {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the service can't start");
            ExitCode::FAILURE
        }
    };
    tracing::info!(service = about.name, "ended");
    telemetry.shutdown();
    Ok(status)
}

/// Answers whether something broke.
async fn live<S: Settings>(
    settings: S,
    start: impl AsyncFnOnce(&Context<S>) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let stop = Stop::default();
    stop.on_signals().context("cannot listen for signals")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let opened = stop.token.run_until_cancelled(Box::pin(aws::open(settings.aws()))).await;
    let Some(opened) = opened else { return Ok(stop.has_failed()) };
    let context = Context {
        settings: Arc::new(settings),
        aws: opened.context("cannot reach AWS")?,
        clock,
        shutdown: stop.token.clone(),
        readiness: Readiness::new(stop.token.clone()),
        stop: stop.clone(),
        tasks: TaskTracker::new(),
        at_end: Mutex::default(),
    };
    let readiness = context.readiness.clone();
    telemetry::before_reading(move || {
        telemetry::metrics::READY.set((), i64::from(readiness.why_not().is_empty()));
    });
    if let Err(error) = start(&context).await {
        stop.fail();
        tracing::error!(error = format!("{error:#}"), "the service can't start");
    }
    stop.token.cancelled().await;
    drain(&context).await;
    Ok(stop.has_failed())
}

async fn drain<S>(context: &Context<S>) {
    context.tasks.close();
    if tokio::time::timeout(DRAIN_WITHIN, context.tasks.wait()).await.is_err() {
        tracing::error!(tasks = context.tasks.len(), "not everything has ended in time; it is left behind");
        context.stop.fail();
    }
    let last = std::mem::take(&mut *context.at_end.lock().unwrap_or_else(PoisonError::into_inner));
    if tokio::time::timeout(FLUSH_WITHIN, futures::future::join_all(last)).await.is_err() {
        tracing::error!("not everything could be flushed in time");
        context.stop.fail();
    }
}
