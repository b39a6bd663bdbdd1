//! What is pressed on: all roles in this process, or in a process of their own that is killed, ended or held in mid-blast.

use crate::process;
use crate::up::{self, Config, Running};
use anyhow::{Context, bail, ensure};
use common::access::Token;
use loadtest::gateways::GatewayInfo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Time for `owl up` to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Time for `owl up` to drain and end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

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
            Self::Apart(apart) => apart.cpu_seconds(),
        }
    }

    /// The most memory that was held, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        match self {
            Self::Here(_) => process::peak_rss_bytes(None),
            Self::Apart(apart) => apart.peak_rss_bytes(),
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
    flags: Vec<String>,
    token: Token,
    ended_cpu_seconds: Cell<f64>,
    ended_peak_rss_bytes: Cell<u64>,
}

impl Apart {
    /// Starts it, with these gateways and further flags of `owl up`.
    pub(crate) fn start(
        info: &GatewayInfo,
        scratch: &Path,
        data_dir: &Path,
        token: &Token,
        flags: Vec<String>,
    ) -> anyhow::Result<Self> {
        let config = Config::for_stand_ins(info, data_dir, token)?;
        let stand_ins = scratch.join("stand-ins.json");
        std::fs::write(&stand_ins, serde_json::to_vec(info)?).context("cannot write the gateways' file")?;
        let (child, url) = up(&stand_ins, data_dir, "127.0.0.1:0", token, &flags)?;
        let (child, ended_cpu_seconds) = (RefCell::new(child), Cell::new(0.0));
        let (token, ended_peak_rss_bytes) = (token.clone(), Cell::new(0));
        Ok(Self { child, url, config, stand_ins, flags, token, ended_cpu_seconds, ended_peak_rss_bytes })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Processor time so far, in seconds, of those that have ended too.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.ended_cpu_seconds.get() + self.used().0
    }

    /// The most memory that was held, in bytes.
    pub(crate) fn peak_rss_bytes(&self) -> u64 {
        self.ended_peak_rss_bytes.get().max(self.used().1)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no such process")?;
        kill_process(pid, signal).context("cannot signal the process with all roles")
    }

    /// `kill -9`, and starts it again at the same address.
    pub(crate) fn kill_and_start_again(&self) -> anyhow::Result<()> {
        let used = self.used();
        self.signal(Signal::KILL)?;
        self.start_again(used)
    }

    /// SIGTERM, waits until it has drained and ended, and starts it again at the same address.
    pub(crate) fn end_and_start_again(&self) -> anyhow::Result<()> {
        let mut used = self.used();
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        while self.child.borrow_mut().try_wait()?.is_none() {
            let within = ENDS_WITHIN.as_secs();
            ensure!(began.elapsed() < ENDS_WITHIN, "it did not end within {within} s of SIGTERM");
            // While it is torn down, what it was is read less and less.
            let now = self.used();
            used = (used.0.max(now.0), used.1.max(now.1));
            std::thread::sleep(LOOK);
        }
        self.start_again(used)
    }

    /// Processor time and the most memory of the process that runs now.
    fn used(&self) -> (f64, u64) {
        (process::cpu_seconds(Some(self.pid())), process::peak_rss_bytes(Some(self.pid())))
    }

    fn start_again(&self, (cpu_seconds, peak_rss_bytes): (f64, u64)) -> anyhow::Result<()> {
        self.ended_cpu_seconds.set(self.ended_cpu_seconds.get() + cpu_seconds);
        self.ended_peak_rss_bytes.set(self.ended_peak_rss_bytes.get().max(peak_rss_bytes));
        end(&mut self.child.borrow_mut());
        let listen = self.url.trim_start_matches("http://");
        let (child, _) = up(&self.stand_ins, &self.config.data_dir, listen, &self.token, &self.flags)?;
        end(&mut self.child.replace(child));
        Ok(())
    }

    /// Kills it for good; what it left is all there is.
    pub(crate) fn into_running(self) -> anyhow::Result<Running> {
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
fn up(
    stand_ins: &Path,
    data_dir: &Path,
    listen: &str,
    token: &Token,
    flags: &[String],
) -> anyhow::Result<(Child, String)> {
    let me = std::env::current_exe().context("cannot find this program's own file")?;
    let mut child = Command::new(me)
        .args(["up", "--json", "--exit-on-stdin-close", "--listen", listen, "--stand-ins"])
        .arg(stand_ins)
        .arg("--data-dir")
        .arg(data_dir)
        .args(flags)
        .env("OWL_ADMIN_TOKEN", token.expose())
        .env("OWL_LOG", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `owl up`")?;
    let line = child.stdout.take().map(first_line).unwrap_or_default();
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    match said.get("listening").and_then(Value::as_str) {
        Some(url) => Ok((child, url.to_owned())),
        None => {
            end(&mut child);
            bail!(
                "`owl up` did not start within {} s; try it by hand with --data-dir {}",
                STARTS_WITHIN.as_secs(),
                data_dir.display()
            )
        }
    }
}

/// What it says first; nothing when that takes too long.
fn first_line(stdout: ChildStdout) -> String {
    let (said, heard) = mpsc::channel();
    // It ends with the child, at the latest.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // Nobody hears it any more when it was too late.
        let _ = said.send(read.map(|_| line).unwrap_or_default());
    });
    heard.recv_timeout(STARTS_WITHIN).unwrap_or_default()
}
