//! Lanes: each kind of route has its own budget of requests at once, so that no crowd in one stands in the way of
//! another. Presses and aborts wait for their turn; everything else is shed when its lane is full.

use crate::App;
use crate::config::ApiLimits;
use crate::problem::{Code, Problem};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// People signing in at once (ours): a sign-in is one look into memory.
const SIGN_INS_MAX: usize = 16;

/// Which budget a route draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Press and abort. Never shed: they take a [`Turn`] once their body is read, so that slow senders hold none.
    Button,
    /// Arming: waits for the fleet, with a time-out that its handler sets.
    Arm,
    /// Uploads: an idle time-out instead of a whole one.
    Upload,
    /// What reads much.
    Heavy,
    /// Signing in, which needs no token: strangers stand in nobody's way but each other's.
    SignIn,
    /// The rest.
    Light,
}

/// One lane's budget.
#[derive(Debug)]
struct Budget {
    permits: Option<Semaphore>,
    timeout: Option<Duration>,
}

/// The budgets.
#[derive(Debug)]
pub(crate) struct Lanes {
    presses: Arc<Semaphore>,
    aborts: Arc<Semaphore>,
    button: Budget,
    arm: Budget,
    upload: Budget,
    heavy: Budget,
    sign_in: Budget,
    light: Budget,
}

/// The right to work on a press or an abort, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Turn(Option<OwnedSemaphorePermit>);

impl Turn {
    /// The work is done: the next one may begin.
    pub(crate) fn end(self) {
        drop(self.0);
    }
}

impl Lanes {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        let budget = |permits: Option<usize>, timeout_ms: Option<u64>| Budget {
            permits: permits.map(Semaphore::new),
            timeout: timeout_ms.map(Duration::from_millis),
        };
        let usual = Some(limits.request_timeout_ms);
        Self {
            presses: Arc::new(Semaphore::new(limits.presses_max)),
            aborts: Arc::new(Semaphore::new(limits.aborts_max)),
            button: budget(None, usual),
            arm: budget(Some(limits.arms_max), None),
            upload: budget(Some(limits.uploads_max), None),
            heavy: budget(Some(limits.heavy_max), Some(limits.heavy_timeout_ms)),
            sign_in: budget(Some(SIGN_INS_MAX), usual),
            light: budget(Some(limits.requests_max), usual),
        }
    }

    /// Waits until a press may be worked on.
    pub(crate) async fn press(&self) -> Turn {
        Turn(Arc::clone(&self.presses).acquire_owned().await.ok())
    }

    /// Waits until an abort may be worked on.
    pub(crate) async fn abort(&self) -> Turn {
        Turn(Arc::clone(&self.aborts).acquire_owned().await.ok())
    }

    fn budget(&self, lane: Lane) -> &Budget {
        match lane {
            Lane::Button => &self.button,
            Lane::Arm => &self.arm,
            Lane::Upload => &self.upload,
            Lane::Heavy => &self.heavy,
            Lane::SignIn => &self.sign_in,
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
    let permit = budget.permits.as_ref().map(Semaphore::try_acquire).transpose();
    let Ok(_permit) = permit else {
        app.counts.shed();
        return overloaded(lane).into_response();
    };
    match budget.timeout {
        None => next.run(request).await,
        Some(limit) => {
            let run = tokio::time::timeout(limit, next.run(request));
            run.await.unwrap_or_else(|_| timed_out(lane, limit).into_response())
        }
    }
}

fn overloaded(lane: Lane) -> Problem {
    let what = match lane {
        Lane::Upload => "as many uploads as allowed are under way",
        Lane::Arm => "as many armings as allowed are waiting for the fleet",
        Lane::SignIn => "as many people as allowed are signing in",
        Lane::Heavy => "as many reports and listings as allowed are being made",
        Lane::Button | Lane::Light => "as many requests as allowed are under way",
    };
    Problem::new(Code::Overloaded, format!("{what}: try again in a second (a press is never turned away)"))
}

fn timed_out(lane: Lane, limit: Duration) -> Problem {
    let hint = match lane {
        Lane::Button => "it goes on in the background if it had begun; asking again does nothing twice",
        _ => "look at the status before you try again",
    };
    Problem::new(Code::TimedOut, format!("no answer within {} ms; {hint}", limit.as_millis()))
}
