//! The routes, each in its lane, and what lies around all of them.

mod actions;
mod campaigns;
mod console;
mod dropped;
mod fleet;
mod health;
mod report_csv;
mod snapshot;

pub use console::ConsoleView;

use crate::config::ApiConfig;
use crate::lanes::{Lane, Lanes, admit};
use crate::live::Hub;
use crate::problem::Problem;
use crate::ready::Ready;
use crate::requests::Counts;
use crate::{App, guard, intake, requests};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, patch, post, put};
use control::{Control, ControlError};
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

type Routes = Router<Arc<App>>;

/// All routes, without a listener. Whether it is ready is not known here: [`crate::serve`] looks.
pub fn router(control: Arc<Control>, config: ApiConfig) -> Router {
    with_ready(control, config, Arc::default(), CancellationToken::new())
}

/// All routes, of an API that is as ready as this says.
pub(crate) fn with_ready(
    control: Arc<Control>,
    config: ApiConfig,
    ready: Arc<Ready>,
    shutdown: CancellationToken,
) -> Router {
    let live = Hub::new(config.limits.live_watchers_max, shutdown);
    let lanes = Lanes::new(&config.limits);
    let app = Arc::new(App { control, config, lanes, counts: Counts::default(), ready, live });
    let lane = |routes: Routes, lane| routes.route_layer(from_fn_with_state((Arc::clone(&app), lane), admit));
    Router::new()
        .merge(lane(buttons(), Lane::Button))
        .merge(lane(arm(), Lane::Arm))
        .merge(lane(uploads(), Lane::Upload))
        .merge(lane(heavy(), Lane::Heavy))
        .merge(lane(light(), Lane::Light))
        .merge(free())
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&app), guard::check))
        .layer(from_fn_with_state(Arc::clone(&app), requests::around))
        .with_state(app)
}

fn buttons() -> Routes {
    Router::new()
        .route("/v1/campaigns/{id}/press", post(actions::press))
        .route("/v1/campaigns/{id}/abort", post(actions::abort))
}

fn arm() -> Routes {
    Router::new().route("/v1/campaigns/{id}/arm", post(actions::arm))
}

fn uploads() -> Routes {
    Router::new()
        .route("/v1/campaigns/{id}/audience", put(intake::audience::put))
        .route("/v1/devices", post(intake::devices::post))
}

fn heavy() -> Routes {
    Router::new()
        .route("/v1/campaigns/{id}/report", get(campaigns::report))
        .route("/v1/campaigns/{id}/receipts/{user}", get(campaigns::receipts))
        .route("/v1/campaigns/{id}/snapshot", get(snapshot::summary))
        .route("/v1/campaigns/{id}/snapshot/shards/{shard}/batches/{batch}", get(snapshot::batch))
        .route("/v1/campaigns/{id}/dropped", get(dropped::list))
        .route("/v1/redrive", post(fleet::redrive))
}

fn light() -> Routes {
    Router::new()
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
        .route("/v1/devices", get(fleet::device_count))
        .route("/v1/devices/{user}", get(fleet::user_devices))
        .route("/v1/fleet", get(fleet::workers))
        .route("/v1/fleet/scale", post(fleet::scale))
        .route("/v1/audit", get(fleet::audit))
        .route("/v1/console", get(console::settings))
}

/// Not limited: they are what tells people that the rest is overloaded, and the page that has the button. Who watches is
/// counted by itself.
fn free() -> Routes {
    Router::new()
        .route("/", get(console::page))
        .route("/campaigns/{id}", get(console::page))
        .route("/campaigns/{id}/report", get(console::page))
        .route("/sign-in", get(console::page))
        .route("/audit", get(console::page))
        .route("/fleet", get(console::page))
        .route("/tokens", get(console::page))
        .route("/assets/{name}", get(console::asset))
        .route("/v1/campaigns/{id}/live", get(campaigns::live))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

async fn no_such_route() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_such_route",
        "there is nothing here; docs/api.md lists the routes",
    )
}

fn no_such_file() -> Problem {
    Problem::not_found("the console has no such file")
}

async fn wrong_method(request: Request) -> Problem {
    let why = format!("{} is not a method of this route; `allow` lists those that are", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", why)
}

/// `?limit=`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
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

/// Runs a change to its end, also when the client goes away or the time is over.
pub(crate) async fn spawned<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::spawn(work.in_current_span()).await;
    Ok(done.map_err(|_| Problem::internal("it broke off; look at the status before you try again"))??)
}
