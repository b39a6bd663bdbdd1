//! Answers that wait for their time, soonest first.
//!
//! With a constant round trip they come in the order in which they are due: a queue takes them, at the cost of a comparison.
//! Those that overtake others go into a heap.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use tokio::time::Instant;

/// What waits.
pub(super) struct DelayQueue<V> {
    /// In the order of `due`.
    queue: VecDeque<(Instant, V)>,
    heap: BinaryHeap<Early<V>>,
    /// Of those in the heap, so that what is due at the same time leaves in the order in which it came.
    number: u64,
}

struct Early<V> {
    due: Instant,
    number: u64,
    value: V,
}

impl<V> DelayQueue<V> {
    pub(super) fn new() -> Self {
        Self { queue: VecDeque::new(), heap: BinaryHeap::new(), number: 0 }
    }

    pub(super) fn push(&mut self, due: Instant, value: V) {
        if self.queue.back().is_none_or(|(last, _)| *last <= due) {
            self.queue.push_back((due, value));
        } else {
            self.number += 1;
            self.heap.push(Early { due, number: self.number, value });
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match (self.queue.front(), self.heap.peek()) {
            (Some((queued, _)), Some(early)) => Some(early.due.min(*queued)),
            (Some((queued, _)), None) => Some(*queued),
            (None, early) => early.map(|early| early.due),
        }
    }

    /// Takes the next one out.
    pub(super) fn pop(&mut self) -> Option<V> {
        let early = match (self.queue.front(), self.heap.peek()) {
            (Some((queued, _)), Some(early)) => early.due < *queued,
            (queued, _) => queued.is_none(),
        };
        if early {
            self.heap.pop().map(|early| early.value)
        } else {
            self.queue.pop_front().map(|(_, value)| value)
        }
    }

    /// Takes out the one that is meant, if it is there.
    pub(super) fn remove(&mut self, mut is_meant: impl FnMut(&V) -> bool) -> Option<V> {
        if let Some(place) = self.queue.iter().position(|(_, value)| is_meant(value)) {
            return self.queue.remove(place).map(|(_, value)| value);
        }
        if !self.heap.iter().any(|early| is_meant(&early.value)) {
            return None;
        }
        let mut found = None;
        let mut rest = std::mem::take(&mut self.heap).into_vec();
        if let Some(place) = rest.iter().position(|early| is_meant(&early.value)) {
            found = Some(rest.swap_remove(place).value);
        }
        self.heap = rest.into();
        found
    }

    /// Takes all out, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = V> {
        let queue = std::mem::take(&mut self.queue).into_iter().map(|(_, value)| value);
        queue.chain(std::mem::take(&mut self.heap).into_iter().map(|early| early.value))
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.heap.len()
    }
}

impl<V> Early<V> {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

/// The soonest is the greatest: a heap gives the greatest first.
impl<V> Ord for Early<V> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<V> PartialOrd for Early<V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V> PartialEq for Early<V> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<V> Eq for Early<V> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::behaviour::mix;
    use super::*;

    #[test]
    fn what_is_due_first_leaves_first() {
        let (mut delayed, start) = (DelayQueue::new(), Instant::now());
        let due = |n: u64| start + Duration::from_millis(mix(n) % 50);
        for n in 0..1_000 {
            delayed.push(due(n), n);
        }
        assert!((0..1_000).step_by(7).all(|n| delayed.remove(|&value| value == n) == Some(n)));
        assert_eq!((delayed.remove(|&value| value == 0), delayed.len()), (None, 857));
        let mut last = start;
        while let Some(next) = delayed.next_due() {
            let n = delayed.pop().expect("there is a next");
            assert!(due(n) == next && next >= last && n % 7 != 0);
            last = next;
        }
        assert_eq!(delayed.len(), 0);
    }

    #[test]
    fn a_constant_round_trip_needs_no_heap() {
        let (mut delayed, start) = (DelayQueue::new(), Instant::now());
        (0..100).for_each(|n| delayed.push(start + Duration::from_millis(n / 2), n));
        assert!(delayed.heap.is_empty());
        assert_eq!(std::iter::from_fn(|| delayed.pop()).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        (0..3).for_each(|n| delayed.push(start, n));
        assert_eq!(delayed.drain().count(), 3);
    }
}
