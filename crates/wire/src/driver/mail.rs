//! Where completions go: each group has a box of its own, found by the upper half of its requests' tags.

use super::sending::Ended;
use crate::request::Completion;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Waker};
use tokio::time::Instant;

const NUMBER_SHIFT: u32 = 32;
const TAG_MASK: u64 = u32::MAX as u64;

/// One group's box.
#[derive(Debug)]
pub(super) struct Mail {
    done: RefCell<Vec<Ended>>,
    /// Requests on their way.
    open: Cell<usize>,
    /// When one was last written or came to its end.
    progress: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
}

impl Mail {
    /// Requests were written.
    pub(super) fn note_written(&self, count: usize, now: Instant) {
        self.open.set(self.open.get() + count);
        self.progress.set(now);
    }

    /// One of them came to its end.
    fn put(&self, ended: Ended) {
        self.progress.set(ended.at);
        self.done.borrow_mut().push(ended);
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// One that was never on its way.
    pub(super) fn put_unsent(&self, ended: Ended) {
        self.done.borrow_mut().push(ended);
    }

    pub(super) fn progress(&self) -> Instant {
        self.progress.get()
    }

    /// Whether nothing is on its way. If something is, the caller is woken when nothing is any more.
    pub(super) fn is_settled(&self, cx: &Context<'_>) -> bool {
        if self.open.get() > 0 {
            match &mut *self.waker.borrow_mut() {
                Some(waker) => waker.clone_from(cx.waker()),
                empty => *empty = Some(cx.waker().clone()),
            }
        }
        self.open.get() == 0
    }

    pub(super) fn take(&self) -> Vec<Ended> {
        self.done.take()
    }
}

/// All boxes. One that is gone takes nothing: nobody waits.
#[derive(Debug, Default)]
pub(super) struct Mails {
    boxes: RefCell<HashMap<u32, Rc<Mail>>>,
    last: Cell<u32>,
}

impl Mails {
    /// A box for a group of so many requests, and its number.
    pub(super) fn open(&self, requests: usize, now: Instant) -> (u32, Rc<Mail>) {
        let mut boxes = self.boxes.borrow_mut();
        let mut number = self.last.get().wrapping_add(1);
        while boxes.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        self.last.set(number);
        let done = RefCell::new(Vec::with_capacity(requests));
        let (open, progress, waker) = (Cell::new(0), Cell::new(now), RefCell::default());
        let mail = Rc::new(Mail { done, open, progress, waker });
        boxes.insert(number, Rc::clone(&mail));
        (number, mail)
    }

    pub(super) fn close(&self, number: u32) {
        self.boxes.borrow_mut().remove(&number);
    }

    /// Sorts completions into the boxes.
    pub(super) fn deliver(&self, done: &mut Vec<Completion>, at: Instant) {
        let boxes = self.boxes.borrow();
        let mut last: Option<(u32, Option<&Rc<Mail>>)> = None;
        for Completion { tag, outcome } in done.drain(..) {
            let number = (tag >> NUMBER_SHIFT) as u32;
            let mail = match last {
                Some((known, mail)) if known == number => mail,
                _ => boxes.get(&number),
            };
            last = Some((number, mail));
            if let Some(mail) = mail {
                mail.put(Ended { tag: (tag & TAG_MASK) as u32, outcome, at });
            }
        }
    }
}

/// A request's tag on its connection.
pub(super) fn full_tag(number: u32, tag: u64) -> u64 {
    u64::from(number) << NUMBER_SHIFT | (tag & TAG_MASK)
}

pub(super) fn own_tag(tag: u64) -> u32 {
    (tag & TAG_MASK) as u32
}
