//! Starting and ending the real programs, and asking them things.

use loadtest::gateways::GatewayInfo;
use loadtest::gateways::journal::{Journal, Summary};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a test waits for takes longer than this, on a slow machine either.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The token of the tests' administrator, who stands in no table.
const ADMIN: &str = "owl_0ad41000_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The program, with an administrator's token on both sides.
pub(super) fn owl() -> Command {
    as_administrator(stranger())
}

/// With an administrator's token on both sides.
fn as_administrator(mut command: Command) -> Command {
    command.env("OWL_TOKEN", ADMIN).env("OWL_ADMIN_TOKEN", ADMIN);
    command
}

/// The program, started by another one with these arguments.
pub(super) fn owl_by(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).arg(env!("CARGO_BIN_EXE_owl")).env("OWL_LOG", "warn");
    as_administrator(command)
}

/// The program as somebody runs it who has no token yet, and no file of one either.
pub(super) fn stranger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_owl"));
    for name in ["OWL_SERVER", "OWL_TOKEN", "OWL_ADMIN_TOKEN"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent").env("OWL_LOG", "warn");
    command
}

/// A running program that ends with the test. Its standard input closes when the test dies.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) first: Value,
}

impl Process {
    /// Starts it and waits for its first line, which is JSON.
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first = serde_json::from_str(&line).unwrap_or_else(|e| panic!("no JSON at start: {e}: `{line}`"));
        Self { child, first }
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gateways in one process, a data directory, and `owl up` in another.
pub(super) struct Stage {
    pub(super) dir: tempfile::TempDir,
    pub(super) info: GatewayInfo,
    gateways: Option<Process>,
    up: Option<Process>,
}

impl Stage {
    pub(super) fn new(gateway_flags: &[&str]) -> Self {
        let mut stage = Self::of_gateways(gateway_flags);
        stage.up();
        stage
    }

    /// The gateways alone, as yet.
    pub(super) fn of_gateways(gateway_flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateways = Process::start(
            owl()
                .args(["gateways", "--exit-on-stdin-close", "--dir"])
                .arg(dir.path().join("gw"))
                .args(gateway_flags),
        );
        let info = serde_json::from_value(gateways.first.clone()).unwrap();
        Self { dir, info, gateways: Some(gateways), up: None }
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts `owl up` (again) on the same data.
    pub(super) fn up(&mut self) {
        self.up_by(owl());
    }

    /// The same, by a command that ends in the program.
    pub(super) fn up_by(&mut self, mut program: Command) {
        self.up = Some(Process::start(
            program
                .args(["--json", "up", "--listen", "127.0.0.1:0", "--data-dir"])
                .arg(self.data_dir())
                .arg("--stand-ins")
                .arg(self.dir.path().join("gw/gateways.json")),
        ));
    }

    pub(super) fn server(&self) -> String {
        self.up.as_ref().unwrap().first["listening"].as_str().unwrap().to_owned()
    }

    /// The gateways go away.
    pub(super) fn end_gateways(&mut self) {
        self.gateways.take().unwrap().kill();
    }

    pub(super) fn take_up(&mut self) -> Process {
        self.up.take().unwrap()
    }

    /// A file in the scratch directory.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs a command against this stage's server.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        owl().args(["--json", "--server", &self.server()]).args(args).output().unwrap()
    }

    /// Runs a command that must succeed; answers its JSON.
    pub(super) fn good(&self, args: &[&str]) -> Value {
        let out = self.run(args);
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(0), "owl {args:?}: {error}");
        serde_json::from_slice(&out.stdout).unwrap_or(Value::Null)
    }

    /// Runs a command that must succeed, without `--json`; answers its words.
    pub(super) fn words(&self, args: &[&str]) -> String {
        let out = owl().args(["--server", &self.server()]).args(args).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(0), "owl {args:?}: {error}");
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs a command that must fail with status 1; answers what it said.
    pub(super) fn bad(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "owl {args:?} should fail: {error}");
        assert!(error.starts_with("owl: ") && !error.contains("panicked"), "owl {args:?}: {error}");
        error
    }

    /// Devices and an audience of `users` people, imported, uploaded, armed as campaign `c`.
    pub(super) fn armed(&self, users: usize, create: &[&str]) {
        let devices = self.file("devices.csv", devices(users));
        let audience = self.file("users.csv", audience(users));
        self.good(&["devices", "import", devices.to_str().unwrap()]);
        self.good(&[&["campaign", "create", "--name", "c", "--title", "Hi"], create].concat());
        self.good(&["campaign", "upload", "c", audience.to_str().unwrap()]);
        self.good(&["campaign", "arm", "c", "--wait", "60s"]);
    }

    pub(super) fn state(&self) -> String {
        let status = self.good(&["campaign", "status", "c"]);
        status["campaign"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the campaign is in this state.
    pub(super) fn wait_for_state(&self, wanted: &str) {
        wait_until(wanted, || self.state() == wanted);
    }

    pub(super) fn summary(&self) -> Summary {
        serde_json::from_slice(&http_get(&self.info.admin, "/v1/journal/summary").1).unwrap()
    }

    pub(super) fn journal(&self) -> Journal {
        let (head, body) = http_get(&self.info.admin, "/v1/journal");
        let start = head.lines().find_map(|l| l.strip_prefix("x-journal-start-unix-ms: ")).unwrap();
        Journal::parse(&body, start.trim().parse().unwrap()).unwrap()
    }

    /// How the gateways behave.
    pub(super) fn behaviour(&self) -> Value {
        serde_json::from_slice(&http_get(&self.info.admin, "/v1/behaviour").1).unwrap()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.summary().accepted_devices
    }
}

/// Looks again and again until it is so; fails after [`PATIENCE`].
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn http_get(server: &str, path: &str) -> (String, Vec<u8>) {
    let authority = server.trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {authority}\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let cut = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&bytes[..cut]).to_lowercase();
    (head, bytes[cut + 4..].to_vec())
}

/// The token of a made-up user.
pub(super) fn token(user: usize) -> String {
    blake3::hash(&user.to_le_bytes()).to_hex().to_string()
}

pub(super) fn devices(users: usize) -> String {
    let line = |i| format!("u{i},apns,{},en,1700000000000\n", token(i));
    "user_id,platform,token,locale,registered_at\n".to_owned() + &(0..users).map(line).collect::<String>()
}

pub(super) fn audience(users: usize) -> String {
    "user_id\n".to_owned() + &(0..users).map(|i| format!("u{i}\n")).collect::<String>()
}

/// Whether `path` holds this text.
pub(super) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
