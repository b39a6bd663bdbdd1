//! The stand-in gateways as a second process of their own, so that their CPU is not counted as ours.

use anyhow::{Context, bail};
use loadtest::gateways::GatewayInfo;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Running gateways. They end when this is dropped, or when this process dies: their standard input closes.
#[derive(Debug)]
pub(crate) struct GatewayProcess {
    child: Child,
    pub(crate) info: GatewayInfo,
}

impl GatewayProcess {
    /// Starts this same program as `owl gateways` and waits until it listens.
    pub(crate) fn start(dir: &Path, flags: &[String]) -> anyhow::Result<Self> {
        let me = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(me)
            .args(["gateways", "--exit-on-stdin-close", "--dir"])
            .arg(dir)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the gateways' process")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the gateways' process has no output")?;
        BufReader::new(stdout).read_line(&mut line).context("cannot read from the gateways' process")?;
        match serde_json::from_str(&line) {
            Ok(info) => Ok(Self { child, info }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                bail!("the gateways did not start; `owl gateways` shows why")
            }
        }
    }
}

impl GatewayProcess {
    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
