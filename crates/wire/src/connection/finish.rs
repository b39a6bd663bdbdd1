//! How requests end, and how the connection does.

use super::{Connection, Draining, End};
use crate::fault::Code;
use crate::frame;
use crate::request::{Answer, Completion, Doubt, Outcome};
use crate::slots::State;
use std::time::Duration;

impl Connection {
    /// Takes no more requests. When all have ended, or at `until`, the connection ends.
    pub fn drain(&mut self, until: Duration) {
        let until = self.draining.and_then(|draining| draining.until).map_or(until, |known| known.min(until));
        self.draining = Some(Draining { until: Some(until) });
        self.end_if_drained();
        self.check();
    }

    /// Nothing comes or goes any more: the socket failed, or the other side closed its half.
    pub fn lost(&mut self) {
        self.cut_off(End::Lost, self.out.left());
    }

    /// Ends it. So many bytes of the connection left.
    pub(super) fn cut_off(&mut self, end: End, left: u64) {
        self.end_all(end, left);
        self.out.cut(self.out.left());
        self.check();
    }

    /// The server answered to the end. If our own half is not at its end, it is given up (RFC 9113, 8.1).
    pub(super) fn finish_answered(&mut self, id: u32) {
        let unsent = self.slots.open(id).is_some_and(|slot| slot.rest.is_some());
        if unsent {
            self.reset(id, Code::CANCEL);
        }
        self.finish_or_answer(id, Outcome::Ambiguous(Doubt::Malformed), true);
        if let Some(slot) = self.slots.seen_last(id) {
            slot.state = State::Ended;
        }
    }

    /// The body is longer than what is kept.
    pub(super) fn finish_cut(&mut self, id: u32) {
        self.finish_or_answer(id, Outcome::Ambiguous(Doubt::Malformed), false);
    }

    /// Ends a request as `otherwise`, unless its status is known: that counts, whatever becomes of the body after it.
    pub(super) fn finish_or_answer(&mut self, id: u32, otherwise: Outcome, whole: bool) {
        let Some(slot) = self.slots.open(id) else { return };
        slot.state = State::Free;
        let unsent = slot.rest.take().map_or(0, |rest| rest.body.len() - rest.sent);
        let outcome = match slot.status {
            Some(status) => Outcome::Answered(Answer::new(status, whole, slot.detail.take())),
            None => otherwise,
        };
        self.rest_bytes -= unsent;
        self.books.in_flight -= 1;
        self.books.note(&outcome);
        self.done.push(Completion { tag: slot.tag, outcome });
    }

    /// RST_STREAM (RFC 9113, 6.4).
    pub(super) fn reset(&mut self, id: u32, code: Code) {
        if self.slots.open(id).is_some() {
            frame::put(self.out.bytes(), frame::RST_STREAM, 0, id, &code.0.to_be_bytes());
        }
    }

    /// The other side broke the protocol.
    pub(super) fn fail(&mut self, code: Code, why: &'static str) {
        self.leave(End::Protocol(code, why), code);
    }

    /// Says goodbye (RFC 9113, 6.8). Requests that have not left are taken back, so that they never do.
    pub(super) fn leave(&mut self, end: End, code: Code) {
        let left = self.out.left();
        let unsent = self.slots.all_open().map(|slot| slot.starts).filter(|starts| *starts >= left).min();
        self.end_all(end, left);
        if let Some(from) = unsent {
            self.out.cut(from);
        }
        let payload = u64::from(code.0).to_be_bytes();
        frame::put(self.out.bytes(), frame::GOAWAY, 0, 0, &payload);
    }

    pub(super) fn end_if_drained(&mut self) {
        if self.end.is_none() && self.draining.is_some() && self.books.in_flight == 0 {
            self.leave(End::Drained, Code::NO_ERROR);
        }
    }

    fn end_all(&mut self, end: End, left: u64) {
        if self.end.is_some() {
            return;
        }
        self.end = Some(end);
        for id in self.slots.ids(|slot| slot.starts >= left) {
            self.finish_or_answer(id, Outcome::NotSent, false);
        }
        for id in self.slots.ids(|_| true) {
            self.finish_or_answer(id, Outcome::Ambiguous(Doubt::Ended), false);
        }
        self.blocked.clear();
        (self.partial, self.block) = (Vec::new(), None);
    }
}
