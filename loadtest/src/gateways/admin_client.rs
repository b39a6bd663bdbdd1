//! A client of the admin listener, for tests and for `owl demo`: a few requests, each on a connection of its own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Behaviour;
use super::journal::{Journal, JournalEntry, JournalError, START_HEADER, Summary};

/// The admin listener did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// It cannot be reached, or hung up.
    #[error("cannot talk to the gateways' admin listener: {0}")]
    Connection(#[from] std::io::Error),
    /// It refused.
    #[error("the gateways' admin listener answered {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// Its answer cannot be understood.
    #[error("the gateways' admin listener answered nonsense: {0}")]
    Answer(&'static str),
    /// Its answer is not the JSON that was expected.
    #[error("the gateways' admin listener answered other JSON than expected: {0}")]
    Json(#[from] serde_json::Error),
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Talks to the admin listener of running gateways.
#[derive(Clone, Debug)]
pub struct AdminClient {
    authority: String,
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl AdminClient {
    /// A client for [`GatewayInfo::admin`](super::GatewayInfo::admin): `http://127.0.0.1:port`.
    #[must_use]
    pub fn new(admin: &str) -> Self {
        Self { authority: admin.trim_start_matches("http://").trim_end_matches('/').to_owned() }
    }

    /// Figures over the whole journal.
    pub async fn summary(&self) -> Result<Summary, AdminError> {
        self.get_json("/v1/journal/summary").await
    }

    /// The whole journal.
    pub async fn journal(&self) -> Result<Journal, AdminError> {
        let answer = self.request("GET", "/v1/journal", "application/json", b"").await?;
        let start = answer.header(START_HEADER).and_then(|start| start.parse().ok());
        Ok(Journal::parse(&answer.body, start.ok_or(AdminError::Answer("no start of the journal"))?)?)
    }

    /// What is known of one token; `None` if it was never heard of. The token has to be free of `%`, `&` and `+`.
    pub async fn device(&self, token: &str) -> Result<Option<JournalEntry>, AdminError> {
        match self.get_json(&format!("/v1/journal/device?token={token}")).await {
            Err(AdminError::Refused { status: 404, .. }) => Ok(None),
            entry => entry.map(Some),
        }
    }

    /// Forgets devices, JWTs and the used quota.
    pub async fn reset(&self) -> Result<(), AdminError> {
        self.request("POST", "/v1/journal/reset", "application/json", b"").await.map(|_| ())
    }

    /// How the gateways behave.
    pub async fn behaviour(&self) -> Result<Behaviour, AdminError> {
        self.get_json("/v1/behaviour").await
    }

    /// Changes how the gateways behave.
    pub async fn set_behaviour(&self, behaviour: &Behaviour) -> Result<(), AdminError> {
        self.put_json("/v1/behaviour", behaviour).await
    }

    /// Asks for anything.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        Ok(serde_json::from_slice(&self.request("GET", path, "application/json", b"").await?.body)?)
    }

    /// Sends anything.
    pub async fn put_json(&self, path: &str, content: &impl Serialize) -> Result<(), AdminError> {
        let content = serde_json::to_vec(content)?;
        self.request("PUT", path, "application/json", &content).await.map(|_| ())
    }

    /// Posts a form that is encoded already, such as a request for an access token; returns the answer's JSON.
    pub async fn post_form<T: DeserializeOwned>(&self, path: &str, form: &str) -> Result<T, AdminError> {
        let answer = self.request("POST", path, "application/x-www-form-urlencoded", form.as_bytes()).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// HTTP/1.0: the answer ends where the connection does, and is never sent in chunks.
    async fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer, AdminError> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.authority,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Answer::parse(&bytes)
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self, AdminError> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.ok_or(AdminError::Answer("no end of the head"))? + 4);
        let head = String::from_utf8_lossy(head).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        match status.ok_or(AdminError::Answer("no status"))? {
            200..=299 => Ok(Self { head, body: body.to_vec() }),
            status => Err(AdminError::Refused { status, body: String::from_utf8_lossy(body).into_owned() }),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
