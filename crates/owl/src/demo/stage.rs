//! What the demo presses on: all roles in this process, or in a process of their own that is killed in mid-blast.

use crate::process;
use crate::up::{self, Config, Running};
use anyhow::{Context, bail};
use common::access::Token;
use loadtest::gateways::GatewayInfo;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// All roles, running somewhere.
pub(crate) enum Stage {
    /// In this process.
    Here(Box<Running>),
    /// In a process of its own.
    Apart(Box<Apart>),
}

impl Stage {
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Here(running) => format!("http://{}", running.address),
            Self::Apart(apart) => apart.url.clone(),
        }
    }

    /// Processor time of ours so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        match self {
            Self::Here(_) => process::cpu_seconds(None),
            Self::Apart(apart) => apart.ended_cpu_seconds.get() + process::cpu_seconds(Some(apart.pid())),
        }
    }

    /// The most memory that was held, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        match self {
            Self::Here(_) => process::peak_rss_bytes(None),
            Self::Apart(apart) => process::peak_rss_bytes(Some(apart.pid())),
        }
    }

    /// Its data, when nothing sends any more.
    pub(crate) fn into_running(self) -> anyhow::Result<Running> {
        match self {
            Self::Here(running) => Ok(*running),
            Self::Apart(apart) => apart.into_running(),
        }
    }
}

/// `owl up` as a child. It ends with this, or with this process: its standard input closes.
pub(crate) struct Apart {
    child: RefCell<Child>,
    url: String,
    config: Config,
    stand_ins: PathBuf,
    token: Token,
    ended_cpu_seconds: Cell<f64>,
}

impl Apart {
    /// Starts it, with gateways that this file tells of.
    pub(crate) fn start(
        info: &GatewayInfo,
        scratch: &Path,
        data_dir: &Path,
        token: &Token,
    ) -> anyhow::Result<Self> {
        let config = Config::for_stand_ins(info, data_dir, token)?;
        let stand_ins = scratch.join("stand-ins.json");
        std::fs::write(&stand_ins, serde_json::to_vec(info)?).context("cannot write the gateways' file")?;
        let (child, url) = up(&stand_ins, data_dir, "127.0.0.1:0", token)?;
        let (child, ended_cpu_seconds) = (RefCell::new(child), Cell::new(0.0));
        Ok(Self { child, url, config, stand_ins, token: token.clone(), ended_cpu_seconds })
    }

    fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// `kill -9`, and starts it again at the same address.
    pub(crate) fn kill_and_start_again(&self) -> anyhow::Result<()> {
        self.ended_cpu_seconds.set(self.ended_cpu_seconds.get() + process::cpu_seconds(Some(self.pid())));
        end(&mut self.child.borrow_mut());
        let listen = self.url.trim_start_matches("http://");
        let (child, _) = up(&self.stand_ins, &self.config.data_dir, listen, &self.token)?;
        end(&mut self.child.replace(child));
        Ok(())
    }

    /// Kills it for good; what it left is all there is.
    fn into_running(self) -> anyhow::Result<Running> {
        end(&mut self.child.borrow_mut());
        up::start(&self.config)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        end(&mut self.child.borrow_mut());
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts `owl up` and waits until it listens. Answers where.
fn up(stand_ins: &Path, data_dir: &Path, listen: &str, token: &Token) -> anyhow::Result<(Child, String)> {
    let me = std::env::current_exe().context("cannot find this program's own file")?;
    let mut child = Command::new(me)
        .args(["up", "--json", "--exit-on-stdin-close", "--listen", listen, "--stand-ins"])
        .arg(stand_ins)
        .arg("--data-dir")
        .arg(data_dir)
        .env("OWL_ADMIN_TOKEN", token.expose())
        .env("RUST_LOG", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `owl up`")?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    match said.get("listening").and_then(Value::as_str) {
        Some(url) => Ok((child, url.to_owned())),
        None => {
            end(&mut child);
            bail!("`owl up` did not start; try it by hand with --data-dir {}", data_dir.display())
        }
    }
}
