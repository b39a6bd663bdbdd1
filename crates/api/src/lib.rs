//! The HTTP face of the campaign service: JSON in and out, uploads streamed to the object store, faults as RFC 9457
//! problems. It decides nothing: `control` does, and this asks, limits and translates.
//!
//! [`serve`] listens; [`router`] is the same without a listener, for tests. `docs/api.md` lists the routes.

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
pub mod views;

pub use config::{ApiConfig, ApiLimits};
pub use problem::{MEDIA_TYPE as PROBLEM_MEDIA_TYPE, Problem};
pub use routes::{ConsoleView, router};
pub use server::{ApiError, Served, serve};

use control::Control;
use std::sync::Arc;

/// What every handler shares.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) control: Arc<Control>,
    pub(crate) config: ApiConfig,
    pub(crate) lanes: lanes::Lanes,
    pub(crate) counts: requests::Counts,
    pub(crate) ready: Arc<ready::Ready>,
    pub(crate) live: live::Hub,
}

/// As handlers get it.
pub(crate) type Shared = axum::extract::State<Arc<App>>;
