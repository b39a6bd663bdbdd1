//! A gateway that does as the test says, and remembers what was written to it.
#![allow(unreachable_pub, reason = "modules of one test binary")]

use async_trait::async_trait;
use common::device::Platform;
use common::fleet::LinkRow;
use common::time::{Clock, UnixMs};
use push_worker::gateway::{Answer, Answered, Gateway, MaySend, Prepare, Push, Said, Trial};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a test sets and looks at. `written` counts by the hash of the target.
pub struct Script {
    /// The answer to the device with this hash, which was written to so often before.
    pub answer: RefCell<Box<dyn Fn(u64, u32) -> Answer>>,
    pub written: RefCell<BTreeMap<u64, u32>>,
    /// When the last byte left.
    pub last_written: Cell<UnixMs>,
    /// Pushes in one write; `may_send` is asked before each.
    pub group: Cell<usize>,
    /// Time from one write to the next.
    pub between: Cell<Duration>,
    /// Time from a write to its answers; more than the patience makes them ambiguous.
    pub answers_after: Cell<Duration>,
    pub quota_per_s: Cell<Option<u64>>,
    pub prepare: RefCell<Result<u32, String>>,
    pub prepared: Cell<u32>,
    /// Time that a twin takes to become ready.
    pub twin_ready_after: Cell<Duration>,
    /// A twin's send does not even end when it is closed.
    pub twin_is_stuck: Cell<bool>,
    /// What twins sent, by the hash of the target.
    pub tested: RefCell<BTreeMap<u64, u32>>,
    /// What twins were asked to look at only.
    pub looked_at: RefCell<BTreeMap<u64, u32>>,
    /// The collapse ids that twins were prepared with.
    pub collapse_ids: Rc<RefCell<Vec<Option<String>>>>,
}

impl Script {
    pub fn accepting() -> Rc<Self> {
        Rc::new(Self {
            answer: RefCell::new(Box::new(|_, _| Answer::Accepted)),
            written: RefCell::default(),
            last_written: Cell::new(UnixMs(0)),
            group: Cell::new(1000),
            between: Cell::default(),
            answers_after: Cell::new(Duration::from_millis(20)),
            quota_per_s: Cell::new(None),
            prepare: RefCell::new(Ok(100)),
            prepared: Cell::new(0),
            twin_ready_after: Cell::default(),
            twin_is_stuck: Cell::new(false),
            tested: RefCell::default(),
            looked_at: RefCell::default(),
            collapse_ids: Rc::default(),
        })
    }

    pub fn answers(&self, with: impl Fn(u64, u32) -> Answer + 'static) {
        *self.answer.borrow_mut() = Box::new(with);
    }

    pub fn always(&self, answer: Answer) {
        self.answers(move |_, _| answer);
    }

    /// Devices that were written to.
    pub fn devices(&self) -> usize {
        self.written.borrow().len()
    }

    /// The largest number of times that one device was written to.
    pub fn most(&self) -> u32 {
        self.written.borrow().values().copied().max().unwrap_or(0)
    }

    /// Writes, repetitions included.
    pub fn writes(&self) -> u32 {
        self.written.borrow().values().sum()
    }
}

pub struct Fake {
    pub platform: Platform,
    pub script: Rc<Script>,
    pub clock: Arc<dyn Clock>,
}

#[async_trait(?Send)]
impl Gateway for Fake {
    fn platform(&self) -> Platform {
        self.platform
    }

    async fn prepare(&self, _: &Prepare<'_>) -> Result<u32, String> {
        self.script.prepared.set(self.script.prepared.get() + 1);
        self.script.prepare.borrow().clone()
    }

    async fn send(
        &self,
        pushes: &[Push<'_>],
        _: UnixMs,
        may_send: MaySend<'_>,
        patience: Duration,
    ) -> Vec<Answered> {
        let s = &self.script;
        let mut answers = Vec::new();
        for group in pushes.chunks(s.group.get()) {
            let open = may_send();
            for push in group {
                let hash = push.target.hash();
                let before = s.written.borrow().get(&hash).copied().unwrap_or(0);
                let answer = if open { s.answer.borrow()(hash, before) } else { Answer::NotSent };
                if answer != Answer::NotSent {
                    s.written.borrow_mut().insert(hash, before + 1);
                    s.last_written.set(self.clock.now());
                }
                let answer = if s.answers_after.get() > patience && answer != Answer::NotSent {
                    Answer::Ambiguous
                } else {
                    answer
                };
                answers.push((push.place, answer));
            }
            if !s.between.get().is_zero() {
                tokio::time::sleep(s.between.get()).await;
            }
        }
        tokio::time::sleep(s.answers_after.get().min(patience)).await;
        let at = self.clock.now();
        answers.into_iter().map(|(place, answer)| Answered { place, answer, at }).collect()
    }

    fn link(&self) -> LinkRow {
        LinkRow {
            gateway: self.platform.label().to_owned(),
            connections: 1,
            streams: 100,
            quota_per_s: self.script.quota_per_s.get(),
            credentials_until: None,
            trouble: None,
        }
    }

    fn twin(&self, trial: Trial) -> Option<Box<dyn Gateway>> {
        let (script, clock) = (Rc::clone(&self.script), Arc::clone(&self.clock));
        let of = Self { platform: self.platform, script, clock };
        Some(Box::new(Twin { of, trial, said: RefCell::default(), closed: CancellationToken::new() }))
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    async fn close(&self) {}
}

/// What [`Fake`] answers, kept apart from what it wrote.
struct Twin {
    of: Fake,
    trial: Trial,
    said: RefCell<Vec<Said>>,
    closed: CancellationToken,
}

#[async_trait(?Send)]
impl Gateway for Twin {
    fn platform(&self) -> Platform {
        self.of.platform
    }

    async fn prepare(&self, what: &Prepare<'_>) -> Result<u32, String> {
        self.of.script.collapse_ids.borrow_mut().push(what.content.collapse_id.clone());
        tokio::time::sleep(self.of.script.twin_ready_after.get()).await;
        self.of.script.prepare.borrow().clone()
    }

    async fn send(
        &self,
        pushes: &[Push<'_>],
        _: UnixMs,
        may_send: MaySend<'_>,
        patience: Duration,
    ) -> Vec<Answered> {
        let s = &self.of.script;
        let open = may_send();
        let waited = tokio::time::sleep(s.answers_after.get().min(patience));
        let closed = self.closed.run_until_cancelled(waited).await.is_none();
        if s.twin_is_stuck.get() {
            std::future::pending::<()>().await;
        }
        let (at, silent) = (self.of.clock.now(), closed || s.answers_after.get() > patience);
        let one = |push: &Push<'_>| {
            let (place, hash) = (push.place, push.target.hash());
            let seen = if self.trial == Trial::Dry { &s.looked_at } else { &s.tested };
            let before = seen.borrow().get(&hash).copied().unwrap_or(0);
            if !open {
                return Answered { place, answer: Answer::NotSent, at };
            }
            seen.borrow_mut().insert(hash, before + 1);
            let answer = if silent { Answer::Ambiguous } else { s.answer.borrow()(hash, before) };
            Answered { place, answer, at }
        };
        let answered: Vec<_> = pushes.iter().map(one).collect();
        let good = answered.iter().filter(|a| a.answer == Answer::Accepted);
        let said = |a: &Answered| Said {
            place: a.place,
            status: 200,
            id: Some(format!("id-{}", a.place)),
            reason: None,
        };
        self.said.replace(good.map(said).collect());
        answered
    }

    fn said(&self) -> Vec<Said> {
        self.said.take()
    }

    fn link(&self) -> LinkRow {
        self.of.link()
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.closed.cancel();
    }
}
