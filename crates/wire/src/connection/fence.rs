//! A fence: what was submitted before it is read by the other side soon, or never leaves.
//!
//! The answer to a PING proves that everything before it was read. A peer that gives none within the time does not read:
//! what lies in our output then, in TLS, and in the kernel would leave whenever it reads again.

use super::{Connection, End};
use crate::fault::Code;
use crate::frame;
use crate::limits::FENCES_MAX;
use crate::request::{Doubt, Outcome};
use std::collections::VecDeque;
use std::time::Duration;

/// Marks a fence's PING: keep-alive counts its own from 1 on.
const FENCE: u64 = 1 << 63;

/// PINGs whose answers are waited for, in their order.
#[derive(Debug, Default)]
pub(super) struct Fences {
    count: u64,
    waiting: VecDeque<(u64, Duration)>,
    /// Bytes that left our output and not this process.
    pub(super) held: u64,
}

impl Fences {
    /// An answer to one answers those before it as well.
    pub(super) fn answered(&mut self, octets: [u8; 8]) {
        let number = u64::from_be_bytes(octets);
        if let Some(place) = self.waiting.iter().position(|(waiting, _)| *waiting == number) {
            self.waiting.drain(..=place);
        }
    }

    /// When the first of them ends.
    pub(super) fn until(&self) -> Option<Duration> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }
}

impl Connection {
    /// What was submitted before is to be read by the other side until then, or not at all: when the PING that goes behind it is
    /// not answered by `until`, the connection ends as [`End::Unread`], and the caller throws away what TLS and the kernel hold. What
    /// of it was not taken, or is [`held`](Self::held), ends as [`Outcome::NotSent`].
    ///
    /// Bodies that wait for a window are given up at once.
    pub fn fence(&mut self, until: Duration) {
        if self.end.is_some() {
            return;
        }
        for id in self.slots.ids(|slot| slot.rest.is_some()) {
            self.reset(id, Code::CANCEL);
            self.finish_or_answer(id, Outcome::Ambiguous(Doubt::TimedOut), false);
        }
        self.fences.count += 1;
        let number = FENCE | self.fences.count;
        frame::put(self.out.bytes(), frame::PING, 0, 0, &number.to_be_bytes());
        if self.fences.waiting.len() >= FENCES_MAX {
            // The newer one speaks for it.
            self.fences.waiting.pop_back();
        }
        self.fences.waiting.push_back((number, until));
        self.end_if_drained();
        self.check();
    }

    pub(super) fn end_if_unread(&mut self, now: Duration) {
        if self.end.is_none() && self.fences.until().is_some_and(|until| until <= now) {
            let left = self.out.left().saturating_sub(self.fences.held);
            self.cut_off(End::Unread, left);
        }
    }
}
