//! Webhooks: who is told of what, and the log of what they were told.

use super::{Limit, spawned_port};
use crate::Shared;
use crate::extract::{Caller, Empty, HookPath, Json, Params};
use crate::problem::Problem;
use crate::views::{
    DeliveryList, DeliveryView, NewWebhook, WebhookList, WebhookMade, WebhookTested, WebhookView,
};
use crate::webhooks::{self, Wanted};
use ::webhooks::Target;
use axum::extract::State;
use axum::http::StatusCode;
use common::access::checked_name;
use common::time::UnixMs;
use common::webhook::Event;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) async fn list(State(app): Shared) -> Result<axum::Json<WebhookList>, Problem> {
    let mut all = app.control.backend().webhooks.list().await?;
    all.sort_by_key(|hook| std::cmp::Reverse((hook.created.at, hook.id)));
    Ok(axum::Json(WebhookList { webhooks: all.into_iter().map(WebhookView::from).collect() }))
}

pub(crate) async fn make(
    State(app): Shared,
    Caller(who): Caller,
    Json(new): Json<NewWebhook>,
) -> Result<(StatusCode, axum::Json<WebhookMade>), Problem> {
    let target = Target::parse(&new.url, &app.config.webhooks);
    let target = target.map_err(|why| Problem::bad_field("url", why))?;
    let name = new.name.unwrap_or_else(|| target.origin());
    let name = checked_name(&name).map_err(|bad| Problem::bad_field(bad.field, bad.why))?;
    let events: BTreeSet<_> = new.events.unwrap_or_else(|| Event::CAMPAIGN.into()).into_iter().collect();
    if events.is_empty() || events.contains(&Event::Test) {
        let names = Event::CAMPAIGN.map(Event::label).join(", ");
        return Err(Problem::bad_field("events", format!("name one or more of {names}")));
    }
    let (this, wanted) = (Arc::clone(&app), Wanted { name, url: new.url, events });
    let hook = spawned_port(async move { webhooks::make(&this, &who, wanted).await }).await?;
    let secret = hook.secret.expose();
    Ok((StatusCode::CREATED, axum::Json(WebhookMade { secret, webhook: hook.into() })))
}

pub(crate) async fn remove(
    State(app): Shared,
    Caller(who): Caller,
    HookPath(id): HookPath,
) -> Result<axum::Json<WebhookView>, Problem> {
    let this = Arc::clone(&app);
    let gone = spawned_port(async move { webhooks::remove(&this, &who, id).await }).await?;
    Ok(axum::Json(gone.into()))
}

pub(crate) async fn deliveries(
    State(app): Shared,
    HookPath(id): HookPath,
    Params(limit): Params<Limit>,
) -> Result<axum::Json<DeliveryList>, Problem> {
    let limit = limit.or(100, 1_000)?;
    let hook = webhooks::one(&app, id).await?;
    let log = app.control.backend().webhooks.deliveries(hook.id, UnixMs(0), limit).await?;
    let view =
        |row| if hook.disabled.is_some() { DeliveryView::of_disabled(row) } else { DeliveryView::from(row) };
    Ok(axum::Json(DeliveryList { deliveries: log.into_iter().map(view).collect() }))
}

pub(crate) async fn test(
    State(app): Shared,
    Caller(who): Caller,
    HookPath(id): HookPath,
    _: Empty,
) -> Result<axum::Json<WebhookTested>, Problem> {
    let this = Arc::clone(&app);
    let tried = spawned_port(async move { webhooks::test(&this, &who, id).await }).await?;
    Ok(axum::Json(tried.into()))
}
