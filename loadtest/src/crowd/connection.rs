//! The least of HTTP/1.1 that one request on a connection of its own needs.

use super::Wanted;
use std::io;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A longer answer than this is none of ours.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One person's connection.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    request: String,
}

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: u16,
    length: Option<usize>,
}

impl Connection {
    /// Connects; the request is written later. The `n`th person takes the `n`th token, in turn.
    pub(super) async fn open(wanted: &Wanted, n: usize, method: &str, path: &str) -> io::Result<Self> {
        let token = wanted.tokens.get(n % wanted.tokens.len().max(1)).map_or("", String::as_str);
        let stream = TcpStream::connect(wanted.api).await?;
        stream.set_nodelay(true)?;
        let body = if method == "POST" {
            "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        } else {
            "\r\n"
        };
        let (host, campaign) = (wanted.api, &wanted.campaign);
        let request = format!(
            "{method} /v1/campaigns/{campaign}/{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{body}"
        );
        Ok(Self { stream: BufReader::new(stream), request })
    }

    /// Writes the request and reads the head of its answer.
    pub(super) async fn ask(&mut self) -> io::Result<Head> {
        self.stream.write_all(self.request.as_bytes()).await?;
        let line = self.line().await?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer, but `{line}`")))?;
        let mut length = None;
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok();
                }
                Some(_) => {}
                None => return Ok(Head { status, length }),
            }
        }
    }

    /// The answer's body.
    pub(super) async fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        let bytes = head.length.filter(|bytes| *bytes <= ANSWER_BYTES_MAX);
        let mut body = vec![0; bytes.ok_or_else(|| io::Error::other("an answer without a length"))?];
        self.stream.read_exact(&mut body).await?;
        Ok(body)
    }

    /// The next line of an answer that has no end.
    pub(super) async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}
