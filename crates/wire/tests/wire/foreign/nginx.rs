//! nginx: answers before it has read the body, and closes each connection after so many requests.

use super::{Certificate, Expected, Foreign, Sightings, error_body, usual_path, usual_status};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const CONF: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 256; }
http {
  log_format seen '$request_uri';
  access_log access.log seen;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 200;
  default_type application/json;
  server {
    listen 127.0.0.1:PORT LISTEN;
    add_header x-token $request_uri always;
    location /200/ { return 200; }
    set $said '{"reason":"Because","path":"$request_uri"}';
    location /400/ { return 400 $said; }
    location /410/ { return 410 $said; }
    location /503/ { return 503 $said; }
  }
}
"#;

struct Nginx {
    child: Child,
    dir: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nginx(dir: &Path) -> Command {
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf")).args(["-e", "error.log"]);
    // Debian keeps it where only root's path leads.
    nginx.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
    nginx
}

impl Nginx {
    /// Its log is whole when it has quit.
    fn sightings(mut self) -> Sightings {
        assert!(nginx(self.dir.path()).args(["-s", "quit"]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        let mut seen = Sightings::new();
        for path in std::fs::read_to_string(self.dir.path().join("access.log")).unwrap().lines() {
            *seen.entry(path.to_owned()).or_default() += 1;
        }
        seen
    }
}

/// It can't be given a port of the system's choice, so it is started on one that was free a moment ago, until that works.
fn start(certificate: Option<&Certificate>) -> Foreign {
    for _ in 0..20 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("nginx.conf"), conf(port, certificate)).unwrap();
        let child = nginx(dir.path()).stdin(Stdio::null()).spawn().expect("nginx is installed");
        let mut nginx = Nginx { child, dir };
        while nginx.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Foreign {
                    port,
                    path: usual_path,
                    expected: Box::new(answer),
                    stop: Box::new(|| nginx.sightings()),
                };
            }
            std::thread::yield_now();
        }
    }
    panic!("no port is free");
}

fn conf(port: u16, certificate: Option<&Certificate>) -> String {
    let listen = match certificate {
        None => "http2".to_owned(),
        Some(c) => {
            let file = |name: &str| c.path().join(name).display().to_string();
            let (cert, key) = (file("cert.pem"), file("key.pem"));
            format!("ssl http2; ssl_certificate {cert}; ssl_certificate_key {key}")
        }
    };
    CONF.replace("PORT", &port.to_string()).replace("LISTEN", &listen)
}

fn answer(n: usize, path: &str, _: usize) -> Expected {
    let status = usual_status(n);
    let body = if status == 200 { String::new() } else { error_body(path) };
    Expected { status, headers: vec![("x-token", path.to_owned())], body }
}

#[tokio::test]
async fn nginx_with_tls() {
    let certificate = Certificate::new();
    let server = start(Some(&certificate));
    let target = certificate.target(server.port);
    super::with_tls(server, target).await;
}

#[tokio::test]
async fn nginx_without_tls() {
    super::plain::without_tls(start(None)).await;
}
