//! First come, first served: who waits for streams, and whom a free one wakes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Waker};

/// The queue of groups that have requests to write. Bounded by the number of calls of the pool at one time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: RefCell<VecDeque<(u32, Waker)>>,
}

impl Turns {
    /// Whether it is this group's turn. If not, or if it finds no stream, it is woken when that may have changed.
    pub(super) fn is_mine(&self, number: u32, cx: &Context<'_>) -> bool {
        let mut queue = self.queue.borrow_mut();
        match queue.iter_mut().find(|(n, _)| *n == number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => queue.push_back((number, cx.waker().clone())),
        }
        queue.front().is_some_and(|(n, _)| *n == number)
    }

    /// The group has nothing more to write, or is gone.
    pub(super) fn leave(&self, number: u32) {
        let mut queue = self.queue.borrow_mut();
        let place = queue.iter().position(|(n, _)| *n == number);
        if place.and_then(|place| queue.remove(place)).is_some() {
            drop(queue);
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
