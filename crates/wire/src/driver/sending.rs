//! One group on its way: requests are handed over as streams come free; the connections' tasks deliver their ends.

use super::limits;
use super::mail::{Mail, full_tag, own_tag};
use super::pool::Shared;
use crate::request::{Group, Outcome, Request};
use crate::template::Template;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// What the requests of a group share.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Header fields.
    pub template: &'a Template,
    /// How all bodies begin.
    pub body_begins: &'a [u8],
    /// How all bodies end.
    pub body_ends: &'a [u8],
}

/// When a group's requests may leave and how long they wait.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Asked before each group of writes, and every [`limits::ASK_EVERY`] while requests wait for a stream.
    pub may_write: &'a dyn Fn() -> bool,
    /// Longest wait for an answer, from the request's writing.
    pub patience: Duration,
}

impl std::fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// One request's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The lower half of the request's tag.
    pub tag: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// When that was known.
    pub at: Instant,
}

/// A group of requests.
pub(super) struct Sending<'a> {
    shared: &'a Rc<Shared>,
    shape: Shape<'a>,
    terms: Terms<'a>,
    requests: Vec<Request<'a>>,
    /// So many of them were handed over or given up.
    past: usize,
    number: u32,
    mail: Rc<Mail>,
    /// While requests wait for a stream: when to ask again.
    ask: Option<Pin<Box<Sleep>>>,
}

impl Drop for Sending<'_> {
    /// What is on its way stays so, but nobody waits for it any more.
    fn drop(&mut self) {
        self.shared.hub.turns.leave(self.number);
        self.shared.hub.mails.close(self.number);
    }
}

impl<'a> Sending<'a> {
    /// A group that has not begun.
    pub(super) fn new(
        shared: &'a Rc<Shared>,
        shape: Shape<'a>,
        mut requests: Vec<Request<'a>>,
        terms: Terms<'a>,
    ) -> Self {
        let (number, mail) = shared.hub.mails.open(requests.len(), Instant::now());
        for request in &mut requests {
            request.tag = full_tag(number, request.tag);
        }
        Self { shared, shape, terms, requests, past: 0, number, mail, ask: None }
    }

    /// Does what can be done now; ready when every request has come to its end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.write(cx);
            if self.past == self.requests.len() {
                self.shared.hub.turns.leave(self.number);
                return if self.mail.is_settled(cx) { Poll::Ready(()) } else { Poll::Pending };
            }
            let ask = self.ask.get_or_insert_with(|| Box::pin(sleep(limits::ASK_EVERY)));
            if ask.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            ask.as_mut().reset(Instant::now() + limits::ASK_EVERY);
            self.give_up_if_told();
        }
    }

    pub(super) fn into_ended(self) -> Vec<Ended> {
        self.mail.take()
    }

    /// Hands requests over while it is this group's turn and streams are free, a connection's share at a time, so that
    /// they leave in one write.
    fn write(&mut self, cx: &Context<'_>) {
        while self.past < self.requests.len() && self.shared.hub.turns.is_mine(self.number, cx) {
            let Some(link) = self.shared.next_link() else { return };
            if self.shared.is_closed() || !(self.terms.may_write)() {
                return self.give_up();
            }
            let now = Instant::now();
            let Shape { template, body_begins, body_ends } = self.shape;
            let until = self.shared.hub.time(now) + self.terms.patience;
            let rest = self.requests.get(self.past..).unwrap_or_default();
            let some = rest.get(..limits::WRITE_GROUP).unwrap_or(rest);
            let taken = link.submit(&Group { template, body_begins, body_ends, until }, some);
            if taken == 0 {
                return;
            }
            self.mail.note_written(taken, now);
            self.past += taken;
        }
    }

    fn give_up_if_told(&mut self) {
        let stuck = self.mail.progress().elapsed() >= self.terms.patience;
        if stuck || self.shared.is_closed() || !(self.terms.may_write)() {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        let at = Instant::now();
        for request in self.requests.get(self.past..).unwrap_or_default() {
            self.mail.put_unsent(Ended { tag: own_tag(request.tag), outcome: Outcome::NotSent, at });
        }
        self.past = self.requests.len();
    }
}
