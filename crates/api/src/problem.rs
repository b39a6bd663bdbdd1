//! Faults as RFC 9457 problems: a stable type, a status, a sentence, and the place where one is known.
//!
//! A [`Problem`] that becomes a response rides in its extensions; [`finish`] writes it out once the request id is known.

mod codes;

pub use codes::Code;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::ports::PortError;
use control::{ControlError, Preflight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done. Nothing was changed then, unless `detail` says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `/problems/<code>`; the code is stable.
    #[serde(rename = "type")]
    pub kind: Box<str>,
    /// The status in words.
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do, for people.
    pub detail: String,
    /// The field, header or parameter at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// The line of the uploaded list, or of the JSON body, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// All checks, where red ones are the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Box<Preflight>>,
    /// Seconds to wait before trying again, where they are known; told in `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u16>,
    /// The request's id, as in the logs and in `x-request-id`.
    pub instance: Box<str>,
}

impl Problem {
    /// A problem of this code.
    #[must_use]
    pub fn new(code: impl Into<Code>, detail: impl Into<String>) -> Self {
        let code = code.into();
        let status = code.status();
        Self {
            kind: code.kind().into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            line: None,
            preflight: None,
            retry_after_s: None,
            instance: Box::default(),
        }
    }

    /// The code at the end of its type.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    pub(crate) fn bad_field(field: &str, why: impl Into<String>) -> Self {
        Self::new(Code::BadField, format!("{field}: {}", why.into())).at(field)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(Code::Internal, detail)
    }

    /// With the field at fault.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the line at fault.
    #[must_use]
    pub fn on_line(mut self, line: Option<u64>) -> Self {
        self.line = line;
        self
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status_code().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a problem that a response carries into its body, with the request's id.
pub(crate) fn finish(mut response: Response, request_id: &str) -> Response {
    let Some(mut problem) = response.extensions_mut().remove::<Problem>() else { return response };
    problem.instance = request_id.into();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.remove(header::CONTENT_LENGTH);
    let retry = (problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()).then_some(1);
    if let Some(seconds) = problem.retry_after_s.map(u64::from).or(retry) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    response.extensions_mut().insert(problem);
    response
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let detail = error.to_string();
        match error {
            ControlError::NotFound(_) => Self::not_found(detail),
            ControlError::Refused(no) => Self::new(no.code, detail),
            ControlError::BadField(bad) => Self::bad_field(bad.field, bad.why),
            ControlError::NotReady(preflight) => {
                let problem = Self::new(Code::NotReady, detail);
                Self { preflight: Some(preflight), ..problem }
            }
            ControlError::Busy => Self::new(Code::Busy, detail),
            ControlError::Port(port) => port.into(),
        }
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        let detail = error.to_string();
        match error {
            PortError::Unavailable { .. } => Self::new(Code::Unavailable, detail),
            PortError::Invalid { .. } => Self::new(Code::Invalid, detail),
            PortError::Corrupt { .. } => Self::new(Code::Corrupt, detail),
        }
    }
}
