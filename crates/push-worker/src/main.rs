//! The `push-worker` service on AWS: the library's worker with its gateways, its health listener, its task protection.

mod settings;

use anyhow::Context as _;
use common::time::Clock;
use push_worker::apns::ApnsGateway;
use push_worker::fcm::FcmGateway;
use push_worker::gateway::Gateway;
use push_worker::{MakeGateways, PushWorker};
use service::{About, Context, protect, ready};
use settings::PushSettings;
use std::process::ExitCode;
use std::sync::Arc;

/// Gives memory back: see `docs/adr/0012-allocator.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ABOUT: About = About {
    name: "push-worker",
    about: "Drains batches to APNs and FCM, on AWS.",
    examples:
        "Examples:
  push-worker --config push-worker.toml
  push-worker --config push-worker.toml --check-config
  OWL_APNS__KEY=\"$(cat AuthKey.p8)\" push-worker --config push-worker.toml

It ends on SIGTERM, after what was begun is finished or put back. GET /readyz says whether it could send now.",
};

fn main() -> ExitCode {
    service::run(&ABOUT, start)
}

async fn start(context: &Context<PushSettings>) -> anyhow::Result<()> {
    let settings = &context.settings;
    let (backend, clock) = (context.aws.backend.clone(), Arc::clone(&context.clock));
    let gateways = gateways(settings, &clock)?;
    let worker = Arc::new(PushWorker::new(backend, Arc::clone(&clock), settings.push.config(), gateways));
    let (of_row, of_view, of_lanes) = (Arc::clone(&worker), Arc::clone(&worker), Arc::clone(&worker));
    context
        .readiness
        .is(Box::new(move || ready::worker(&of_row.row(), of_row.view().as_ref(), clock.mono())));
    context.serve_health(settings.listen).await.context("no health listener")?;
    let campaign = move || protect::state(of_view.view()?.campaign.as_deref());
    context.spawn("task protection", protect::keep(context.shutdown.clone(), campaign));
    let shutdown = context.shutdown.clone();
    // Ends early when a lane broke, and with it the service: a new one is whole.
    let lanes = async move {
        let _ = shutdown.run_until_cancelled(of_lanes.broken()).await;
    };
    context.spawn("lanes", lanes);
    context.spawn("worker", worker.run(context.shutdown.clone()));
    Ok(())
}

/// What each lane makes its own gateways from.
fn gateways(settings: &PushSettings, clock: &Arc<dyn Clock>) -> anyhow::Result<MakeGateways> {
    let apns = settings.apns.as_ref().map(|c| c.check()).transpose()?.map(Arc::new);
    let fcm = settings.fcm.as_ref().map(|c| c.check()).transpose()?.map(Arc::new);
    let clock = Arc::clone(clock);
    Ok(Arc::new(move || {
        let boxed = |gateway: Box<dyn Gateway>| gateway;
        let apns = apns.clone().map(|setup| boxed(Box::new(ApnsGateway::new(setup, Arc::clone(&clock)))));
        let fcm = fcm.clone().map(|setup| boxed(Box::new(FcmGateway::new(setup, Arc::clone(&clock)))));
        apns.into_iter().chain(fcm).collect()
    }))
}
