//! The worker: its lanes on threads of their own, the loops beside them, and the end under one deadline.

use crate::config::PushConfig;
use crate::gateway::Gateway;
use crate::lane::Lane;
use crate::shared::Shared;
use common::fleet::WorkerRow;
use common::ids::WorkerId;
use common::limits::{HEARTBEAT_EVERY, LOOK_EVERY, LOOK_GOOD_FOR, LOOKS_MAX};
use common::ports::Backend;
use common::time::Clock;
use common::watch::View;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Makes the gateways of one lane; called in the lane's thread.
pub type MakeGateways = Arc<dyn Fn() -> Vec<Box<dyn Gateway>> + Send + Sync>;

/// Before the drain time is over, writing stops this early, so that what was written can be answered (for a second: then
/// the connections are closed) and recorded.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Drains batches to the gateways.
pub struct PushWorker {
    shared: Arc<Shared>,
    make_gateways: MakeGateways,
    broken: CancellationToken,
    lanes_here: bool,
}

impl std::fmt::Debug for PushWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushWorker").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

impl PushWorker {
    /// A worker that has not looked at anything yet.
    #[must_use]
    pub fn new(
        backend: Backend,
        clock: Arc<dyn Clock>,
        config: PushConfig,
        make_gateways: MakeGateways,
    ) -> Self {
        Self::on(Shared::new(backend, clock, config), make_gateways)
    }

    /// A worker with this shared state.
    #[must_use]
    pub fn on(shared: Arc<Shared>, make_gateways: MakeGateways) -> Self {
        Self { shared, make_gateways, broken: CancellationToken::new(), lanes_here: false }
    }

    /// Its lanes run as tasks of the `LocalSet` in which [`PushWorker::run`] is polled, instead of in threads with runtimes of
    /// their own: for simulations, where everything goes by one clock.
    #[must_use]
    pub fn with_lanes_here(mut self) -> Self {
        self.lanes_here = true;
        self
    }

    /// Its id in the fleet's rows.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.shared.id
    }

    /// The heartbeat row as it would be written now.
    #[must_use]
    pub fn row(&self) -> WorkerRow {
        self.shared.row()
    }

    /// Its last good look at the slot's campaign.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.shared.watch.view()
    }

    /// Ends when a lane has broken: the others go on, but only a new process is whole again.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Works until `shutdown`, then drains: nothing new is taken, what was begun is finished or put back.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let shared = &self.shared;
        tracing::info!(worker = %shared.id, lanes = shared.config.lanes, "push worker started");
        let (loops, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(loops.clone().run_until_cancelled_owned(look_loop(Arc::clone(shared))));
        tasks.spawn(loops.clone().run_until_cancelled_owned(assign_loop(Arc::clone(shared))));
        tasks.spawn(loops.clone().run_until_cancelled_owned(report_loop(Arc::clone(shared))));
        tasks.spawn(loops.clone().run_until_cancelled_owned(fleet_loop(Arc::clone(shared))));
        let lanes = futures::future::join_all((0..shared.config.lanes.max(1)).map(|n| self.start_lane(n)));
        let mut lanes = std::pin::pin!(lanes);
        // The lanes end by themselves only when each of them broke.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => self.drain(lanes).await,
            _ = &mut lanes => tracing::error!("every lane has ended, the worker takes nothing more"),
        }
        loops.cancel();
        tasks.close();
        tasks.wait().await;
        shared.flush_counters().await;
        if let Err(error) = shared.backend.fleet.leave(shared.id).await {
            tracing::warn!(%error, "leaving not written down");
        }
        tracing::info!(worker = %shared.id, "push worker left");
    }

    async fn drain(&self, lanes: impl Future<Output = Vec<()>> + Unpin) {
        let shared = &self.shared;
        shared.draining.cancel();
        let mut lanes = lanes;
        let writing = shared.config.drain.saturating_sub(LAST_ANSWERS);
        if tokio::time::timeout(writing, &mut lanes).await.is_ok() {
            return;
        }
        tracing::warn!("drain time is nearly over, nothing more is written to a gateway");
        shared.stop();
        if tokio::time::timeout(shared.config.drain - writing, &mut lanes).await.is_err() {
            let claims = shared.row().claims;
            tracing::warn!(claims, "left behind, their leases will end");
        }
    }

    /// Starts a lane; the future ends when the lane has.
    fn start_lane(&self, index: usize) -> impl Future<Output = ()> + use<> {
        let (shared, make) = (Arc::clone(&self.shared), Arc::clone(&self.make_gateways));
        let (ended, end) = oneshot::channel::<()>();
        if self.lanes_here {
            tokio::task::spawn_local(async move {
                Lane::new(shared, index, make()).run().await;
                let _ = ended.send(());
            });
        } else {
            start_thread(shared, index, make, ended);
        }
        let (shared, broken) = (Arc::clone(&self.shared), self.broken.clone());
        async move {
            if end.await.is_err() {
                broken.cancel();
                tracing::error!(index, "lane broke, what it held comes back when its leases end");
                if let Some(report) = shared.lanes().get_mut(index) {
                    *report = crate::shared::LaneReport {
                        trouble: Some(format!("lane {index} broke: restart this worker")),
                        ..Default::default()
                    };
                }
            }
        }
    }
}

fn start_thread(shared: Arc<Shared>, index: usize, make: MakeGateways, ended: oneshot::Sender<()>) {
    let body = move || {
        run_lane(shared, index, &make);
        let _ = ended.send(());
    };
    let started = std::thread::Builder::new().name(format!("lane-{index}")).spawn(body);
    if let Err(error) = &started {
        tracing::error!(%error, index, "lane not started");
    }
}

fn run_lane(shared: Arc<Shared>, index: usize, make: &MakeGateways) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, index, "lane has no runtime");
            return;
        }
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        Lane::new(shared, index, make()).run().await;
    });
}

async fn look_loop(shared: Arc<Shared>) {
    let mut looks = tokio::task::JoinSet::new();
    loop {
        if looks.len() < LOOKS_MAX {
            let shared = Arc::clone(&shared);
            // An answer later than that is worth nothing.
            looks.spawn(async move { tokio::time::timeout(LOOK_GOOD_FOR, shared.look()).await });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        shared.note_over();
        while looks.try_join_next().is_some() {}
    }
}

async fn assign_loop(shared: Arc<Shared>) {
    loop {
        shared.assign().await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn report_loop(shared: Arc<Shared>) {
    loop {
        shared.report().await;
        tokio::time::sleep(HEARTBEAT_EVERY).await;
    }
}

async fn fleet_loop(shared: Arc<Shared>) {
    loop {
        shared.look_at_fleet().await;
        tokio::time::sleep(shared.config.fleet_every).await;
    }
}
