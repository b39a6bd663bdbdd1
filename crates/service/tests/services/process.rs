//! A service's process: its binary, its log lines, its end.

use super::http::{self, Reply};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes longer than this, on a slow machine either.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// The services promise to have ended by then (ECS kills after 30 s).
pub(super) const END_WITHIN: Duration = Duration::from_secs(25);

/// Builds what [`binary`] looks for.
const BUILD: &str = "cargo build -p api -p interim-worker -p push-worker -p owl --bins \
                     --features api/aws,interim-worker/aws,push-worker/aws";

/// A binary beside this test's own.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing; build it first: {BUILD}", path.display());
    path
}

/// A command that sees nothing of this process's own settings.
pub(super) fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    let ours = |name: &str| name.starts_with("OWL_") || name.starts_with("AWS_") || name.starts_with("ECS_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Looks again and again until it is so; fails after [`PATIENCE`].
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running service. Killed when it is dropped.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    reader: Option<std::thread::JoinHandle<()>>,
    pub(super) address: String,
    /// From its start until it listened.
    pub(super) listened_after: Duration,
}

impl Service {
    /// Starts it, and waits until it listens.
    pub(super) fn start(name: &'static str, config: &Path, env: &[(&str, &str)]) -> Self {
        let began = Instant::now();
        let mut command = command(name);
        command.arg("--config").arg(config).envs(env.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stdout, into) = (child.stdout.take().unwrap(), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                into.lock().unwrap().push(line);
            }
        });
        let reader = Some(reader);
        let mut service =
            Self { name, child, lines, reader, address: String::new(), listened_after: Duration::ZERO };
        wait_until("a service that listens", || {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none(), "{name} ended with {ended:?}: {:#?}", service.lines());
            service.address = service
                .said("listening")
                .map_or_else(String::new, |l| l["address"].as_str().unwrap_or_default().to_owned());
            !service.address.is_empty()
        });
        service.listened_after = began.elapsed();
        service
    }

    /// Its log lines so far.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// The first log line with this message.
    pub(super) fn said(&self, message: &str) -> Option<Value> {
        self.lines.lock().unwrap().iter().find(|l| l["message"] == message).cloned()
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        http::get(&self.address, path)
    }

    /// Waits until it is ready.
    pub(super) fn ready(&self) {
        let mut last = None;
        let began = Instant::now();
        while last.as_ref().is_none_or(|r: &Reply| r.status != 200) {
            assert!(began.elapsed() < PATIENCE, "{} does not become ready: {last:?}", self.name);
            std::thread::sleep(Duration::from_millis(20));
            last = Some(self.get("/readyz"));
        }
    }

    /// Waits until it is not ready, for a reason with this in it.
    pub(super) fn unready(&self, why: &str) {
        wait_until(why, || {
            let reply = self.get("/readyz");
            reply.status == 503 && reply.body.to_string().contains(why)
        });
    }

    pub(super) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end; answers the exit status and what it logged.
    pub(super) fn wait(mut self) -> (Option<i32>, Vec<Value>) {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => {
                    assert!(began.elapsed() < END_WITHIN, "{} does not end: {:#?}", self.name, self.lines());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.reader.take().unwrap().join().unwrap();
        (status.code(), self.lines())
    }

    /// SIGTERM, and then [`Service::wait`].
    pub(super) fn terminate(self) -> (Option<i32>, Vec<Value>) {
        self.signal("-TERM");
        self.wait()
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Resident memory, in MB.
    pub(super) fn rss_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:").map(str::to_owned));
        let kb = line.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok());
        kb.unwrap_or(0) / 1024
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let lines = self.lines();
            let from = lines.len().saturating_sub(30);
            for line in &lines[from..] {
                eprintln!("{}: {line}", self.name);
            }
        }
    }
}
