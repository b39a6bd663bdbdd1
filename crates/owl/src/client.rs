//! A client of the HTTP API: JSON in and out, problems as errors that say what to do.

use anyhow::{Context, anyhow};
use common::access::Token;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

/// Before a creation is asked for again.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Talks to one API as one person.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    server: String,
    token: Option<Token>,
}

impl Client {
    /// A client of `server` (`http://host:port`) with this token.
    pub(crate) fn new(server: &str, token: Option<Token>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .max_redirects(0)
            .build();
        Self { agent: config.into(), server: server.trim_end_matches('/').to_owned(), token }
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The request with the token.
    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.expose())),
            None => request,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let call = self.signed(self.agent.get(self.url(path))).call();
        self.answer(call)
    }

    /// Reads something line by line, as it comes.
    pub(crate) fn lines(&self, path: &str) -> anyhow::Result<impl BufRead + use<>> {
        let call = self.signed(self.agent.get(self.url(path))).call();
        match call {
            Ok(response) if response.status().is_success() => {
                Ok(BufReader::new(response.into_body().into_reader()))
            }
            refused => Err(self.answer::<Value>(refused).err().unwrap_or_else(|| anyhow!("no events"))),
        }
    }

    /// Reads a file.
    pub(crate) fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let call = self.signed(self.agent.get(self.url(path))).call();
        match call {
            Ok(mut response) if response.status().is_success() => {
                let body = response.body_mut().with_config().limit(1 << 30).read_to_vec();
                body.context("the answer broke off")
            }
            refused => Err(self.answer::<Value>(refused).err().unwrap_or_else(|| anyhow!("no file"))),
        }
    }

    /// Does something; the body is JSON.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let call = self.signed(self.agent.post(self.url(path))).send_json(body);
        self.answer(call)
    }

    /// Creates something once: where no answer came, or the server was too busy, it asks again under the same key.
    pub(crate) fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let key = uuid::Uuid::new_v4().to_string();
        let ask = || {
            let request = self.signed(self.agent.post(self.url(path)));
            request.header("idempotency-key", &key).send_json(body)
        };
        let mut asked = ask();
        for wait in AGAIN_AFTER {
            if !is_worth_asking_again(&asked) {
                break;
            }
            std::thread::sleep(wait);
            asked = ask();
        }
        self.answer(asked)
    }

    /// Changes something; the body is JSON.
    pub(crate) fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let call = self.signed(self.agent.patch(self.url(path))).send_json(body);
        self.answer(call)
    }

    /// Takes something away.
    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let call = self.signed(self.agent.delete(self.url(path))).call();
        self.answer(call)
    }

    /// Sends a stream by PUT.
    pub(crate) fn put_stream<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: Kind,
        from: impl Read,
    ) -> anyhow::Result<T> {
        self.stream(self.agent.put(self.url(path)), kind, from)
    }

    /// Sends a stream by POST.
    pub(crate) fn post_stream<T: DeserializeOwned>(
        &self,
        path: &str,
        kind: Kind,
        from: impl Read,
    ) -> anyhow::Result<T> {
        self.stream(self.agent.post(self.url(path)), kind, from)
    }

    fn stream<T: DeserializeOwned>(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        kind: Kind,
        mut from: impl Read,
    ) -> anyhow::Result<T> {
        let mut request = self.signed(request).content_type(kind.content_type);
        if let Some(encoding) = kind.encoding {
            request = request.header("content-encoding", encoding);
        }
        let call = request.send(ureq::SendBody::from_reader(&mut from));
        self.answer(call)
    }

    /// Tells a server that is not there from a request that could not be made.
    fn no_answer(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                anyhow!("--server `{}` can't be used: {error}", self.server)
            }
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::IsADirectory => {
                anyhow!("that is a directory, not a file")
            }
            _ => anyhow!(
                "no answer from {}: {error}; is `owl up` running there? (--server or OWL_SERVER names another)",
                self.server
            ),
        }
    }

    fn answer<T: DeserializeOwned>(
        &self,
        call: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<T> {
        let mut response = call.map_err(|e| self.no_answer(&e))?;
        let status = response.status();
        let body =
            response.body_mut().with_config().limit(1 << 30).read_to_vec().context("the answer broke off")?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .context("the answer is not what this version of owl expects");
        }
        let mut sentence = problem(status.as_u16(), &body);
        if status.as_u16() == 401 {
            sentence = format!("{sentence}; run `owl login {}`", self.server);
        }
        Err(Problem { sentence, json: serde_json::from_slice(&body).unwrap_or(Value::Null) }.into())
    }
}

/// Whether the same may be done with the next request: the connection broke after it was made, or nobody had time.
fn is_worth_asking_again(asked: &Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> bool {
    match asked {
        Ok(response) => matches!(response.status().as_u16(), 502..=504),
        // Nobody is there: saying so at once is kinder.
        Err(ureq::Error::Io(e)) => e.kind() != std::io::ErrorKind::ConnectionRefused,
        Err(error) => matches!(error, ureq::Error::Timeout(_) | ureq::Error::Protocol(_)),
    }
}

/// What the API answered instead.
#[derive(Debug)]
pub(crate) struct Problem {
    sentence: String,
    /// The problem+json, for programs.
    pub(crate) json: Value,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Problem {}

/// The plain sentence of a problem+json answer, with the place.
fn problem(status: u16, body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return format!("HTTP {status}: {}", common::ids::clip(&String::from_utf8_lossy(body)));
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut detail = text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("HTTP {status}"));
    let field = text("field").filter(|f| !detail.starts_with(f.as_str()));
    if let Some(line) = value.get("line").filter(|_| !detail.contains("line ")) {
        detail = format!("line {line}: {detail}");
    }
    match field {
        Some(field) => format!("{field}: {detail}"),
        None => detail,
    }
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Content-Type.
    pub(crate) content_type: &'static str,
    /// Content-Encoding.
    pub(crate) encoding: Option<&'static str>,
}

impl Kind {
    /// Guesses from a file's name: `.csv`, `.ndjson` or `.jsonl`, anything else is plain; `.gz` and `.zst` on top.
    pub(crate) fn of(file: &std::path::Path) -> Self {
        let name = file.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let (name, encoding) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
            (Some(rest), _) => (rest, Some("gzip")),
            (_, Some(rest)) => (rest, Some("zstd")),
            _ => (name.as_str(), None),
        };
        let content_type = match name.rsplit('.').next() {
            Some("csv") => "text/csv",
            Some("ndjson" | "jsonl") => "application/x-ndjson",
            _ => "text/plain",
        };
        Self { content_type, encoding }
    }

    /// As [`Kind::of`], for a list of devices: a name that says nothing leaves it to the server to look.
    pub(crate) fn of_devices(file: &std::path::Path) -> Self {
        match Self::of(file) {
            Self { content_type: "text/plain", encoding } => {
                Self { content_type: "application/octet-stream", encoding }
            }
            known => known,
        }
    }
}

/// A path segment with everything but unreserved characters percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_segments() {
        assert_eq!(
            Kind::of("a/users.csv.gz".as_ref()),
            Kind { content_type: "text/csv", encoding: Some("gzip") }
        );
        assert_eq!(
            Kind::of("users.jsonl".as_ref()),
            Kind { content_type: "application/x-ndjson", encoding: None }
        );
        assert_eq!(Kind::of("users".as_ref()).content_type, "text/plain");
        assert_eq!(segment("a/b ü"), "a%2Fb%20%C3%BC");
        assert_eq!(problem(409, br#"{"title":"t","detail":"arm it first","field":"x"}"#), "x: arm it first");
        assert_eq!(problem(500, b"<html>"), "HTTP 500: <html>");
    }
}
