//! The answers that the proxy makes up, and bodies that break off.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::{Request, Response, StatusCode};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body that ends as it should, or in the middle.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Option<Bytes>,
    /// What the head announces.
    length: u64,
    cut: bool,
}

/// The connection is closed before the body's end.
#[derive(Debug, thiserror::Error)]
#[error("the test ordered the answer to be cut")]
pub(super) struct Cut;

impl Answer {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: Some(bytes), cut: false }
    }

    pub(super) fn cut(bytes: &Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        Self { length: bytes.len() as u64, bytes: Some(half), cut: true }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Poll::Ready(match self.bytes.take() {
            Some(bytes) if !bytes.is_empty() => Some(Ok(Frame::data(bytes))),
            _ if self.cut => {
                self.cut = false;
                Some(Err(Cut))
            }
            _ => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }

    fn is_end_stream(&self) -> bool {
        !self.cut && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }
}

/// The operation of a request in one of the JSON protocols: `AmazonSQS.SendMessageBatch`. S3 has none.
pub(super) fn target<B>(request: &Request<B>) -> &str {
    request.headers().get("x-amz-target").and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// The error that this service answers when it is asked too much.
pub(super) fn throttled<B>(request: &Request<B>) -> Response<Answer> {
    match target(request) {
        "" => made(StatusCode::SERVICE_UNAVAILABLE, xml("SlowDown")),
        t if t.starts_with("AmazonSQS") => {
            json(StatusCode::BAD_REQUEST, "com.amazonaws.sqs#RequestThrottled")
        }
        _ => json(
            StatusCode::BAD_REQUEST,
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        ),
    }
}

/// A 500.
pub(super) fn server_error<B>(request: &Request<B>) -> Response<Answer> {
    if target(request).is_empty() {
        return made(StatusCode::INTERNAL_SERVER_ERROR, xml("InternalError"));
    }
    json(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
}

fn json(status: StatusCode, code: &str) -> Response<Answer> {
    made(status, serde_json::json!({"__type": code, "message": "the test ordered it"}).to_string())
}

fn xml(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>the test ordered it</Message></Error>")
}

fn made(status: StatusCode, body: String) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(body.into()));
    *response.status_mut() = status;
    response
}
