//! What handlers take from a request, each with its fault named: the campaign's id, who asks, parameters, a JSON body.

mod strict;

use crate::App;
use crate::access::{Identity, Source, leave};
use crate::problem::{Code, Problem};
use crate::stream::BodyReader;
use crate::views::Nothing;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use common::access::TokenId;
use common::device::BadField;
use common::ids::{CampaignId, clip};
use common::test_send::{ListName, TestId};
use common::webhook::HookId;
use control::Who;
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Room for `{}`, a few numbers, and for a field that should not be there, in bytes.
const SMALL_BYTES_MAX: usize = 4 * 1024;
/// Room for a token or a one-time code, in bytes.
const SHORT_BYTES_MAX: usize = 1024;
/// Time for it to arrive.
const SHORT_WITHIN: Duration = Duration::from_secs(2);

/// A part of the path, by its name in the route.
async fn segment<T: FromStr>(parts: &mut Parts, name: &'static str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    let bad = |why: String| Problem::new(Code::BadPath, format!("{name}: {why}")).at(name);
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|e| bad(e.body_text()))?;
    let found = params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    found.parse().map_err(|e: T::Err| bad(e.to_string()))
}

/// The campaign in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) CampaignId);

impl<S: Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        segment(parts, "id").await.map(Self)
    }
}

/// The user in the path, with its percent-encoding undone.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let user: String = segment(parts, "user").await?;
        common::device::check_user_id(&user).map_err(|e| Problem::bad_field("user", e.why))?;
        Ok(Self(user))
    }
}

/// Shard and batch in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) shard: u16,
    pub(crate) batch: u32,
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self { shard: segment(parts, "shard").await?, batch: segment(parts, "batch").await? })
    }
}

/// The token in the path. A fault does not quote it: it may be a whole token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenPath(pub(crate) TokenId);

impl<S: Sync> FromRequestParts<S> for TokenPath {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        segment(parts, "id").await.map(Self)
    }
}

/// The list of testers in the path.
#[derive(Clone, Debug)]
pub(crate) struct List(pub(crate) ListName);

impl<S: Sync> FromRequestParts<S> for List {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let name: String = segment(parts, "name").await?;
        name.parse().map(Self).map_err(|e: BadField| Problem::bad_field("name", e.why))
    }
}

/// The test send in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestPath(pub(crate) TestId);

impl<S: Sync> FromRequestParts<S> for TestPath {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        segment(parts, "test").await.map(Self)
    }
}

/// The webhook in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookPath(pub(crate) HookId);

impl<S: Sync> FromRequestParts<S> for HookPath {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        segment(parts, "id").await.map(Self)
    }
}

/// Who asks, and from where: the name on the token that let the request in.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Who);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let (Some(Identity(record)), Some(source)) =
            (parts.extensions.get::<Identity>(), parts.extensions.get::<Source>())
        else {
            return Err(Problem::internal("a route without a rule asks who it is"));
        };
        let who = Who::at(&record.name, &source.ip.to_string());
        Ok(Self(Who { leave: leave(app, record), ..who }))
    }
}

/// The parameters behind the question mark.
#[derive(Clone, Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bad = |e: QueryRejection| Problem::new(Code::BadQuery, e.body_text());
        Query::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(bad)
    }
}

/// A JSON body. Its type must be said: a form on a foreign page can't say it.
#[derive(Clone, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limits = &app.config.limits;
        read_json(request, limits.json_body_bytes_max, limits.request_timeout()).await.map(Self)
    }
}

/// A JSON body that anybody may send: short, and soon there.
#[derive(Clone, Debug)]
pub(crate) struct ShortJson<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for ShortJson<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let within = SHORT_WITHIN.min(app.config.limits.request_timeout());
        read_json(request, SHORT_BYTES_MAX, within).await.map(Self)
    }
}

/// The body `{}` of an action that has nothing to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Empty;

impl FromRequest<Arc<App>> for Empty {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let Small(Nothing {}) = Small::from_request(request, app).await?;
        Ok(Self)
    }
}

/// The body of an action that has little to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Small<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Small<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        read_json(request, SMALL_BYTES_MAX, app.config.limits.request_timeout()).await.map(Self)
    }
}

async fn read_json<T: DeserializeOwned>(
    request: Request,
    bytes_max: usize,
    within: Duration,
) -> Result<T, Problem> {
    if media_type(request.headers())?.as_deref() != Some("application/json") {
        let why = "send the body as JSON, with `content-type: application/json` (`{}` where there is nothing to say)";
        return Err(Problem::new(Code::NotJson, why).at("content-type"));
    }
    let mut reader = BodyReader::new(request, bytes_max as u64, within)?;
    let all = tokio::time::timeout(within, reader.read_all()).await;
    parse(&all.map_err(|_| BodyReader::too_slow(within))??)
}

/// The content type without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let text = header_text(headers, header::CONTENT_TYPE.as_str())?;
    Ok(text.map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()))
}

/// A header as text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let bad = |_| Problem::new(Code::BadHeader, format!("the header `{name}` is malformed")).at(name);
    headers.get(name).map(|v| v.to_str().map_err(bad)).transpose()
}

/// Reads JSON. A fault names the field, the line and the column.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let path = e.path().to_string();
        bad_json(e.inner(), Some(path.as_str()).filter(|p| *p != "."))
    })?;
    json.end().map_err(|e| bad_json(&e, None))?;
    objects_are_objects::<T>(bytes)?;
    Ok(value)
}

/// Looked at once more, since the first look takes lists for objects.
fn objects_are_objects<T: DeserializeOwned>(bytes: &[u8]) -> Result<(), Problem> {
    let whole = serde_json::from_slice(bytes).map_err(|e| bad_json(&e, None))?;
    strict::check::<T>(&whole).map_err(|e| {
        let path = e.path().to_string();
        bad_json(e.inner(), Some(path.as_str()).filter(|p| *p != "."))
    })
}

fn bad_json(error: &serde_json::Error, field: Option<&str>) -> Problem {
    let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
    match (error.is_data(), field) {
        (true, Some(field)) => Problem::bad_field(field, error.to_string()).on_line(line),
        (true, None) => Problem::new(Code::BadField, error.to_string()).on_line(line),
        (false, _) => Problem::new(Code::BadJson, format!("this is not JSON: {}", clip(&error.to_string())))
            .on_line(line),
    }
}
