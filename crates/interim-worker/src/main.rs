//! The `interim-worker` service on AWS: the library's worker, its health listener, its task protection.

mod settings;

use anyhow::Context as _;
use interim_worker::InterimWorker;
use service::{About, Context, protect, ready};
use settings::InterimSettings;
use std::process::ExitCode;
use std::sync::Arc;

/// Gives memory back: see `docs/adr/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ABOUT: About = About {
    name: "interim-worker",
    about: "Holds the armed campaign's snapshot in memory and expands shards into batches, on AWS.",
    examples: "Examples:
  interim-worker --config interim-worker.toml
  interim-worker --config interim-worker.toml --check-config
  OWL_AWS__BUCKET=owl-data OWL_AWS__REGION=eu-central-1 interim-worker

It ends on SIGTERM, after what was begun is finished or given back. GET /readyz says whether it could expand now.",
};

fn main() -> ExitCode {
    service::run(&ABOUT, start)
}

async fn start(context: &Context<InterimSettings>) -> anyhow::Result<()> {
    let settings = &context.settings;
    let (backend, clock) = (context.aws.backend.clone(), Arc::clone(&context.clock));
    let worker = Arc::new(InterimWorker::new(backend, Arc::clone(&clock), settings.interim.config()));
    let (of_row, of_view) = (Arc::clone(&worker), Arc::clone(&worker));
    context
        .readiness
        .is(Box::new(move || ready::worker(&of_row.row(), of_row.view().as_ref(), clock.mono())));
    context.serve_health(settings.listen).await.context("no health listener")?;
    let campaign = move || protect::state(of_view.view()?.campaign.as_deref());
    context.spawn("task protection", protect::keep(context.shutdown.clone(), campaign));
    context.spawn("worker", worker.run(context.shutdown.clone()));
    Ok(())
}
