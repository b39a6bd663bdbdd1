//! First come, first served: who waits for streams, and whom a free one wakes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// The queue of groups that have requests to write. Bounded by the number of calls of the pool at one time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    next: Cell<u64>,
    queue: RefCell<VecDeque<(u64, Waker)>>,
}

impl Turns {
    /// A number for a group.
    pub(super) fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    /// Whether it is this group's turn. If not, or if it finds no stream, it is woken when that may have changed.
    pub(super) fn is_mine(&self, number: u64, cx: &Context<'_>) -> bool {
        let mut queue = self.queue.borrow_mut();
        match queue.iter_mut().find(|(n, _)| *n == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => queue.push_back((number, cx.waker().clone())),
        }
        queue.front().is_some_and(|(n, _)| *n == number)
    }

    /// The group has nothing more to write, or is gone.
    pub(super) fn leave(&self, number: u64) {
        let before = self.queue.borrow().len();
        self.queue.borrow_mut().retain(|(n, _)| *n != number);
        if self.queue.borrow().len() != before {
            self.wake_first();
        }
    }

    /// A stream may be free.
    pub(super) fn wake_first(&self) {
        if let Some((_, waker)) = self.queue.borrow().front() {
            waker.wake_by_ref();
        }
    }
}
