//! The routes, each in its lane, and what lies around all of them.

mod actions;
mod campaigns;
mod checked;
mod console;
mod dropped;
mod fleet;
mod health;
mod outcomes;
mod report_csv;
mod session;
mod snapshot;
mod testers;
mod tokens;
mod webhooks;

pub(crate) use campaigns::ReportQuery;
pub use console::ConsoleView;
pub(crate) use dropped::DroppedQuery;
pub(crate) use fleet::Trail;
pub(crate) use health::Fine;
pub(crate) use outcomes::OutcomesQuery;

use crate::config::ApiConfig;
use crate::lanes::{Lane, admit};
use crate::problem::{Code, Problem};
use crate::{App, access, guard, intake, requests};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, patch, post, put};
use checked::Routes;
use control::{Control, ControlError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// All routes, without a listener. Whether it is ready is not known here: [`crate::serve`] looks.
pub fn router(control: Arc<Control>, config: ApiConfig) -> Router {
    with_app(&Arc::new(App::new(control, config, Arc::default(), CancellationToken::new())))
}

/// All routes of this API, behind everything that looks at a request first.
pub(crate) fn with_app(app: &Arc<App>) -> Router {
    all(app)
        .fallback(no_such_route)
        .layer(from_fn_with_state(Arc::clone(app), access::check))
        .layer(from_fn_with_state(Arc::clone(app), guard::check))
        .layer(from_fn_with_state(Arc::clone(app), requests::around))
        .with_state(Arc::clone(app))
}

fn all(app: &Arc<App>) -> Router<Arc<App>> {
    let lane = |routes: Routes, lane| {
        routes.into_router().route_layer(from_fn_with_state((Arc::clone(app), lane), admit))
    };
    Router::new()
        .merge(lane(buttons(), Lane::Button))
        .merge(lane(arm(), Lane::Arm))
        .merge(lane(uploads(), Lane::Upload))
        .merge(lane(heavy(), Lane::Heavy))
        .merge(lane(sign_in(), Lane::SignIn))
        .merge(lane(light(), Lane::Light))
        .merge(free().into_router())
}

fn buttons() -> Routes {
    Routes::new()
        .route("/v1/campaigns/{id}/press", post(actions::press))
        .route("/v1/campaigns/{id}/abort", post(actions::abort))
}

fn arm() -> Routes {
    Routes::new().route("/v1/campaigns/{id}/arm", post(actions::arm))
}

fn uploads() -> Routes {
    Routes::new()
        .route("/v1/campaigns/{id}/audience", put(intake::audience::put))
        .route("/v1/devices", post(intake::devices::post))
}

/// The audit trail is among them: asked for one campaign it reads up to 11,000 entries, and every watcher of a campaign asks
/// for it after each of its changes. Eight at once do; a page that is turned away asks again.
fn heavy() -> Routes {
    Routes::new()
        .route("/v1/campaigns/{id}/report", get(campaigns::report))
        .route("/v1/campaigns/{id}/late", get(campaigns::late))
        .route("/v1/campaigns/{id}/receipts/{user}", get(campaigns::receipts))
        .route("/v1/campaigns/{id}/snapshot", get(snapshot::summary))
        .route("/v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}", get(snapshot::batch))
        .route("/v1/campaigns/{id}/dropped", get(dropped::list))
        .route("/v1/campaigns/{id}/outcomes", get(outcomes::list))
        .route("/v1/redrive", post(fleet::redrive))
        .route("/v1/audit", get(fleet::audit))
        .route("/v1/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .route("/v1/webhooks/{id}/test", post(webhooks::test))
}

fn light() -> Routes {
    Routes::new()
        .route("/v1/campaigns", post(campaigns::create))
        .route("/v1/campaigns", get(campaigns::list))
        .route("/v1/campaigns/{id}", get(campaigns::one))
        .route("/v1/campaigns/{id}", patch(campaigns::edit))
        .route("/v1/campaigns/{id}/clone", post(campaigns::clone))
        .route("/v1/campaigns/{id}/disarm", post(actions::disarm))
        .route("/v1/campaigns/{id}/canary", post(actions::canary))
        .route("/v1/campaigns/{id}/resume", post(actions::resume))
        .route("/v1/campaigns/{id}/preflight", get(campaigns::preflight))
        .route("/v1/campaigns/{id}/status", get(campaigns::status))
        .route("/v1/campaigns/{id}/preview", get(campaigns::preview))
        .route("/v1/campaigns/{id}/test", post(testers::test))
        .route("/v1/campaigns/{id}/test/{test}", get(testers::report))
        .route("/v1/testers", get(testers::list))
        .route("/v1/testers/{name}", get(testers::one).put(testers::put).delete(testers::remove))
        .route("/v1/devices", get(fleet::device_count))
        .route("/v1/devices/{user}", get(fleet::user_devices))
        .route("/v1/fleet", get(fleet::workers))
        .route("/v1/fleet/scale", post(fleet::scale))
        .route("/v1/tokens", get(tokens::list).post(tokens::make))
        .route("/v1/tokens/{id}", delete(tokens::revoke))
        .route("/v1/webhooks", get(webhooks::list).post(webhooks::make))
        .route("/v1/webhooks/{id}", delete(webhooks::remove))
}

fn sign_in() -> Routes {
    Routes::new().route("/v1/session", post(session::begin)).route("/v1/session/first", post(session::first))
}

/// Not limited: they are answered from memory, and are what tells people that the rest is overloaded, and the page that
/// has the button. Who watches is
/// counted by itself.
fn free() -> Routes {
    Routes::new()
        .route("/", get(console::page))
        .route("/campaigns/{id}", get(console::page))
        .route("/campaigns/{id}/report", get(console::page))
        .route("/sign-in", get(console::page))
        .route("/audit", get(console::page))
        .route("/fleet", get(console::page))
        .route("/tokens", get(console::page))
        .route("/assets/{name}", get(console::asset))
        .route("/v1/session", get(session::read).delete(session::end))
        .route("/docs", get(console::docs))
        .route("/openapi.json", get(console::openapi))
        .route("/v1/console", get(console::settings))
        .route("/v1/campaigns/{id}/live", get(campaigns::live))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

async fn no_such_route() -> Problem {
    Problem::new(Code::NoSuchRoute, "there is nothing here; docs/api.md lists the routes")
}

fn no_such_file() -> Problem {
    Problem::not_found("the console has no such file")
}

/// `?limit=`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// How many, at most.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
}

impl Limit {
    /// The limit, or the usual one.
    fn or(self, usual: usize, max: usize) -> Result<usize, Problem> {
        match self.limit.unwrap_or(usual) {
            n if (1..=max).contains(&n) => Ok(n),
            n => Err(Problem::bad_field("limit", format!("is {n}, 1 to {max} are allowed"))),
        }
    }
}

/// As [`spawned`], of work that knows its answer.
pub(crate) async fn spawned_port<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.map_err(|_| Problem::internal("it broke off; look at the list before you try again"))?
}

/// Runs a change to its end, also when the client goes away or the time is over.
pub(crate) async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::spawn(work.in_current_span()).await;
    Ok(done.map_err(|_| Problem::internal("it broke off; look at the status before you try again"))??)
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
