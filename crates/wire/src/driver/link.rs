//! One open connection, as those see it who send over it; its task is in `drive`.

use super::limits;
use super::socket::Marks;
use crate::request::{Completion, Doubt, Group, Outcome, Request};
use crate::{Connection, State};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::Notify;

pub(super) struct Link {
    pub(super) core: RefCell<Connection>,
    pub(super) marks: Rc<Marks>,
    /// Wakes the connection's task.
    driver: RefCell<Option<Waker>>,
    retired: Cell<bool>,
    /// Told when it is retired.
    gone: Notify,
    /// Requests in a row that were not answered in time.
    unanswered: Cell<u32>,
    /// It ended before some were answered.
    left_open: Cell<bool>,
    /// What was handed over is to be read within this.
    pub(super) fence: Cell<Option<Duration>>,
    /// It answered something, so that the next one need not wait long.
    proven: Cell<bool>,
}

impl Link {
    pub(super) fn new(core: Connection, marks: Rc<Marks>) -> Self {
        Self {
            core: RefCell::new(core),
            marks,
            driver: RefCell::default(),
            retired: Cell::new(false),
            gone: Notify::new(),
            unanswered: Cell::new(0),
            left_open: Cell::new(false),
            fence: Cell::new(None),
            proven: Cell::new(false),
        }
    }

    /// Requests that it takes now: none while the kernel takes no bytes.
    pub(super) fn room(&self) -> usize {
        if self.retired.get() || self.marks.blocked.get() { 0 } else { self.core.borrow().room() }
    }

    pub(super) fn state(&self) -> State {
        self.core.borrow().state()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.core.borrow().in_flight()
    }

    /// Bytes that were handed over and not written yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.core.borrow().output().len()
    }

    /// Streams that the other side allows.
    pub(super) fn streams(&self) -> usize {
        if self.retired.get() { 0 } else { self.core.borrow().streams() }
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven.get()
    }

    /// Hands requests over; its task writes them when the caller gives way. Answers how many it took.
    pub(super) fn submit(&self, group: &Group<'_>, requests: &[Request<'_>]) -> usize {
        let taken = self.core.borrow_mut().submit(group, requests);
        if taken > 0 {
            self.wake();
        }
        taken
    }

    /// Behind what was handed over goes a PING, which is answered within this, or the connection is cut: see
    /// [`Connection::fence`].
    pub(super) fn fence(&self, within: Duration) {
        self.fence.set(Some(within));
        self.wake();
    }

    /// Whether the last requests were not answered in time, or never.
    pub(super) fn is_unheard(&self) -> bool {
        self.unanswered.get() > 0 || self.left_open.get()
    }

    /// Learns from what ended. A connection on which nothing is answered any more is retired.
    pub(super) fn learn(&self, done: &[Completion]) {
        for completion in done {
            match completion.outcome {
                Outcome::Answered(_) => {
                    self.unanswered.set(0);
                    self.proven.set(true);
                }
                Outcome::Ambiguous(Doubt::Ended) => self.left_open.set(true),
                Outcome::Ambiguous(Doubt::TimedOut) => self.unanswered.set(self.unanswered.get() + 1),
                _ => {}
            }
        }
    }

    /// Whether it should take no more requests: it said goodbye, ran out of stream ids, or answers nothing.
    pub(super) fn is_spent(&self) -> bool {
        let core = self.core.borrow();
        core.state() != State::Open || !core.has_ids() || self.unanswered.get() >= limits::UNANSWERED_MAX
    }

    /// Takes no more requests. Those on their way are waited for until then.
    pub(super) fn retire(&self, until: Duration) {
        if !self.retired.replace(true) {
            self.core.borrow_mut().drain(until);
            self.gone.notify_one();
            self.wake();
        }
    }

    /// Waits until it is retired.
    pub(super) async fn retired(&self) {
        self.gone.notified().await;
    }

    pub(super) fn note_driver(&self, cx: &Context<'_>) {
        match &mut *self.driver.borrow_mut() {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.driver.borrow() {
            waker.wake_by_ref();
        }
    }
}
