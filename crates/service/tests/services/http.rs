//! A small HTTP/1.0 client: the answer ends where the connection does.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The administrator's token in these tests.
pub(super) const ADMIN: &str = "owl_0ad41000_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer. A connection that broke is status 0.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    /// The body of a good answer.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

pub(super) fn get(address: &str, path: &str) -> Reply {
    request(address, "GET", path, "application/json", b"")
}

pub(super) fn post(address: &str, path: &str, body: &Value) -> Reply {
    request(address, "POST", path, "application/json", body.to_string().as_bytes())
}

pub(super) fn request(address: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Reply {
    let (status, body) = try_request(address, method, path, kind, body).unwrap_or((0, Vec::new()));
    let text = String::from_utf8_lossy(&body).into_owned();
    Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

fn try_request(address: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {ADMIN}\r\ncontent-type: {kind}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let status = String::from_utf8_lossy(&bytes[..end]).split(' ').nth(1)?.parse().ok()?;
    Some((status, bytes.split_off(end)))
}
