//! The stand-in gateways: a process of their own, on a core of their own.

use crate::meter;
use crate::plain;
use anyhow::{Context, Result};
use clap::Args;
use loadtest::gateways::{GatewayArgs, GatewayInfo, ServerKind, run_blocking};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where a2 goes.
pub const APNS_HOST: &str = "api.push.apple.com";
/// Where fcm_v1 is led.
pub const PLAIN_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// HTTPS.
const PORT: u16 = 443;
/// Round trip of the HTTP/1.1 stand-in, as in the row that it answers in.
const PLAIN_ROUND_TRIP: Duration = Duration::from_millis(30);

/// What the process is told.
#[derive(Args, Clone, Debug)]
pub struct StandInArgs {
    /// Where to write the CA and the keys.
    #[arg(long)]
    dir: PathBuf,
    /// Core to run on.
    #[arg(long)]
    core: Option<usize>,
    /// Listen where senders with fixed hosts are led.
    #[arg(long)]
    private: bool,
}

/// Serves until standard input closes.
pub fn serve(args: &StandInArgs) -> Result<()> {
    meter::pin(args.core)?;
    let mut gateways = GatewayArgs {
        dir: Some(args.dir.clone()),
        mode: ServerKind::Sink,
        exit_on_stdin_close: true,
        certificate_names: vec![APNS_HOST.to_owned()],
        ..GatewayArgs::default()
    };
    gateways.behaviour.apns_streams_until_proven = 1_000;
    if args.private {
        gateways.apns_listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        plain::serve(SocketAddr::from((PLAIN_ADDRESS, PORT)), &args.dir, PLAIN_ROUND_TRIP)?;
    }
    Ok(run_blocking(gateways)?)
}

/// The running process. It ends when this is dropped.
pub struct StandIns {
    child: Child,
    /// What they say about themselves.
    pub info: GatewayInfo,
    /// Where they wrote it.
    pub info_file: PathBuf,
    dir: PathBuf,
}

impl StandIns {
    /// Starts this program anew as the stand-ins.
    pub fn start(dir: &Path, core: Option<usize>, private: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("stand-in").arg("--dir").arg(dir);
        if let Some(core) = core {
            command.args(["--core", &core.to_string()]);
        }
        if private {
            command.arg("--private");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the stand-ins have no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let info = serde_json::from_str(&line).context("the stand-ins did not start")?;
        Ok(Self { child, info, info_file: dir.join("gateways.json"), dir: dir.to_owned() })
    }

    /// The CA of the HTTP/1.1 one.
    pub fn plain_ca_file(&self) -> PathBuf {
        self.dir.join(plain::CA_FILE)
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
