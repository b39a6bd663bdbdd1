//! The HTTP face of the campaign service: JSON in and out, uploads streamed to the object store, faults as RFC 9457
//! problems. It decides nothing: `control` does, and this asks, limits and translates.
//!
//! [`serve`] listens; [`router`] is the same without a listener, for tests. `docs/api.md` lists the routes.

pub mod access;
pub mod apidoc;
mod config;
mod extract;
mod guard;
mod intake;
mod lanes;
pub mod live;
mod problem;
mod ready;
mod requests;
mod routes;
mod server;
mod stream;
mod tokens;
pub mod views;
mod webhooks;

pub use ::webhooks::WebhookConfig;
pub use config::{ApiConfig, ApiLimits};
pub use problem::{Code, MEDIA_TYPE as PROBLEM_MEDIA_TYPE, Problem};
pub use routes::{ConsoleView, router};
pub use server::{ApiError, FirstAdministrator, Served, serve};

use ::webhooks::{HttpSender, Notifier};
use control::Control;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What every handler shares.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) control: Arc<Control>,
    pub(crate) config: ApiConfig,
    pub(crate) lanes: lanes::Lanes,
    pub(crate) counts: requests::Counts,
    pub(crate) ready: Arc<ready::Ready>,
    pub(crate) access: access::Access,
    pub(crate) live: live::Hub,
    pub(crate) notifier: Arc<Notifier>,
}

impl App {
    /// `shutdown` ends those who watch.
    pub(crate) fn new(
        control: Arc<Control>,
        config: ApiConfig,
        ready: Arc<ready::Ready>,
        shutdown: CancellationToken,
    ) -> Self {
        let (lanes, access) = (lanes::Lanes::new(&config.limits), access::Access::new(&config.access));
        let live = live::Hub::new(config.limits.live_watchers_max, shutdown);
        let sender = HttpSender::new(config.webhooks, Arc::clone(control.clock()));
        let notifier = Notifier::new(Arc::clone(&control), Arc::new(sender));
        Self { control, config, lanes, counts: requests::Counts::default(), ready, access, live, notifier }
    }
}

/// As handlers get it.
pub(crate) type Shared = axum::extract::State<Arc<App>>;
