//! What changes a campaign's state. Each answers at once, runs to its end even when the client goes away, and may be
//! asked again.

use super::spawned;
use crate::access::rules::OVERRIDE;
use crate::access::{Identity, not_permitted};
use crate::extract::{Caller, Empty, Id, Json, Small};
use crate::problem::{Code, Problem};
use crate::{App, Shared};
use axum::extract::{Extension, State};
use common::campaign::Campaign;
use common::ids::CampaignId;
use control::{ArmRequest, Meant, Receipt, Resumed};
use std::sync::Arc;
use std::time::Duration;

type Answer<T> = Result<axum::Json<T>, Problem>;

/// Whoever watches the campaign sees at once what was done here.
fn seen<T>(app: &App, id: CampaignId, done: Result<T, Problem>) -> Answer<T> {
    app.live.changed(id);
    done.map(axum::Json)
}

pub(crate) async fn press(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    Small(meant): Small<Meant>,
) -> Answer<Receipt> {
    let (control, turn) = (Arc::clone(&app.control), app.lanes.press().await);
    let work = async move {
        let done = control.press_meant(&who, id, meant).await;
        turn.end();
        done
    };
    seen(&app, id, spawned(work).await)
}

pub(crate) async fn abort(State(app): Shared, Id(id): Id, Caller(who): Caller, _: Empty) -> Answer<Campaign> {
    let (control, turn) = (Arc::clone(&app.control), app.lanes.abort().await);
    let work = async move {
        let done = control.abort(&who, id).await;
        turn.end();
        done
    };
    seen(&app, id, spawned(work).await)
}

pub(crate) async fn disarm(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    _: Empty,
) -> Answer<Campaign> {
    let control = Arc::clone(&app.control);
    seen(&app, id, spawned(async move { control.disarm(&who, id).await }).await)
}

pub(crate) async fn canary(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    _: Empty,
) -> Answer<Campaign> {
    let control = Arc::clone(&app.control);
    seen(&app, id, spawned(async move { control.canary(&who, id).await }).await)
}

pub(crate) async fn resume(State(app): Shared, Id(id): Id, Caller(who): Caller, _: Empty) -> Answer<Resumed> {
    let control = Arc::clone(&app.control);
    seen(&app, id, spawned(async move { control.resume(&who, id).await }).await)
}

/// Waits for the fleet. Unlike the others it ends when the client goes away: nobody wants a campaign armed behind their
/// back minutes after they gave up.
pub(crate) async fn arm(
    State(app): Shared,
    Id(id): Id,
    Caller(who): Caller,
    Extension(Identity(record)): Extension<Identity>,
    Json(mut request): Json<ArmRequest>,
) -> Answer<Campaign> {
    let (action, lets) = OVERRIDE;
    if !request.overrides.is_empty() && !lets.role(record.role) {
        return Err(not_permitted(&record, action, lets).at("overrides"));
    }
    request.second_person = app.config.access.second_person;
    let limits = &app.config.limits;
    if request.wait_ms > limits.arm_wait_max_ms {
        let why = format!("is {}, at most {} are allowed", request.wait_ms, limits.arm_wait_max_ms);
        return Err(Problem::bad_field("wait_ms", why));
    }
    check_percent("expect.percent", request.expect.percent.unwrap_or(100))?;
    let limit = Duration::from_millis(request.wait_ms) + limits.request_timeout();
    match tokio::time::timeout(limit, app.control.arm(&who, id, &request)).await {
        Ok(armed) => seen(&app, id, armed.map_err(Problem::from)),
        Err(_) => {
            let why = format!("no answer within {} ms; look at the status", limit.as_millis());
            Err(Problem::new(Code::TimedOut, why))
        }
    }
}

/// A share of a fleet.
pub(crate) fn check_percent(field: &str, percent: u8) -> Result<(), Problem> {
    match percent {
        1..=100 => Ok(()),
        n => Err(Problem::bad_field(field, format!("is {n}, 1 to 100 are allowed"))),
    }
}
