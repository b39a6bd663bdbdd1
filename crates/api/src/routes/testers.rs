//! Lists of testers, and test sends to them. What a test came to is asked for again until it is known: no request waits for
//! a phone.

use super::spawned;
use crate::Shared;
use crate::extract::{Caller, Id, Json, List, TestPath, media_type};
use crate::problem::{Code, Problem};
use crate::stream::BodyReader;
use crate::views::{Nothing, TestersList};
use ::audience::devices_file::testers;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use common::limits::TESTER_LIST_BYTES_MAX;
use control::{TestReport, TestRequest, TestersView};
use std::sync::Arc;

type Answer<T> = Result<axum::Json<T>, Problem>;

pub(crate) async fn list(State(app): Shared) -> Answer<TestersList> {
    Ok(axum::Json(TestersList { lists: app.control.tester_lists().await? }))
}

pub(crate) async fn one(State(app): Shared, List(name): List) -> Answer<TestersView> {
    Ok(axum::Json(TestersView::from(&app.control.testers(&name).await?)))
}

pub(crate) async fn put(
    State(app): Shared,
    List(name): List,
    Caller(who): Caller,
    request: Request,
) -> Answer<TestersView> {
    // A form on a foreign page can't say this type.
    if media_type(request.headers())?.as_deref() != Some("application/x-ndjson") {
        let why = "send one JSON object a line, with `content-type: application/x-ndjson`";
        return Err(Problem::new(Code::NotNdjson, why).at("content-type"));
    }
    let within = app.config.limits.request_timeout();
    let mut body = BodyReader::new(request, TESTER_LIST_BYTES_MAX, within)?;
    let all = tokio::time::timeout(within, body.read_all()).await;
    let devices = testers(&all.map_err(|_| BodyReader::too_slow(within))??)
        .map_err(|bad| Problem::bad_field(bad.field, bad.why).on_line(Some(bad.line)))?;
    let control = Arc::clone(&app.control);
    let stored = spawned(async move { control.put_testers(&who, name, devices).await }).await?;
    Ok(axum::Json(TestersView::from(&stored)))
}

pub(crate) async fn remove(State(app): Shared, List(name): List, Caller(who): Caller) -> Answer<Nothing> {
    let control = Arc::clone(&app.control);
    spawned(async move { control.remove_testers(&who, &name).await }).await?;
    Ok(axum::Json(Nothing {}))
}

pub(crate) async fn test(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    Json(request): Json<TestRequest>,
) -> Result<Response, Problem> {
    let control = Arc::clone(&app.control);
    let report = spawned(async move { control.test(&who, id, &request).await }).await?;
    let Some(test) = report.test else { return Ok(axum::Json(report).into_response()) };
    let at = [(header::LOCATION, format!("/v1/campaigns/{id}/test/{test}"))];
    Ok((StatusCode::ACCEPTED, at, axum::Json(report)).into_response())
}

pub(crate) async fn report(State(app): Shared, Id(id): Id, TestPath(test): TestPath) -> Answer<TestReport> {
    Ok(axum::Json(app.control.test_report(id, test).await?))
}
