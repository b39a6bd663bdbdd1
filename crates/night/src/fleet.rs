//! The fleet of a night: a process for each slot, started, struck, and started again.

use crate::gateway::SimGateway;
use crate::people::{Act, DOOR};
use crate::ports::Line;
use crate::process::{Process, ProcessClock};
use crate::strike::{Kind, Slot, What, When};
use crate::world::{Restart, World};
use common::campaign::State;
use common::device::Platform;
use common::ids::WorkerId;
use common::time::Clock;
use control::Control;
use interim_worker::InterimWorker;
use push_worker::gateway::Gateway;
use push_worker::{MakeGateways, PushWorker, Shared};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// All processes.
pub(crate) struct Fleet {
    pub(crate) world: Arc<World>,
    controls: RefCell<BTreeMap<Slot, Arc<Control>>>,
    lives: RefCell<BTreeMap<Slot, u32>>,
    calm_since: Cell<Option<Instant>>,
}

impl Fleet {
    pub(crate) fn new(world: Arc<World>) -> Rc<Self> {
        Rc::new(Self {
            world,
            controls: RefCell::default(),
            lives: RefCell::default(),
            calm_since: Cell::new(None),
        })
    }

    /// Every slot of the night.
    fn slots(&self) -> Vec<Slot> {
        let s = &self.world.spec;
        let of = |kind, n| (0..n).map(move |i| (kind, i));
        of(Kind::Api, s.apis).chain(of(Kind::Interim, s.interims)).chain(of(Kind::Push, s.pushers)).collect()
    }

    pub(crate) fn start_all(&self) {
        self.slots().into_iter().for_each(|slot| self.start(slot));
    }

    /// Another life begins in this slot, unless one is there.
    fn start(&self, slot: Slot) {
        if self.world.running(slot).is_some() {
            return;
        }
        let life = {
            let mut lives = self.lives.borrow_mut();
            let next = lives.entry(slot).or_default();
            let life = *next;
            *next += 1;
            life
        };
        let id = WorkerId(self.world.with(|s| s.dice.throw()) | 1);
        let process = Process::new(slot, life, id, self.world.clock, 0);
        self.world.note(&process, "starts", "", [0, 0], false);
        self.world.with(|s| s.slots.insert(slot, Arc::clone(&process)));
        match slot.0 {
            Kind::Api => self.start_api(process),
            Kind::Interim => self.start_interim(process),
            Kind::Push => self.start_push(process),
        }
    }

    fn line(&self, process: &Arc<Process>) -> (Line, Arc<dyn Clock>) {
        let line = Line { world: Arc::clone(&self.world), process: Arc::clone(process) };
        (line, Arc::new(ProcessClock(Arc::clone(process))))
    }

    fn start_api(&self, process: Arc<Process>) {
        let (line, clock) = self.line(&process);
        let control = Control::new(line.backend(), clock);
        self.controls.borrow_mut().insert(process.slot, Arc::clone(&control));
        tokio::task::spawn_local(async move {
            Arc::clone(&control).run_reconciler(process.shutdown.clone()).await;
            control.flush_audit().await;
            process.ended.store(true, Ordering::Relaxed);
        });
    }

    fn start_interim(&self, process: Arc<Process>) {
        let (line, clock) = self.line(&process);
        let config = self.world.spec.interim.clone();
        let worker = Arc::new(InterimWorker::with_id(process.id, line.backend(), clock, config));
        tokio::task::spawn_local(async move {
            worker.run(process.shutdown.clone()).await;
            process.ended.store(true, Ordering::Relaxed);
        });
    }

    fn start_push(&self, process: Arc<Process>) {
        let (line, clock) = self.line(&process);
        let shared = Shared::with_id(process.id, line.backend(), clock, self.world.spec.push.clone());
        let (world, owner) = (Arc::clone(&self.world), Arc::clone(&process));
        let make: MakeGateways = Arc::new(move || {
            let gateway = |p| -> Box<dyn Gateway> {
                Box::new(SimGateway::new(Arc::clone(&world), Arc::clone(&owner), p))
            };
            Platform::ALL.map(gateway).into_iter().collect()
        });
        let worker = Arc::new(PushWorker::on(shared, make).with_lanes_here());
        tokio::task::spawn_local(async move {
            worker.run(process.shutdown.clone()).await;
            process.ended.store(true, Ordering::Relaxed);
        });
    }

    /// Starts what was ordered, when its time comes.
    pub(crate) async fn keep(self: Rc<Self>, mut restarts: mpsc::UnboundedReceiver<Restart>) {
        while let Some(Restart { slot, after }) = restarts.recv().await {
            let fleet = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(after).await;
                fleet.start(slot);
            });
        }
    }

    /// The strikes that go by time.
    pub(crate) fn schedule_strikes(&self) {
        for strike in &self.world.spec.strikes {
            let When::At(ms, slot) = strike.when else { continue };
            let (world, what): (_, What) = (Arc::clone(&self.world), strike.what);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                if let Some(process) = world.running(slot) {
                    world.strike(&process, what);
                }
            });
        }
    }

    /// Nothing goes wrong any more, and every slot has its process.
    pub(crate) fn calm(&self) {
        self.world.calm();
        self.calm_since.set(Some(Instant::now()));
        self.start_all();
    }

    /// For how long nothing has gone wrong.
    pub(crate) fn calm_for(&self) -> Duration {
        self.calm_since.get().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether what is refused now stays refused.
    pub(crate) fn is_past(&self, act: Act) -> bool {
        let record = self.world.parts.campaigns.peek(self.world.campaign);
        match act {
            Act::Arm => record.is_some_and(|c| c.state != State::Ready),
            Act::Press => record.is_some_and(|c| c.pressed.is_some()),
            Act::Canary | Act::Abort | Act::Resume => true,
        }
    }

    /// One of the API processes that answer.
    pub(crate) fn some_api(&self) -> Option<(Arc<Process>, Arc<Control>)> {
        let up: Vec<_> = self.controls.borrow().keys().copied().filter(|s| s.0 == DOOR).collect();
        let up: Vec<_> = up.into_iter().filter_map(|slot| Some((slot, self.world.running(slot)?))).collect();
        if up.is_empty() {
            return None;
        }
        let n = self.world.with(|s| s.dice.count(0, up.len() - 1));
        let (slot, process) = up.into_iter().nth(n)?;
        Some((process, Arc::clone(self.controls.borrow().get(&slot)?)))
    }

    /// SIGTERM to all; answers who has not left within this time.
    pub(crate) async fn leave(&self, within: Duration) -> Vec<String> {
        let all: Vec<_> = self.world.with(|s| s.slots.values().cloned().collect());
        let all: Vec<Arc<Process>> = all.into_iter().filter(|p| !p.is_dead()).collect();
        all.iter().for_each(|p| p.terminate());
        let end = Instant::now() + within;
        while Instant::now() < end && all.iter().any(|p| !p.ended.load(Ordering::Relaxed)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        all.iter().filter(|p| !p.ended.load(Ordering::Relaxed)).map(|p| p.name.to_string()).collect()
    }
}
