//! Starts ministack, a stand-in AWS in one process, on a port that the system picks. It ends with whoever started it,
//! however that one ends: it reads its standard input, a pipe that nobody writes to, and goes when the pipe closes.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Runs ministack in this Python until standard input ends.
const RUN: &str = r#"
import os, runpy, signal, sys, threading
def watch():
    sys.stdin.buffer.read()
    threading.Timer(1, os._exit, (0,)).start()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=watch, daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"#;

/// It is ready in 1 s on an idle machine.
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Another process may take the port between our look and its bind.
const TRIES: usize = 3;

/// Why there is no stand-in.
#[derive(Debug, thiserror::Error)]
pub enum StandinError {
    /// `cargo xtask test` has not run yet.
    #[error("the stand-in AWS is not installed in {0}: run `cargo xtask test --only standins`")]
    Missing(PathBuf),
    /// It ended before it was ready, or never was.
    #[error("the stand-in AWS did not start: {0}; its output is in {1}")]
    NoStart(String, PathBuf),
    /// The system refused something.
    #[error("the stand-in AWS could not be started: {0}")]
    Io(#[from] io::Error),
    /// It runs, and refused to make what was asked for.
    #[error("the stand-in AWS could not be furnished: {0}")]
    Furnish(String),
}

/// A running ministack with SQS, S3 and DynamoDB. Dropped, it ends.
#[derive(Debug)]
pub struct Ministack {
    child: Child,
    endpoint: String,
}

impl Ministack {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When it is not installed, or does not start.
    pub fn start() -> Result<Self, StandinError> {
        let home = home();
        let python = home.join("bin/python");
        if !python.exists() {
            return Err(StandinError::Missing(home));
        }
        let mut tried = Self::start_once(&home, &python);
        for _ in 1..TRIES {
            if tried.is_ok() {
                break;
            }
            tried = Self::start_once(&home, &python);
        }
        tried
    }

    fn start_once(home: &Path, python: &Path) -> Result<Self, StandinError> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let run = home.join("run");
        std::fs::create_dir_all(&run)?;
        let output = run.join(format!("{port}.log"));
        let log = std::fs::File::create(&output)?;
        let child = Command::new(python)
            .args(["-c", RUN])
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("SERVICES", "sqs,s3,dynamodb")
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", &run)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut started = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        match started.wait_until_ready(port) {
            Ok(()) => Ok(started),
            Err(why) => Err(StandinError::NoStart(why, output)),
        }
    }

    fn wait_until_ready(&mut self, port: u16) -> Result<(), String> {
        let end = Instant::now() + START_MAX;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(format!("it was not ready after {} s", START_MAX.as_secs()))
    }

    /// Where it listens: what goes into `endpoint` of the configuration.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        // Whatever fails here, the process ends with its standard input.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The one that all tests of this process share.
///
/// # Errors
/// When it is not installed, or does not start; the same answer for everybody.
pub fn shared() -> Result<&'static Ministack, &'static StandinError> {
    static SHARED: OnceLock<Result<Ministack, StandinError>> = OnceLock::new();
    SHARED.get_or_init(Ministack::start).as_ref()
}

/// Where `cargo xtask test` installs it.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/ministack")
}
