//! What the lanes of one worker share: the watch, the gateways' controls, the counters, and the campaign to prepare for.

use crate::breaker::Health;
use crate::config::PushConfig;
use crate::control::Control;
use common::campaign::{Campaign, RunKind};
use common::device::Platform;
use common::fleet::{CounterRows, LinkRow};
use common::ids::{CampaignId, ContentId, Epoch, SnapshotId, WorkerId};
use common::limits::LOOK_GOOD_FOR;
use common::outage::Outage;
use common::ports::Backend;
use common::snapshot::{Manifest, keys};
use common::test_send::TestId;
use common::time::{Clock, UnixMs};
use common::watch::Watch;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The campaign that the lanes are to be ready for.
#[derive(Debug)]
pub struct Assignment {
    /// Its record when the manifest was loaded.
    pub campaign: Arc<Campaign>,
    /// Its snapshot.
    pub snapshot: SnapshotId,
    /// What is in the snapshot.
    pub manifest: Arc<Manifest>,
}

impl Assignment {
    /// The gateways that it has devices for.
    #[must_use]
    pub fn needed(&self) -> Vec<Platform> {
        let has = |p: &Platform| self.manifest.devices.get(p.label()).is_some_and(|n| *n > 0);
        Platform::ALL.into_iter().filter(has).collect()
    }
}

/// How one lane is, for the worker's heartbeat row.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaneReport {
    pub(crate) prepared: Option<(CampaignId, ContentId, SnapshotId)>,
    pub(crate) ready: bool,
    pub(crate) prepare_ms: u64,
    pub(crate) trouble: Option<String>,
    pub(crate) payload_bytes_max: u32,
    pub(crate) links: Vec<LinkRow>,
    pub(crate) rehearsal: bool,
    pub(crate) claims: u32,
    pub(crate) devices_in_flight: usize,
}

/// The state that all lanes and loops of one worker share.
pub struct Shared {
    pub(crate) id: WorkerId,
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: PushConfig,
    pub(crate) watch: Watch,
    pub(crate) started_at: UnixMs,
    /// Nothing new is taken once this is cancelled.
    pub(crate) draining: CancellationToken,
    pub(crate) assignment: watch::Sender<Option<Arc<Assignment>>>,
    /// Told of each new assignment. (A watch wakes its receivers in an order of chance, and a simulated night could not be repeated.)
    pub(crate) assigned: Notify,
    /// The run that may be sent, as of the last time that was asked.
    sending: Mutex<Option<(CampaignId, Epoch, RunKind)>>,
    /// Told when it is over, for good or for now.
    pub(crate) over: Notify,
    pub(crate) assign_trouble: Mutex<Option<String>>,
    /// Claims and completions.
    pub(crate) ledger: Outage,
    controls: [Mutex<Control>; 2],
    /// Push workers that shared the quotas at the last look at the fleet; 0 before the first.
    pub(crate) sharing: AtomicUsize,
    counters: Mutex<CounterRows>,
    lanes: Mutex<Vec<LaneReport>>,
    /// Whether a gateway was out of reach at the last heartbeat.
    pub(crate) was_cut: AtomicBool,
    stopped: AtomicBool,
    /// Held by the one test that is under way. Inside: the test of which it is not known whether this worker took it.
    pub(crate) testing: tokio::sync::Mutex<Option<TestId>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A lock whose holder panicked still holds counts that are worth having.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// For a worker with this configuration that has not looked at anything yet.
    #[must_use]
    pub fn new(backend: Backend, clock: Arc<dyn Clock>, config: PushConfig) -> Arc<Self> {
        Self::with_id(WorkerId::random(), backend, clock, config)
    }

    /// The same under this id, which no other worker has.
    #[must_use]
    pub fn with_id(id: WorkerId, backend: Backend, clock: Arc<dyn Clock>, config: PushConfig) -> Arc<Self> {
        let control = || Mutex::new(Control::new(&config, clock.mono()));
        Arc::new(Self {
            id,
            watch: Watch::new(Arc::clone(&backend.campaigns), Arc::clone(&clock)),
            started_at: clock.now(),
            draining: CancellationToken::new(),
            assignment: watch::channel(None).0,
            assigned: Notify::new(),
            sending: Mutex::default(),
            over: Notify::new(),
            assign_trouble: Mutex::default(),
            ledger: Outage::new("the ledger could not be written"),
            controls: [control(), control()],
            sharing: AtomicUsize::new(0),
            counters: Mutex::new(CounterRows::new(id)),
            lanes: Mutex::new(vec![LaneReport::default(); config.lanes.max(1)]),
            was_cut: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            testing: tokio::sync::Mutex::default(),
            backend,
            clock,
            config,
        })
    }

    /// Looks at the slot's campaign.
    pub async fn look(&self) {
        if let Err(error) = self.watch.look().await {
            tracing::warn!(%error, "campaign not looked at");
        }
        self.note_over();
    }

    /// Tells the lanes when the run that may be sent is over: stopped, done, at its deadline, or not seen for too long. A press after a
    /// canary ends nothing.
    pub(crate) fn note_over(&self) {
        let view = self.watch.view();
        let (now, mono) = (self.clock.now(), self.clock.mono());
        let fresh = view.filter(|view| mono.saturating_sub(view.began) < LOOK_GOOD_FOR);
        let campaign = fresh.and_then(|view| view.campaign);
        let run = campaign.as_ref().and_then(|c| c.live_run().map(|run| (c.id, run)));
        let run = run.filter(|(_, run)| run.deadline_at > now).map(|(id, run)| (id, run.epoch, run.kind));
        let before = std::mem::replace(&mut *lock(&self.sending), run);
        let goes_on = |(id, epoch, _)| {
            run.is_some_and(|(i, e, kind)| (i, e) == (id, epoch) || i == id && kind == RunKind::Press)
        };
        if before.is_some_and(|before| !goes_on(before)) {
            self.over.notify_waiters();
        }
    }

    /// Makes the assignment that of the slot's campaign; loads the manifest when the snapshot is another.
    pub async fn assign(&self) {
        let campaign = self.watch.campaign();
        let Some((campaign, snapshot)) =
            campaign.and_then(|c| Some((Arc::clone(&c), c.snapshot.as_ref()?.id)))
        else {
            if self.assignment.send_if_modified(|a| a.take().is_some()) {
                self.assigned.notify_waiters();
            }
            *lock(&self.assign_trouble) = None;
            return;
        };
        let old = self.assignment.borrow().clone();
        let manifest = match old {
            Some(a) if a.snapshot == snapshot && a.campaign.content_id == campaign.content_id => return,
            Some(a) if a.snapshot == snapshot => Ok(Arc::clone(&a.manifest)),
            _ => self.manifest(campaign.id, snapshot).await.map(Arc::new),
        };
        match manifest {
            Ok(manifest) => {
                *lock(&self.assign_trouble) = None;
                self.assignment.send_replace(Some(Arc::new(Assignment { campaign, snapshot, manifest })));
                self.assigned.notify_waiters();
            }
            Err(trouble) => {
                tracing::warn!(campaign = %campaign.id, trouble, "manifest not loaded");
                *lock(&self.assign_trouble) = Some(trouble);
            }
        }
    }

    async fn manifest(&self, campaign: CampaignId, snapshot: SnapshotId) -> Result<Manifest, String> {
        let key = keys::manifest(campaign, snapshot);
        let bytes = self.backend.objects.get(&key, None).await.map_err(|e| e.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("object `{key}` is missing: build the snapshot again"))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| format!("manifest damaged: {e}"))?;
        let same = manifest.id() == snapshot;
        same.then_some(manifest).ok_or_else(|| "manifest damaged: its id is another".to_owned())
    }

    /// What is known about using this gateway.
    pub(crate) fn control(&self, platform: Platform) -> MutexGuard<'_, Control> {
        lock(&self.controls[platform as usize])
    }

    pub(crate) fn health(&self, platform: Platform) -> Health {
        self.control(platform).health()
    }

    pub(crate) fn counters(&self) -> MutexGuard<'_, CounterRows> {
        lock(&self.counters)
    }

    pub(crate) fn lanes(&self) -> MutexGuard<'_, Vec<LaneReport>> {
        lock(&self.lanes)
    }

    /// The drain time is over: nothing more is written to a gateway.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
