//! Streams in flight: a ring addressed by stream id, so that finding one is a mask and a compare.
//!
//! Where a slow request still holds the slot of the next id, that id is skipped: using a higher one closes it
//! (RFC 9113, 5.1.1). The ring is twice as large as the number in flight, so a free slot is always near.

use crate::limits::STREAM_MAX;
use crate::request::Detail;
use std::time::Duration;

/// What is known of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// No longer in use, or never was.
    #[default]
    Free,
    /// Waits for its answer.
    Open,
    /// The other side ended it; more from there is a fault (RFC 9113, 5.1, "closed").
    Ended,
}

/// The part of a body for which there was no window.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) body: Vec<u8>,
    pub(crate) sent: usize,
    /// The stream's window; negative after the other side made it smaller (RFC 9113, 6.9.2).
    pub(crate) window: i64,
}

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) id: u32,
    pub(crate) state: State,
    /// The final status, once it came.
    pub(crate) status: Option<u16>,
    /// Bytes of the answer's body so far.
    pub(crate) seen: usize,
    pub(crate) tag: u64,
    /// Where its first byte stands in the connection's output.
    pub(crate) starts: u64,
    pub(crate) until: Duration,
    pub(crate) rest: Option<Box<Rest>>,
    pub(crate) detail: Option<Box<Detail>>,
}

/// All streams of a connection.
#[derive(Debug)]
pub(crate) struct Slots {
    ring: Vec<Slot>,
    next: u32,
}

impl Slots {
    pub(crate) fn new(in_flight_max: usize) -> Self {
        let size = (in_flight_max.max(1) * 2).next_power_of_two();
        let mut ring = Vec::new();
        ring.resize_with(size, Slot::default);
        Self { ring, next: 1 }
    }

    /// Whether a stream was never opened (RFC 9113, 5.1, "idle"): ours are odd.
    pub(crate) fn is_idle(&self, id: u32) -> bool {
        id.is_multiple_of(2) || id >= self.next
    }

    fn place(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.ring.len() - 1)
    }

    /// The slot of a stream, if it is still known.
    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Slot> {
        let place = self.place(id);
        self.ring.get_mut(place).filter(|slot| slot.id == id && slot.state != State::Free)
    }

    /// The slot of a stream that waits for its answer.
    pub(crate) fn open(&mut self, id: u32) -> Option<&mut Slot> {
        self.get(id).filter(|slot| slot.state == State::Open)
    }

    /// The slot that a stream had, if no other has it.
    pub(crate) fn seen_last(&mut self, id: u32) -> Option<&mut Slot> {
        let place = self.place(id);
        self.ring.get_mut(place).filter(|slot| slot.id == id)
    }

    /// The last stream that was opened; 0 before the first.
    pub(crate) fn last(&self) -> u32 {
        self.next.saturating_sub(2)
    }

    /// A slot for the next stream; `None` when ids are used up, or all slots are.
    pub(crate) fn take(&mut self) -> Option<&mut Slot> {
        for _ in 0..self.ring.len() {
            let (id, place) = (self.next, self.place(self.next));
            if id > STREAM_MAX {
                return None;
            }
            self.next += 2;
            if self.ring.get(place).is_some_and(|slot| slot.state != State::Open) {
                let slot = self.ring.get_mut(place)?;
                (slot.id, slot.state) = (id, State::Open);
                return Some(slot);
            }
        }
        None
    }

    /// All that wait for an answer.
    pub(crate) fn all_open(&self) -> impl Iterator<Item = &Slot> {
        self.ring.iter().filter(|slot| slot.state == State::Open)
    }

    /// Ids of those that wait for an answer and for which `wanted` holds.
    pub(crate) fn ids(&self, wanted: impl Fn(&Slot) -> bool) -> Vec<u32> {
        let mut ids: Vec<u32> = self.all_open().filter(|slot| wanted(slot)).map(|slot| slot.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Places for the next streams exist.
    pub(crate) fn has_ids(&self) -> bool {
        self.next <= STREAM_MAX
    }
}
