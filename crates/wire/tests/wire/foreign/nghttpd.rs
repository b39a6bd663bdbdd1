//! nghttpd, the server of nghttp2: serves files, whatever the method, and prints each header that it reads.

use super::{Certificate, Expected, Foreign, Sightings};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tempfile::TempDir;

const NONE: &str = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1><hr>";
const FILE: &str = "a file's text";

struct Nghttpd {
    child: Child,
    reader: Option<JoinHandle<Sightings>>,
    _dir: TempDir,
}

impl Drop for Nghttpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nghttpd {
    fn sightings(mut self) -> Sightings {
        // It writes each line at once, so all are in the pipe by now.
        self.child.kill().unwrap();
        self.reader.take().unwrap().join().unwrap()
    }
}

/// It can't say which port the system gave it, so it is started on one that was free a moment ago, until that works.
fn start(certificate: Option<&Certificate>) -> Foreign {
    for _ in 0..20 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), FILE).unwrap();
        std::fs::write(dir.path().join("empty"), "").unwrap();
        let mut command = Command::new("nghttpd");
        command.args(["-v", "--color", "-a", "127.0.0.1", "-m", "200", "-d"]).arg(dir.path());
        if certificate.is_none() {
            command.arg("--no-tls");
        }
        command.arg(port.to_string());
        if let Some(certificate) = certificate {
            command.args(["key.pem", "cert.pem"].map(|file| certificate.path().join(file)));
        }
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("nghttpd is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let listens = lines.by_ref().any(|line| line.contains("listen"));
        let reader = Some(std::thread::spawn(move || sightings(lines)));
        let nghttpd = Nghttpd { child, reader, _dir: dir };
        if listens {
            let none = none(port);
            let expected = Box::new(move |n, _: &str, _| answer(n, &none));
            return Foreign { port, path, expected, stop: Box::new(|| nghttpd.sightings()) };
        }
    }
    panic!("no port is free");
}

/// `:path: /file?1f`, with colours around it.
fn sightings(lines: impl Iterator<Item = String>) -> Sightings {
    let mut seen = Sightings::new();
    for line in lines {
        let Some((_, path)) = line.split_once(":path") else { continue };
        let Some(at) = path.find('/') else { continue };
        *seen.entry(path[at..].trim_end().to_owned()).or_default() += 1;
    }
    seen
}

fn name(n: usize) -> &'static str {
    match n % 5 {
        0 => "none",
        1 => "empty",
        _ => "file",
    }
}

fn path(n: usize) -> String {
    format!("{}?{n:x}", name(n))
}

fn answer(n: usize, none: &str) -> Expected {
    let (status, body) = match name(n) {
        "none" => (404, none.to_owned()),
        "empty" => (200, String::new()),
        _ => (200, FILE.to_owned()),
    };
    Expected { status, headers: vec![("content-length", body.len().to_string())], body }
}

/// Its page for a file that is not there.
fn none(port: u16) -> String {
    let version = Command::new("nghttpd").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    format!("{NONE}<address>{} at port {port}</address></body></html>", version.trim())
}

#[tokio::test]
async fn nghttpd_with_tls() {
    let certificate = Certificate::new();
    let server = start(Some(&certificate));
    let target = certificate.target(server.port);
    super::with_tls(server, target).await;
}

#[tokio::test]
async fn nghttpd_without_tls() {
    super::plain::without_tls(start(None)).await;
}
