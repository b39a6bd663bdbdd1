//! What the connections of a pool and those who send over them have in common.

use super::kernel::Queues;
use super::limits;
use super::mail::Mails;
use super::turns::Turns;
use std::cell::RefCell;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) turns: Turns,
    pub(super) mails: Mails,
    /// What one connection reads into while it has its turn.
    pub(super) buffer: RefCell<Box<[u8]>>,
    pub(super) queues: RefCell<Queues>,
    start: Instant,
}

impl Hub {
    pub(super) fn new() -> Self {
        let buffer = RefCell::new(vec![0; limits::READ_BYTES].into());
        Self {
            turns: Turns::default(),
            mails: Mails::default(),
            buffer,
            queues: RefCell::default(),
            start: Instant::now(),
        }
    }

    /// An instant on the connections' clock.
    pub(super) fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }

    /// The instant of a time on the connections' clock, if there is such a one.
    pub(super) fn instant(&self, time: Duration) -> Option<Instant> {
        self.start.checked_add(time)
    }
}
