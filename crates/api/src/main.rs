//! The `api` service on AWS: the HTTP API, the reconciler and the snapshot builder. Several such tasks may run: what they
//! share is behind conditional writes and leases.

mod settings;

use anyhow::Context as _;
use audience::build::run_builder;
use control::Control;
use service::{About, Context};
use settings::ApiSettings;
use std::process::ExitCode;
use std::sync::Arc;

/// Gives memory back: see `docs/adr/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ABOUT: About = About {
    name: "api",
    about: "The HTTP API of Superb Owl on AWS, with the reconciler and the snapshot builder.",
    examples: "Examples:
  api --config api.toml
  api --config api.toml --check-config
  OWL_LISTEN=127.0.0.1:8080 OWL_AWS__BUCKET=owl-data api

It ends on SIGTERM, after the requests under way. GET /readyz says whether a press would go through now.",
};

fn main() -> ExitCode {
    service::run(&ABOUT, start)
}

async fn start(context: &Context<ApiSettings>) -> anyhow::Result<()> {
    let (backend, clock) = (context.aws.backend.clone(), Arc::clone(&context.clock));
    let control = Control::with_scaling(backend.clone(), Arc::clone(&clock), context.aws.scaling.clone());
    let shutdown = &context.shutdown;
    let served = api::serve(Arc::clone(&control), context.settings.config(), shutdown.clone());
    let served = served.await.context("no API")?;
    tracing::info!(address = %served.addr, "listening");
    let joined = async move {
        served.handle.await.unwrap_or_else(|broken| std::panic::resume_unwind(broken.into_panic()));
    };
    context.spawn("http", joined);
    context.spawn("reconciler", Arc::clone(&control).run_reconciler(shutdown.clone()));
    context.spawn("snapshot builder", run_builder(backend, clock, control.notes_builds(), shutdown.clone()));
    context.at_end(async move { control.flush_audit().await });
    Ok(())
}
