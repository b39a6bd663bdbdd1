//! A lane: one thread's gateways, its room for devices, and the step that it repeats.
//!
//! A step is: take room, receive, [`admit`](crate::admit), claim, send, finish. Its future may be dropped at any point:
//! what was received comes back when its visibility ends, what was claimed when its lease ends.

use crate::control::batches_to_take;
use crate::gateway::{Gateway, Prepare};
use crate::permits::{Permits, Room};
use crate::shared::{Assignment, LaneReport, Shared};
use crate::transport::limits::READ_WITHIN;
use common::device::Platform;
use common::ids::{CampaignId, ContentId, SnapshotId};
use common::limits::{BATCH_VISIBILITY, LOOK_EVERY, LOOK_GOOD_FOR, QUEUE_CALL_ENTRIES_MAX};
use common::outage::Outage;
use common::ports::Received;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use telemetry::metrics::Queue::Batches;
use telemetry::metrics::{ENVELOPES, Event, QUEUE_FAILURES};

/// Pause when there is nothing that may be taken, or receiving failed.
const PAUSE: Duration = Duration::from_millis(50);
/// All receivers of a lane receive while the last envelope came less than this ago; else one does, because every call that
/// brings nothing is paid for.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// A gateway that could not be prepared is tried again after this.
const PREPARE_AGAIN: Duration = Duration::from_secs(1);

/// What a lane is ready for.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) campaign: CampaignId,
    pub(crate) content: ContentId,
    pub(crate) snapshot: SnapshotId,
    pub(crate) needed: Vec<Platform>,
    /// Devices of an average batch, rounded up.
    pub(crate) per_batch: usize,
}

/// One gateway of a lane.
pub(crate) struct Link {
    pub(crate) gateway: Rc<dyn Gateway>,
    /// Its payload's size, once it is prepared for the assignment; before, why not.
    state: RefCell<Result<u32, String>>,
}

/// Envelopes that were received, with the room that is held for them.
pub(crate) struct Taken {
    pub(crate) received: Vec<Received>,
    pub(crate) room: Room,
}

/// One thread's part of a worker.
pub struct Lane {
    pub(crate) shared: Arc<Shared>,
    index: usize,
    links: [Option<Link>; 2],
    pub(crate) permits: Rc<Permits>,
    pub(crate) prepared: RefCell<Option<Rc<Prepared>>>,
    prepare_ms: Cell<u64>,
    prepare_again_at: Cell<Duration>,
    pub(crate) claims: Cell<u32>,
    /// When the last envelope was received.
    received_at: Cell<Option<Duration>>,
    receiving: Outage,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Lane {
    /// A lane with these gateways, one per platform (the last one wins).
    #[must_use]
    pub fn new(shared: Arc<Shared>, index: usize, gateways: Vec<Box<dyn Gateway>>) -> Rc<Self> {
        let mut links = [None, None];
        for gateway in gateways {
            let at = gateway.platform() as usize;
            links[at] =
                Some(Link { gateway: gateway.into(), state: RefCell::new(Err("not prepared".into())) });
        }
        Rc::new(Self {
            index,
            links,
            permits: Permits::new(shared.config.devices_in_flight),
            prepared: RefCell::default(),
            prepare_ms: Cell::new(0),
            prepare_again_at: Cell::new(Duration::ZERO),
            claims: Cell::new(0),
            received_at: Cell::new(None),
            receiving: Outage::new("the batch queue could not be received from"),
            shared,
        })
    }

    pub(crate) fn link(&self, platform: Platform) -> Option<&Link> {
        self.links[platform as usize].as_ref()
    }

    /// Prepares the gateways for the assignment where they are not, and reports how the lane is.
    pub async fn tend(&self) {
        let assignment = self.shared.assignment.borrow().clone();
        match assignment {
            None => *self.prepared.borrow_mut() = None,
            Some(a) => self.prepare(&a).await,
        }
        self.report();
    }

    async fn prepare(&self, assignment: &Assignment) {
        let campaign = &assignment.campaign;
        let (id, content, snapshot) = (campaign.id, campaign.content_id, assignment.snapshot);
        let is_same = |p: &Rc<Prepared>| (p.campaign, p.content, p.snapshot) == (id, content, snapshot);
        let same = self.prepared.borrow().as_ref().is_some_and(is_same);
        let needed = assignment.needed();
        let ready = |p: &Platform| self.link(*p).is_none_or(Link::is_ready);
        let began = self.shared.clock.mono();
        if same && (needed.iter().all(ready) || began < self.prepare_again_at.get()) {
            return;
        }
        *self.prepared.borrow_mut() = None;
        let what =
            Prepare { campaign: id, content: &campaign.content, locales: &assignment.manifest.locales };
        let links = needed.iter().filter_map(|p| self.link(*p));
        futures::future::join_all(links.map(|l| l.prepare(&what, same))).await;
        let manifest = &assignment.manifest;
        let per_batch = manifest.device_count().div_ceil(manifest.batches().max(1));
        let per_batch = usize::try_from(per_batch).unwrap_or(1).max(1);
        *self.prepared.borrow_mut() =
            Some(Rc::new(Prepared { campaign: id, content, snapshot, needed, per_batch }));
        let took = self.shared.clock.mono().saturating_sub(began);
        self.prepare_ms.set(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.prepare_again_at.set(self.shared.clock.mono() + PREPARE_AGAIN);
        tracing::info!(lane = self.index, campaign = %id, took_ms = self.prepare_ms.get(), trouble = self.trouble(), "lane prepared");
    }

    /// Puts this lane's part of the heartbeat where the worker finds it.
    fn report(&self) {
        let prepared = self.prepared.borrow().clone();
        let links: Vec<_> = self.links.iter().flatten().collect();
        let trouble = self.trouble().or_else(|| self.receiving.sentence(self.shared.clock.mono()));
        let report = LaneReport {
            ready: prepared.is_some() && trouble.is_none(),
            prepared: prepared.map(|p| (p.campaign, p.content, p.snapshot)),
            prepare_ms: self.prepare_ms.get(),
            trouble,
            payload_bytes_max: links.iter().filter_map(|l| l.payload_bytes()).max().unwrap_or(0),
            links: links.iter().map(|l| l.gateway.link()).collect(),
            rehearsal: !links.is_empty() && links.iter().all(|l| l.gateway.is_rehearsal()),
            claims: self.claims.get(),
            devices_in_flight: self.permits.used(),
        };
        if let Some(place) = self.shared.lanes().get_mut(self.index) {
            *place = report;
        }
        self.shared.pace();
    }

    fn trouble(&self) -> Option<String> {
        let prepared = self.prepared.borrow();
        prepared.as_ref()?.needed.iter().find_map(|p| match self.link(*p) {
            None => {
                Some(format!("the audience has {} devices, and no such gateway is configured", p.label()))
            }
            Some(link) => link.state.borrow().as_ref().err().map(|why| format!("{}: {why}", p.label())),
        })
    }

    /// One step, from the queue to the deletion. Answers how many envelopes it received. For tests and tools: the
    /// worker runs several steps at a time.
    pub async fn step(&self) -> usize {
        match self.take().await {
            Some(taken) => {
                let count = taken.received.len();
                self.work(taken).await;
                count
            }
            None => 0,
        }
    }

    /// Takes room, then receives as many envelopes as there is room for. `None` when nothing may be taken now.
    pub(crate) async fn take(&self) -> Option<Taken> {
        let (per_batch, most) = self.wants()?;
        let room = self.permits.take(per_batch, most);
        let (room, batches) = self.shared.draining.run_until_cancelled(room).await?;
        // A lot may have changed while there was no room.
        let batches = self.wants().map_or(0, |(_, most)| batches.min(most));
        if batches == 0 {
            return None;
        }
        let wait = self.shared.config.receive_wait;
        match self.shared.backend.batches.receive(batches, wait, BATCH_VISIBILITY).await {
            Ok(received) => {
                ENVELOPES.add_len((Batches, Event::Received), received.len());
                self.receiving.over();
                if !received.is_empty() {
                    self.received_at.set(Some(self.shared.clock.mono()));
                }
                Some(Taken { received, room })
            }
            Err(error) => {
                QUEUE_FAILURES.one(Batches);
                self.receiving.failed(self.shared.clock.mono(), &error);
                tracing::warn!(%error, "batch envelopes not received");
                None
            }
        }
    }

    /// Devices of a batch and how many batches to take; `None` when none may be taken: there is no fresh look at the
    /// campaign, the lane is not prepared for what is being sent, or its gateways are shut.
    fn wants(&self) -> Option<(usize, usize)> {
        let shared = &self.shared;
        let view = shared.watch.view()?;
        let now = shared.clock.mono();
        if shared.draining.is_cancelled() || now.saturating_sub(view.began) >= LOOK_GOOD_FOR {
            return None;
        }
        let prepared = self.prepared.borrow().clone();
        match view.campaign.filter(|c| c.live_run().is_some()) {
            // What is on the queue now belongs to no run, and is taken to be deleted; or to one that began since the look, and then
            // it is as large as others of its campaign. Where that is not known, ten of them take all the room.
            None => {
                let unknown = (shared.config.devices_in_flight / QUEUE_CALL_ENTRIES_MAX).max(1);
                Some((prepared.map_or(unknown, |p| p.per_batch), QUEUE_CALL_ENTRIES_MAX))
            }
            Some(c) => {
                let prepared = prepared.filter(|p| p.campaign == c.id)?;
                let mut controls: Vec<_> = prepared.needed.iter().map(|p| shared.control(*p)).collect();
                let needed = controls.iter_mut().map(|c| &mut **c);
                let most = batches_to_take(needed, now, QUEUE_CALL_ENTRIES_MAX);
                (most > 0).then_some((prepared.per_batch, most))
            }
        }
    }

    /// Steps until the worker drains, several at a time, then waits for those that were begun.
    pub(crate) async fn run(self: Rc<Self>) {
        let mut tending = tokio::task::spawn_local(Rc::clone(&self).tend_loop());
        let taking = (0..self.shared.config.receivers.max(1)).map(|n| Rc::clone(&self).take_loop(n == 0));
        let closing = tokio::task::spawn_local(Rc::clone(&self).close_when_stopped());
        let mut fencing = tokio::task::spawn_local(Rc::clone(&self).fence_loop());
        // A lane that nobody tends would go on with an old campaign and say that all is well, one without fences would send after a stop: it
        // breaks instead.
        tokio::select! {
            _ = futures::future::join_all(taking) => {}
            Err(error) = &mut tending => go_on_with(error),
            Err(error) = &mut fencing => go_on_with(error),
        }
        tending.abort();
        closing.abort();
        fencing.abort();
        for link in self.links.iter().flatten() {
            link.gateway.close().await;
        }
    }

    /// Once nothing more may be written, answers are waited for a second longer, not for a gateway's whole patience: a
    /// batch with one answer missing would end with the process, and all of it would be sent again.
    async fn close_when_stopped(self: Rc<Self>) {
        self.shared.draining.cancelled().await;
        while !self.shared.is_stopped() {
            tokio::time::sleep(PAUSE).await;
        }
        futures::future::join_all(self.links.iter().flatten().map(|link| link.gateway.close())).await;
    }

    async fn take_loop(self: Rc<Self>, always: bool) {
        let mut steps = tokio::task::JoinSet::new();
        while !self.shared.draining.is_cancelled() {
            let taken = if always || self.is_busy() { self.take().await } else { None };
            match taken {
                Some(taken) if !taken.received.is_empty() => {
                    let lane = Rc::clone(&self);
                    steps.spawn_local(async move { lane.work(taken).await });
                }
                Some(_) => {}
                None => {
                    let _ = tokio::time::timeout(PAUSE, self.shared.draining.cancelled()).await;
                }
            }
            while steps.try_join_next().is_some() {}
        }
        while steps.join_next().await.is_some() {}
    }

    /// Whether envelopes have been coming of late.
    fn is_busy(&self) -> bool {
        let now = self.shared.clock.mono();
        self.received_at.get().is_some_and(|at| now.saturating_sub(at) < BUSY_FOR)
    }

    /// Once the campaign is stopped, what the gateways do not read soon is not to leave later.
    async fn fence_loop(self: Rc<Self>) {
        let mut over = self.shared.over.notified();
        loop {
            over.await;
            over = self.shared.over.notified();
            for link in self.links.iter().flatten() {
                link.gateway.fence(READ_WITHIN);
            }
        }
    }

    async fn tend_loop(self: Rc<Self>) {
        loop {
            let mut assigned = std::pin::pin!(self.shared.assigned.notified());
            // Also what is assigned while it tends is not missed.
            assigned.as_mut().enable();
            self.tend().await;
            let _ = tokio::time::timeout(LOOK_EVERY, assigned).await;
        }
    }
}

/// A panic of a lane's task is the lane's.
fn go_on_with(error: tokio::task::JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

impl Link {
    pub(crate) fn is_ready(&self) -> bool {
        self.state.borrow().is_ok()
    }

    fn payload_bytes(&self) -> Option<u32> {
        self.state.borrow().as_ref().ok().copied()
    }

    /// Prepares it, unless it is prepared for the `same` already.
    async fn prepare(&self, what: &Prepare<'_>, same: bool) {
        if !(same && self.is_ready()) {
            let state = self.gateway.prepare(what).await;
            *self.state.borrow_mut() = state;
        }
    }
}
