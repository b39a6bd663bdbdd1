//! The line between an SDK client and the stand-in, with somebody on it who reads along, answers in the service's place,
//! loses answers, and changes what is said. Under a client's own connection pool, so the SDK notices nothing.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What becomes of a request.
pub(crate) enum Fate {
    /// It goes through, as it may have been changed.
    Pass,
    /// The service never sees it: this status and body come back.
    Answer(u16, String),
    /// The service acts on it, and its answer gets lost.
    Lose,
    /// The service answers, and its body is changed.
    Change(Box<dyn FnOnce(Value) -> Value + Send>),
    /// The answer's body stands still for ever.
    Stall,
}

type Meddle = dyn Fn(&mut HttpRequest) -> Fate + Send + Sync;

/// A client's line.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    meddle: Arc<Meddle>,
}

impl Wire {
    /// Over what this client uses, with `meddle` asked about each attempt.
    pub(crate) fn over(
        inner: Option<SharedHttpClient>,
        meddle: impl Fn(&mut HttpRequest) -> Fate + Send + Sync + 'static,
    ) -> Self {
        Self { inner: inner.unwrap(), meddle: Arc::new(meddle) }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        parts: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(Line { inner, meddle: self.meddle.clone() })
    }
}

struct Line {
    inner: SharedHttpConnector,
    meddle: Arc<Meddle>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl HttpConnector for Line {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let fate = (self.meddle)(&mut request);
        if let Fate::Answer(status, body) = fate {
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            return HttpConnectorFuture::ready(Ok(answer));
        }
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            match fate {
                Fate::Pass | Fate::Answer(..) => Ok(answer),
                Fate::Lose => Err(ConnectorError::io("the answer got lost".into())),
                Fate::Change(change) => changed(answer, change).await,
                Fate::Stall => Ok(stalled(&answer)),
            }
        })
    }
}

async fn changed(
    mut answer: HttpResponse,
    change: impl FnOnce(Value) -> Value,
) -> Result<HttpResponse, ConnectorError> {
    let body =
        ByteStream::new(answer.take_body()).collect().await.map_err(|e| ConnectorError::io(e.into()))?;
    let body = change(serde_json::from_slice(&body.into_bytes()).unwrap()).to_string();
    Ok(HttpResponse::new(answer.status(), SdkBody::from(body)))
}

/// The head of the answer, and a body that never comes.
fn stalled(answer: &HttpResponse) -> HttpResponse {
    struct Never;
    impl hyper::body::Body for Never {
        type Data = bytes::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>>> {
            std::task::Poll::Pending
        }
    }
    let mut still = HttpResponse::new(answer.status(), SdkBody::from_body_1_x(Never));
    for (name, value) in answer.headers() {
        if name != "content-length" {
            still.headers_mut().insert(name.to_owned(), value.to_owned());
        }
    }
    still
}

/// The DynamoDB operation of a request.
pub(crate) fn operation(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.rsplit('.').next().unwrap_or_default()
}

/// A request's JSON body.
pub(crate) fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default()
}

/// Puts another JSON body into a request.
pub(crate) fn set_body(request: &mut HttpRequest, body: &Value) {
    let bytes = body.to_string();
    request.headers_mut().insert("content-length", bytes.len().to_string());
    *request.body_mut() = SdkBody::from(bytes);
}

/// A DynamoDB error's body.
pub(crate) fn error(code: &str, message: &str) -> String {
    serde_json::json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message})
        .to_string()
}
