//! `owl up`: the API, the interim worker, the push worker, the snapshot builder and the reconciler, in one process on the
//! embedded backend. They meet at the ports only, as they do on AWS.

mod config;

pub(crate) use config::Config;

use crate::output;
use crate::output::outln;
use anyhow::{Context, bail};
use api::FirstAdministrator;
use audience::build::run_builder;
use clap::Args;
use common::ports::Backend;
use common::time::{Clock, SystemClock, UnixMs};
use control::Control;
use embedded::{Embedded, EmbeddedConfig};
use interim_worker::{InterimConfig, InterimWorker};
use push_worker::apns::{ApnsConfig, ApnsGateway};
use push_worker::fcm::{FcmConfig, FcmGateway};
use push_worker::gateway::Gateway;
use push_worker::{MakeGateways, PushConfig, PushWorker};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  owl up                                               no gateways: everything but sending
  owl gateways --dir gw & owl up --stand-ins gw/gateways.json
                                                       gateways that cannot reach a phone
  owl up --config owl.toml                             real gateways; docs/config.md has every key

It ends on Ctrl-C or SIGTERM, after what was begun is finished or given back.")]
pub(crate) struct UpArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is kept [default: owl-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the API listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Send to the stand-in gateways that `owl gateways --dir DIR` describes in DIR/gateways.json.
    #[arg(long, value_name = "FILE")]
    stand_ins: Option<PathBuf>,
    /// Survive power loss, not only `kill -9`: every acknowledged write is on the disk.
    #[arg(long)]
    fsync: bool,
    /// End when standard input closes, as it does when whoever started this dies.
    #[arg(long, hide = true)]
    exit_on_stdin_close: bool,
    /// Hold and open as much as it takes with gateways that answer after so many milliseconds.
    #[arg(long, hide = true, value_name = "MS")]
    round_trip_ms: Option<u64>,
    /// Connections of a lane to each gateway, whatever the configuration says.
    #[arg(long, hide = true, value_name = "N")]
    connections: Option<u16>,
    /// Messages a minute that may be sent to FCM, whatever the configuration says.
    #[arg(long, hide = true, value_name = "N")]
    fcm_quota_per_minute: Option<u64>,
}

impl UpArgs {
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = self.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        config.data_dir = self.data_dir.clone().unwrap_or(config.data_dir);
        config.listen = self.listen.unwrap_or(config.listen);
        config.fsync |= self.fsync;
        config.use_admin_token();
        if let Some(file) = &self.stand_ins {
            config.use_stand_ins(file)?;
        }
        let mut config = match self.round_trip_ms {
            Some(ms) => config.for_round_trip(std::time::Duration::from_millis(ms)),
            None => config,
        };
        if let Some(connections) = self.connections {
            config.apns.iter_mut().for_each(|apns| apns.connections = connections);
            config.fcm.iter_mut().for_each(|fcm| fcm.connections = connections);
        }
        if let Some(quota) = self.fcm_quota_per_minute {
            config.fcm.iter_mut().for_each(|fcm| fcm.quota_per_minute = Some(quota));
        }
        Ok(config)
    }
}

/// Runs until a signal.
pub(crate) fn run(args: &UpArgs, json: bool) -> anyhow::Result<bool> {
    let config = args.config()?;
    crate::logging::init(if json { crate::logging::Form::Json } else { crate::logging::Form::Text }, "info");
    let running = start(&config)?;
    let scheme = if config.access.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", running.address);
    let code = running.first_administrator()?;
    if json {
        let first = code.map(|code| json!({ "link": format!("{url}/sign-in#first={code}"), "code": code }));
        output::json(
            &json!({ "listening": url, "data_dir": config.data_dir, "first_administrator": first }),
        )?;
    } else {
        outln!("owl is up: {url} (data in {})", config.data_dir.display());
        if let Some(code) = code {
            outln!("nobody administers it yet. Within a day, and once, open");
            outln!("  {url}/sign-in#first={code}");
            outln!("or type");
            outln!("  owl login {url} {code}");
        }
        if config.apns.is_none() && config.fcm.is_none() {
            outln!(
                "no gateway is configured, so nothing can be sent: give --stand-ins FILE or --config FILE"
            );
        }
    }
    running.block_on(async {
        tokio::select! {
            got = signal() => got,
            () = loadtest::gateways::stdin_closed(), if args.exit_on_stdin_close => Ok(()),
        }
    })?;
    tracing::info!("draining");
    running.stop();
    Ok(true)
}

async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        _ = term.recv() => {}
        done = tokio::signal::ctrl_c() => done.context("cannot listen for signals")?,
    }
    Ok(())
}

/// All roles, running.
pub(crate) struct Running {
    /// Where the API listens.
    pub(crate) address: SocketAddr,
    runtime: Runtime,
    access: FirstAdministrator,
    embedded: Embedded,
    control: Arc<Control>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// The ports.
    pub(crate) fn backend(&self) -> &Backend {
        &self.embedded.backend
    }

    /// A one-time code, where nobody could administer this installation.
    fn first_administrator(&self) -> anyhow::Result<Option<String>> {
        Ok(self.runtime.block_on(self.access.code())?)
    }

    /// Waits for something on the process's runtime.
    pub(crate) fn block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Stops receiving, finishes or gives back, flushes, ends.
    pub(crate) fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.runtime.block_on(async {
            self.tasks.wait().await;
            self.control.flush_audit().await;
        });
        self.runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        self.embedded.close();
    }
}

/// Starts all roles.
pub(crate) fn start(config: &Config) -> anyhow::Result<Running> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let make_gateways = gateways(config, &clock)?;
    let settings = EmbeddedConfig { fsync: config.fsync, ..EmbeddedConfig::new(&config.data_dir) };
    let embedded = embedded::open(settings, Arc::clone(&clock))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("owl")
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let backend = embedded.backend.clone();
    runtime.block_on(forget_dead_workers(&backend));
    let control = Control::new(backend.clone(), Arc::clone(&clock));
    let served = runtime.block_on(api::serve(Arc::clone(&control), api_config(config), shutdown.clone()))?;
    let _inside = runtime.enter();
    let api::Served { addr: address, handle, access } = served;
    tasks.spawn(async move { drop(handle.await) });
    tasks.spawn(Arc::clone(&control).run_reconciler(shutdown.clone()));
    let notes = control.notes_builds();
    tasks.spawn(run_builder(backend.clone(), Arc::clone(&clock), notes, shutdown.clone()));
    let interim = InterimWorker::new(backend.clone(), Arc::clone(&clock), InterimConfig::default());
    tasks.spawn(Arc::new(interim).run(shutdown.clone()));
    let push = PushConfig::default();
    let push = PushConfig {
        lanes: config.lanes.unwrap_or(push.lanes),
        devices_in_flight: config.devices_in_flight.unwrap_or(push.devices_in_flight),
        ..push
    };
    let push = PushWorker::new(backend, clock, push, make_gateways);
    tasks.spawn(Arc::new(push).run(shutdown.clone()));
    Ok(Running { address, runtime, access, embedded, control, shutdown, tasks })
}

/// The directory is this process's alone: whoever has a row in the fleet is dead, and must not count as ready.
async fn forget_dead_workers(backend: &Backend) {
    for row in backend.fleet.workers(UnixMs(0)).await.unwrap_or_default() {
        if let Err(error) = backend.fleet.leave(row.worker).await {
            tracing::warn!(%error, worker = %row.worker, "a dead worker's row is still there");
        }
    }
}

fn api_config(config: &Config) -> api::ApiConfig {
    api::ApiConfig {
        listen: config.listen,
        allow_public: config.allow_public,
        allowed_hosts: config.allowed_hosts.clone(),
        access: config.access.clone(),
        webhooks: config.webhooks.unwrap_or(api::WebhookConfig {
            // Behind a proxy, people from elsewhere would reach what listens here.
            allow_loopback: config.listen.ip().is_loopback()
                && config.access.trusted_proxies.is_empty()
                && config.allowed_hosts.is_empty(),
            ..api::WebhookConfig::default()
        }),
        press_hold_ms: config.press_hold_ms,
        ..api::ApiConfig::default()
    }
}

/// Checks the gateways' configuration now, so that every fault is reported at once; lanes make their own from it.
fn gateways(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<MakeGateways> {
    let apns = config.apns.as_ref().map(ApnsConfig::check).transpose();
    let fcm = config.fcm.as_ref().map(FcmConfig::check).transpose();
    let (apns, fcm) = match (apns, fcm) {
        (Ok(apns), Ok(fcm)) => (apns.map(Arc::new), fcm.map(Arc::new)),
        (apns, fcm) => {
            let faults = [apns.err().map(|e| e.to_string()), fcm.err().map(|e| e.to_string())];
            bail!("{}", faults.into_iter().flatten().collect::<Vec<_>>().join("\n"));
        }
    };
    let clock = Arc::clone(clock);
    Ok(Arc::new(move || {
        let apns = apns
            .clone()
            .map(|setup| Box::new(ApnsGateway::new(setup, Arc::clone(&clock))) as Box<dyn Gateway>);
        let fcm =
            fcm.clone().map(|setup| Box::new(FcmGateway::new(setup, Arc::clone(&clock))) as Box<dyn Gateway>);
        apns.into_iter().chain(fcm).collect()
    }))
}
