//! A fence: what was submitted before it is read by the other side soon, or never leaves.
//!
//! The answer to a PING proves that everything before it was read. Of a peer that gives none within the time it is asked whether
//! anything is left on this side: what lies in our output then, in TLS, and in the kernel would leave whenever it reads again.

use super::{Connection, End};
use crate::fault::Code;
use crate::frame;
use crate::limits::FENCES_MAX;
use crate::request::{Doubt, Outcome};
use std::collections::VecDeque;
use std::time::Duration;

/// Marks a fence's PING: keep-alive counts its own from 1 on.
const MARK: u64 = 1 << 63;

/// Fences whose time has not come, in their order.
#[derive(Debug, Default)]
pub(super) struct Fences {
    count: u64,
    open: VecDeque<Fence>,
    /// Bytes that left our output and not this process.
    pub(super) held: u64,
}

#[derive(Debug)]
struct Fence {
    number: u64,
    until: Duration,
    /// The last stream before it.
    last: u32,
    /// Everything before it has left for good.
    gone: bool,
}

impl Fences {
    /// An answer to one answers those before it as well.
    pub(super) fn answered(&mut self, octets: [u8; 8]) {
        let number = u64::from_be_bytes(octets);
        if self.open.iter().any(|fence| fence.number == number) {
            self.open.iter_mut().filter(|fence| fence.number <= number).for_each(|fence| fence.gone = true);
        }
    }

    /// When the first of them ends.
    pub(super) fn until(&self) -> Option<Duration> {
        self.open.iter().map(|fence| fence.until).min()
    }

    /// One whose time has come.
    fn due(&mut self, now: Duration) -> Option<Fence> {
        let place = self.open.iter().position(|fence| fence.until <= now)?;
        self.open.remove(place)
    }
}

impl Connection {
    /// What was submitted before is to be read by the other side until then, or not at all: when the PING that goes behind it is
    /// not answered by `until`, the connection ends as [`End::Unread`], and the caller throws away what TLS and the kernel hold. What
    /// of it was not taken, or is [`held`](Self::held), ends as [`Outcome::NotSent`].
    ///
    /// The caller looks first ([`is_fence_due`](Self::is_fence_due)) whether anything is left at all
    /// ([`all_is_gone`](Self::all_is_gone)). Bodies that still wait for a window then are given up.
    pub fn fence(&mut self, until: Duration) {
        if self.end.is_some() {
            return;
        }
        self.fences.count += 1;
        let number = MARK | self.fences.count;
        frame::put(self.out.bytes(), frame::PING, 0, 0, &number.to_be_bytes());
        if self.fences.open.len() >= FENCES_MAX {
            // The newer one speaks for it.
            self.fences.open.pop_back();
        }
        self.fences.open.push_back(Fence { number, until, last: self.slots.last(), gone: false });
        self.check();
    }

    /// Whether a fence's time is over and its PING not answered: then what was submitted before it may be held on this side.
    #[must_use]
    pub fn is_fence_due(&self, now: Duration) -> bool {
        self.end.is_none() && self.fences.open.iter().any(|fence| !fence.gone && fence.until <= now)
    }

    /// Nothing of what was submitted is on this side any more: the other side's kernel has all of it, and its answers may still
    /// come. The fences are met.
    pub fn all_is_gone(&mut self) {
        self.fences.open.iter_mut().for_each(|fence| fence.gone = true);
    }

    pub(super) fn end_fences(&mut self, now: Duration) {
        while self.end.is_none()
            && let Some(fence) = self.fences.due(now)
        {
            if !fence.gone {
                let left = self.out.left().saturating_sub(self.fences.held);
                return self.cut_off(End::Unread, left);
            }
            for id in self.slots.ids(|slot| slot.id <= fence.last && slot.rest.is_some()) {
                self.reset(id, Code::CANCEL);
                self.finish_or_answer(id, Outcome::Ambiguous(Doubt::TimedOut), false);
            }
            self.end_if_drained();
        }
    }
}
