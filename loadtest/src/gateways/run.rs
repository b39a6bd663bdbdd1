//! Starting, serving and ending.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::server::{Listeners, spawn};
use super::shared::Shared;
use super::{GatewayArgs, GatewayError, GatewayInfo, keys, profile};

/// Name of the file that describes the gateways.
const DESCRIPTION: &str = "gateways.json";

/// Gateways that serve, on threads of their own. They end with [`Running::stop`] or when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where they listen, and what they take.
    pub info: GatewayInfo,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    /// Removed when dropped.
    _dir: Option<TempDir>,
}

impl Running {
    /// Waits until the gateways end, which they do by themselves only if a listener fails.
    pub async fn wait(self) -> Result<(), GatewayError> {
        join(self.threads).await
    }

    /// Ends the gateways: connections are cut, and waiting requests are not answered.
    pub async fn stop(self) -> Result<(), GatewayError> {
        self.stop.send_replace(true);
        join(self.threads).await
    }
}

async fn join(threads: Vec<JoinHandle<()>>) -> Result<(), GatewayError> {
    let wait = || threads.into_iter().try_for_each(JoinHandle::join);
    let panicked = || GatewayError::Thread(std::io::Error::other("a gateway thread panicked"));
    match tokio::task::spawn_blocking(wait).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(panicked()),
    }
}

/// Takes the keys and, where none are given and they are free, the ports that an earlier run left in the directory, or makes
/// new ones; binds the listeners, and serves on threads of its own.
pub async fn start(args: GatewayArgs) -> Result<Running, GatewayError> {
    let behaviour = args.effective_behaviour()?;
    behaviour.check().map_err(GatewayError::Setting)?;
    let (dir, temporary) = directory(args.dir.as_deref())?;
    let before = described(&dir);
    let was_at = |address: fn(&GatewayInfo) -> &str| {
        let (_, port) = address(before.as_ref()?).rsplit_once(':')?;
        port.parse().ok()
    };
    let [apns, fcm, admin] = args.addresses();
    let (apns, apns_address) = bind(apns, was_at(|info| &info.apns)).await?;
    let (fcm, fcm_address) = bind(fcm, was_at(|info| &info.fcm)).await?;
    let (admin, admin_address) = bind(admin, was_at(|info| &info.admin)).await?;
    let admin_url = format!("http://{}", args.authority(admin_address));
    let names = args.names();
    let info = GatewayInfo {
        apns: args.authority(apns_address),
        fcm: args.authority(fcm_address),
        ca_file: dir.join("ca.pem"),
        server_name: args.host.unwrap_or_else(|| keys::SERVER_NAME.to_owned()),
        apns_key_file: dir.join("apns-key.p8"),
        apns_key_id: keys::APNS_KEY_ID.to_owned(),
        apns_team_id: keys::APNS_TEAM_ID.to_owned(),
        apns_topic: args.apns_topic,
        fcm_service_account_file: dir.join("fcm-service-account.json"),
        fcm_project: args.fcm_project,
        mode: args.mode,
        token_uri: format!("{admin_url}/token"),
        admin: admin_url,
    };
    let keys = keys::keep_or_make(&info, &names, before.is_some())?;
    keys::write(&dir.join(DESCRIPTION), &serde_json::to_vec_pretty(&info)?, 0o644)?;
    let shared = Arc::new(Shared::new(info.clone(), keys.public, behaviour));
    let stop = watch::Sender::new(false);
    let listeners = Listeners { apns, fcm, admin };
    let threads = spawn(&shared, &keys.tls, listeners, args.threads, &stop.subscribe())?;
    Ok(Running { info, stop, threads, _dir: temporary })
}

/// Serves until ctrl-c, SIGTERM or (if asked for) the end of standard input; prints [`GatewayInfo`] as one line of
/// JSON on standard output once everything listens.
pub fn run_blocking(args: GatewayArgs) -> Result<(), GatewayError> {
    if args.profile.print_profile {
        let behaviour = args.effective_behaviour()?;
        behaviour.check().map_err(GatewayError::Setting)?;
        return print_line(profile::print(&behaviour).trim_end());
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(GatewayError::Thread)?;
    runtime.block_on(async {
        let watch_stdin = args.exit_on_stdin_close;
        let mut terminate = signal(SignalKind::terminate()).map_err(GatewayError::Thread)?;
        let running = start(args).await?;
        print_line(&serde_json::to_string(&running.info)?)?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = stdin_closed(), if watch_stdin => {}
        }
        running.stop().await
    })
}

fn print_line(line: &str) -> Result<(), GatewayError> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    written.map_err(|source| GatewayError::Write { path: PathBuf::from("standard output"), source })
}

/// Waits for the end of standard input, on a thread that may outlive us: such a read cannot be called off.
pub async fn stdin_closed() {
    let (sender, closed) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while matches!(std::io::stdin().read(&mut buffer), Ok(1..)) {}
        drop(sender);
    });
    // The sender sends nothing: it is gone when the thread ends.
    let _ = closed.await;
}

/// What an earlier run wrote of itself.
fn described(dir: &Path) -> Option<GatewayInfo> {
    serde_json::from_slice(&std::fs::read(dir.join(DESCRIPTION)).ok()?).ok()
}

/// Listens; without a port where an earlier run did, if that is free.
async fn bind(
    address: SocketAddr,
    before: Option<u16>,
) -> Result<(std::net::TcpListener, SocketAddr), GatewayError> {
    let fail = |source| GatewayError::Listen { address, source };
    let again = match before.filter(|_| address.port() == 0) {
        Some(port) => TcpListener::bind((address.ip(), port)).await.ok(),
        None => None,
    };
    let listener = match again {
        Some(listener) => listener,
        None => TcpListener::bind(address).await.map_err(fail)?,
    };
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener.into_std().map_err(fail)?, bound))
}

fn directory(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), GatewayError> {
    match wanted {
        Some(dir) => {
            let fail = |source| GatewayError::Write { path: dir.to_owned(), source };
            std::fs::create_dir_all(dir).map_err(fail)?;
            Ok((std::path::absolute(dir).map_err(fail)?, None))
        }
        None => {
            let fail = |source| GatewayError::Write { path: std::env::temp_dir(), source };
            let dir = tempfile::Builder::new().prefix("owl-gateways-").tempdir().map_err(fail)?;
            Ok((dir.path().to_owned(), Some(dir)))
        }
    }
}
