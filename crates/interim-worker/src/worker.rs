//! The worker: its state, its loops, and its end.

use crate::config::InterimConfig;
use crate::handle::Handled;
use crate::load::{Held, LoadError};
use crate::report::Progress;
use common::fleet::CounterRows;
use common::ids::{CampaignId, SnapshotId, WorkerId};
use common::limits::{
    HEARTBEAT_EVERY, LOOK_EVERY, LOOK_GOOD_FOR, LOOKS_MAX, QUEUE_CALL_ENTRIES_MAX, SHARD_VISIBILITY,
};
use common::outage::Outage;
use common::ports::{Backend, PortError, Received};
use common::time::{Clock, UnixMs};
use common::watch::{View, Watch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use telemetry::metrics::Queue::Shards;
use telemetry::metrics::{ENVELOPES, Event, QUEUE_FAILURES, SNAPSHOT_LOAD_SECONDS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pause after a loading or a receive that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Expands shards. Shared by its tasks.
pub struct InterimWorker {
    pub(crate) id: WorkerId,
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: InterimConfig,
    pub(crate) watch: Watch,
    pub(crate) started_at: UnixMs,
    pub(crate) progress: watch::Sender<Progress>,
    held: Mutex<Option<Arc<Held>>>,
    opening: tokio::sync::Mutex<()>,
    counters: Mutex<CounterRows>,
    pub(crate) flushing: tokio::sync::Mutex<()>,
    permits: Arc<Semaphore>,
    stopped: AtomicBool,
    pub(crate) receiving: Outage,
    pub(crate) expanding: Outage,
    /// Since when a snapshot is being loaded, on the monotonic clock.
    pub(crate) loading_since: Mutex<Option<Duration>>,
}

impl std::fmt::Debug for InterimWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InterimWorker").field("id", &self.id).finish_non_exhaustive()
    }
}

impl InterimWorker {
    /// A worker that has not looked at anything yet.
    #[must_use]
    pub fn new(backend: Backend, clock: Arc<dyn Clock>, config: InterimConfig) -> Self {
        Self::with_id(WorkerId::random(), backend, clock, config)
    }

    /// The same under this id, which no other worker has: simulations draw their own.
    #[must_use]
    pub fn with_id(id: WorkerId, backend: Backend, clock: Arc<dyn Clock>, config: InterimConfig) -> Self {
        let watch = Watch::new(Arc::clone(&backend.campaigns), Arc::clone(&clock));
        let permits = Arc::new(Semaphore::new(config.permits.max(1)));
        Self {
            id,
            started_at: clock.now(),
            progress: watch::channel(Progress::default()).0,
            held: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            counters: Mutex::new(CounterRows::new(id)),
            flushing: tokio::sync::Mutex::default(),
            stopped: AtomicBool::new(false),
            receiving: Outage::new("the shard queue could not be received from"),
            expanding: Outage::new("no shard could be expanded"),
            loading_since: Mutex::default(),
            backend,
            clock,
            config,
            watch,
            permits,
        }
    }

    /// Its id in the fleet's rows.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Its last good look at the slot's campaign.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.watch.view()
    }

    /// Works until `shutdown`, then drains: nothing new is taken, what was begun is finished or given back.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        tracing::info!(worker = %self.id, "interim worker started");
        let loops = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(loops.clone().run_until_cancelled_owned(Arc::clone(&self).look_loop()));
        tasks.spawn(loops.clone().run_until_cancelled_owned(Arc::clone(&self).load_loop()));
        tasks.spawn(loops.clone().run_until_cancelled_owned(Arc::clone(&self).report_loop()));
        self.take_loop(&shutdown).await;
        self.drain().await;
        loops.cancel();
        tasks.close();
        tasks.wait().await;
        self.flush_counters().await;
        if let Err(error) = self.backend.fleet.leave(self.id).await {
            tracing::warn!(%error, "leaving not written down");
        }
        tracing::info!(worker = %self.id, "interim worker left");
    }

    /// Looks at the slot's campaign.
    ///
    /// # Errors
    /// As the port says; the last good look stays, and ages.
    pub async fn look(&self) -> Result<(), PortError> {
        self.watch.look().await.map(|_| ())
    }

    /// Makes the held snapshot that of the slot's campaign: drops another one, loads what is missing.
    pub async fn load(&self) {
        let campaign = self.watch.campaign();
        let wanted = campaign.as_ref().and_then(|c| Some((c.id, c.snapshot.as_ref()?.id)));
        let Some((id, snapshot)) = wanted else {
            self.forget();
            self.progress.send_replace(Progress { campaign: campaign.map(|c| c.id), ..Progress::default() });
            return;
        };
        if self.held().is_some_and(|h| h.snapshot == snapshot && h.campaign == id && h.is_whole())
            && self.progress.borrow().snapshot == Some(snapshot)
        {
            return;
        }
        self.load_whole(id, snapshot).await;
    }

    async fn load_whole(&self, campaign: CampaignId, snapshot: SnapshotId) {
        let began = self.clock.mono();
        self.loading_is(Some(began));
        let loaded = async {
            let held = self.snapshot(campaign, snapshot).await?;
            held.preload().await?;
            Ok::<_, LoadError>(held)
        };
        let (whole, trouble) = match loaded.await {
            Ok(held) if held.is_too_large() => {
                let most = self.config.snapshot_bytes_max;
                (
                    None,
                    Some(format!("the snapshot is larger than the {most} bytes that this worker may hold")),
                )
            }
            Ok(_) => (Some(snapshot), None),
            Err(error) => (None, Some(error.to_string())),
        };
        self.loading_is(None);
        let took = self.clock.mono().saturating_sub(began);
        if trouble.is_none() {
            SNAPSHOT_LOAD_SECONDS.observe((), took);
        }
        let prepare_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &trouble {
            None => tracing::info!(%campaign, %snapshot, prepare_ms, "snapshot loaded"),
            Some(trouble) => tracing::warn!(%campaign, %snapshot, trouble, "snapshot not loaded"),
        }
        let next = Progress { campaign: Some(campaign), snapshot: whole, prepare_ms, trouble };
        self.progress.send_if_modified(|old| {
            let changed =
                (old.campaign, old.snapshot, &old.trouble) != (next.campaign, next.snapshot, &next.trouble);
            *old = next;
            changed
        });
    }

    /// Receives as many shard envelopes as there are free permits, and handles them. For tests and tools: it is what
    /// [`InterimWorker::run`] does in a loop.
    pub async fn step(&self) -> Vec<Handled> {
        let most = self.permits.available_permits().clamp(1, QUEUE_CALL_ENTRIES_MAX);
        let received = self.receive(most).await;
        futures::future::join_all(received.into_iter().map(|r| self.handle(r))).await
    }

    async fn take_loop(self: &Arc<Self>, shutdown: &CancellationToken) {
        while let Some(Some(permits)) = shutdown.run_until_cancelled(self.take_permits()).await {
            for (received, permit) in self.receive(permits.len()).await.into_iter().zip(permits) {
                let worker = Arc::clone(self);
                tokio::spawn(async move {
                    worker.handle(received).await;
                    drop(permit);
                });
            }
        }
    }

    /// Waits for one permit, then takes those that are free beside it.
    async fn take_permits(&self) -> Option<Vec<OwnedSemaphorePermit>> {
        let mut taken = vec![Arc::clone(&self.permits).acquire_owned().await.ok()?];
        while taken.len() < QUEUE_CALL_ENTRIES_MAX {
            let Ok(more) = Arc::clone(&self.permits).try_acquire_owned() else { break };
            taken.push(more);
        }
        Some(taken)
    }

    /// Never dropped half way: an envelope that was handed out to a dropped call would stay hidden for seconds.
    async fn receive(&self, max: usize) -> Vec<Received> {
        match self.backend.shards.receive(max, self.config.receive_wait, SHARD_VISIBILITY).await {
            Ok(received) => {
                ENVELOPES.add_len((Shards, Event::Received), received.len());
                self.receiving.over();
                received
            }
            Err(error) => {
                QUEUE_FAILURES.one(Shards);
                tracing::warn!(%error, "shard envelopes not received");
                self.receiving.failed(self.clock.mono(), &error);
                tokio::time::sleep(PAUSE).await;
                Vec::new()
            }
        }
    }

    /// Waits for what is being handled; after the drain time, closes the gate so that it is given back.
    async fn drain(&self) {
        let all = u32::try_from(self.config.permits.max(1)).unwrap_or(u32::MAX);
        if tokio::time::timeout(self.config.drain, self.permits.acquire_many(all)).await.is_err() {
            tracing::warn!(shards = self.busy(), "drain time is over, giving back");
            self.stopped.store(true, Ordering::Relaxed);
            if tokio::time::timeout(SHARD_VISIBILITY, self.permits.acquire_many(all)).await.is_err() {
                tracing::warn!(shards = self.busy(), "left behind, their visibility will end");
            }
        }
    }

    async fn look_loop(self: Arc<Self>) {
        let mut looks = tokio::task::JoinSet::new();
        loop {
            if looks.len() < LOOKS_MAX {
                let this = Arc::clone(&self);
                looks.spawn(async move { this.look_in_time().await });
            }
            tokio::time::sleep(LOOK_EVERY).await;
            while looks.try_join_next().is_some() {}
        }
    }

    /// An answer later than a look is good for is worth nothing.
    async fn look_in_time(&self) {
        match tokio::time::timeout(LOOK_GOOD_FOR, self.look()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "campaign not looked at"),
            Err(_) => tracing::warn!("campaign not looked at in time"),
        }
    }

    async fn load_loop(self: Arc<Self>) {
        loop {
            self.load().await;
            let pause = if self.progress.borrow().trouble.is_some() { PAUSE } else { LOOK_EVERY };
            tokio::time::sleep(pause).await;
        }
    }

    async fn report_loop(self: Arc<Self>) {
        let mut changes = self.progress.subscribe();
        loop {
            self.report().await;
            // A change is told at once, everything else with the next beat.
            let _ = tokio::time::timeout(HEARTBEAT_EVERY, changes.changed()).await;
        }
    }

    /// The snapshot of this name: the held one, or opened now in its place. Two are never held at once.
    pub(crate) async fn snapshot(
        &self,
        campaign: CampaignId,
        snapshot: SnapshotId,
    ) -> Result<Arc<Held>, LoadError> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(held) = self.held().filter(|h| h.campaign == campaign && h.snapshot == snapshot) {
            return Ok(held);
        }
        self.forget();
        let objects = Arc::clone(&self.backend.objects);
        let held = Arc::new(Held::open(objects, campaign, snapshot, self.config.clone()).await?);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
        Ok(held)
    }

    fn loading_is(&self, since: Option<Duration>) {
        *self.loading_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    pub(crate) fn held(&self) -> Option<Arc<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, CounterRows> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, campaign: CampaignId, shards: u32, entries: usize) {
        let mut rows = self.counters();
        let row = rows.at(campaign, self.clock.now());
        row.shards_received += shards;
        row.expanded += u32::try_from(entries).unwrap_or(u32::MAX);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Shard envelopes being handled.
    pub(crate) fn busy(&self) -> usize {
        self.config.permits.max(1).saturating_sub(self.permits.available_permits())
    }
}
