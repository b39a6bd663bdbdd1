//! Lanes: each kind of route has its own budget of requests at once, so that no crowd in one stands in the way of
//! another. Presses and aborts wait for their turn; everything else is shed when its lane is full.

use crate::App;
use crate::config::ApiLimits;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Which budget a route draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The press: waits, never shed.
    Press,
    /// The abort: waits, never shed.
    Abort,
    /// Arming: waits for the fleet, with a time-out that its handler sets.
    Arm,
    /// Uploads: an idle time-out instead of a whole one.
    Upload,
    /// What reads much.
    Heavy,
    /// The rest.
    Light,
}

/// One lane's budget.
#[derive(Debug)]
struct Budget {
    permits: Semaphore,
    waits: bool,
    timeout: Option<Duration>,
}

/// The budgets.
#[derive(Debug)]
pub(crate) struct Lanes {
    press: Budget,
    abort: Budget,
    arm: Budget,
    upload: Budget,
    heavy: Budget,
    light: Budget,
}

impl Lanes {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        let budget = |n, waits, timeout_ms: Option<u64>| Budget {
            permits: Semaphore::new(n),
            waits,
            timeout: timeout_ms.map(Duration::from_millis),
        };
        let usual = Some(limits.request_timeout_ms);
        Self {
            press: budget(limits.presses_max, true, usual),
            abort: budget(limits.aborts_max, true, usual),
            arm: budget(limits.arms_max, false, None),
            upload: budget(limits.uploads_max, false, None),
            heavy: budget(limits.heavy_max, false, Some(limits.heavy_timeout_ms)),
            light: budget(limits.requests_max, false, usual),
        }
    }

    fn budget(&self, lane: Lane) -> &Budget {
        match lane {
            Lane::Press => &self.press,
            Lane::Abort => &self.abort,
            Lane::Arm => &self.arm,
            Lane::Upload => &self.upload,
            Lane::Heavy => &self.heavy,
            Lane::Light => &self.light,
        }
    }
}

/// Middleware: runs a request within its lane's budget and time.
pub(crate) async fn admit(
    State((app, lane)): State<(Arc<App>, Lane)>,
    request: Request,
    next: Next,
) -> Response {
    let budget = app.lanes.budget(lane);
    let run = async {
        let permit = match budget.waits {
            true => budget.permits.acquire().await.ok(),
            false => budget.permits.try_acquire().ok(),
        };
        let Some(_permit) = permit else {
            app.counts.shed();
            return overloaded(lane).into_response();
        };
        next.run(request).await
    };
    match budget.timeout {
        None => run.await,
        Some(limit) => {
            tokio::time::timeout(limit, run).await.unwrap_or_else(|_| timed_out(lane, limit).into_response())
        }
    }
}

fn overloaded(lane: Lane) -> Problem {
    let what = match lane {
        Lane::Upload => "as many uploads as allowed are under way",
        Lane::Arm => "as many armings as allowed are waiting for the fleet",
        Lane::Heavy => "as many reports and listings as allowed are being made",
        Lane::Press | Lane::Abort | Lane::Light => "as many requests as allowed are under way",
    };
    Problem::unavailable("overloaded", format!("{what}: try again in a second (a press is never turned away)"))
}

fn timed_out(lane: Lane, limit: Duration) -> Problem {
    let hint = match lane {
        Lane::Press => "; it goes on in the background, and pressing again sends nothing twice",
        Lane::Abort => "; it goes on in the background, and asking again does no harm",
        _ => "; look at the status before you try again",
    };
    Problem::unavailable("timed_out", format!("no answer within {} ms{hint}", limit.as_millis()))
}
