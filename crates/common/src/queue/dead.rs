//! The dead letters of a queue: handed out to whoever looks through them, kept until they are deleted.

use super::{Seq, Ticket};
use crate::time::UnixMs;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Dead letters by number, oldest first. Hand-outs are not kept over a restart: all are visible then.
#[derive(Clone, Debug, Default)]
pub struct DeadLetters {
    order: VecDeque<Seq>,
    /// How often each was handed out, and until when it is hidden.
    out: BTreeMap<Seq, (u32, UnixMs)>,
}

impl DeadLetters {
    /// One more.
    pub fn push(&mut self, seq: Seq) {
        self.order.push_back(seq);
    }

    /// How many there are, hidden ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Seq> + '_ {
        self.order.iter().copied()
    }

    /// Hands out up to `max` that are not hidden, and hides them.
    pub fn receive(&mut self, max: usize, visibility: Duration, now: UnixMs) -> Vec<Ticket> {
        let out = &mut self.out;
        let mut tickets = Vec::new();
        for seq in &self.order {
            if tickets.len() == max {
                break;
            }
            let (receive, hidden) = out.get(seq).copied().unwrap_or((0, UnixMs(i64::MIN)));
            if hidden <= now {
                let receive = receive.saturating_add(1);
                out.insert(*seq, (receive, now.plus(visibility)));
                tickets.push(Ticket { seq: *seq, receive });
            }
        }
        tickets
    }

    /// Whether this is the newest hand-out of a letter that is still there.
    #[must_use]
    pub fn holds(&self, ticket: Ticket) -> bool {
        self.out.get(&ticket.seq).is_some_and(|(receive, _)| *receive == ticket.receive)
    }

    /// Removes a letter for good; false when the ticket is not its newest.
    pub fn delete(&mut self, ticket: Ticket) -> bool {
        let held = self.holds(ticket);
        if held {
            self.out.remove(&ticket.seq);
            self.order.retain(|seq| *seq != ticket.seq);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_stays_until_its_newest_holder_deletes_it() {
        let mut dead = DeadLetters::default();
        dead.push(4);
        dead.push(7);
        let hide = Duration::from_secs(10);
        let first = dead.receive(1, hide, UnixMs(0));
        assert_eq!(first, [Ticket { seq: 4, receive: 1 }]);
        assert_eq!(dead.receive(9, hide, UnixMs(0)), [Ticket { seq: 7, receive: 1 }]);
        assert!(dead.receive(9, hide, UnixMs(9_999)).is_empty());
        let second = dead.receive(1, hide, UnixMs(10_000));
        assert_eq!(second, [Ticket { seq: 4, receive: 2 }]);
        assert!(!dead.delete(first[0]) && dead.delete(second[0]) && !dead.delete(second[0]));
        assert_eq!((dead.len(), dead.iter().collect::<Vec<_>>()), (1, vec![7]));
    }
}
