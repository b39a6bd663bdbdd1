//! Time passes: time-outs of requests, keep-alive, the deadline of draining.

use super::{Connection, Draining, End};
use crate::fault::Code;
use crate::frame;
use crate::request::{Doubt, Outcome};
use std::time::Duration;

impl Connection {
    /// Tells what time it is.
    pub fn tick(&mut self, now: Duration) {
        self.end_fences(now);
        if self.end.is_none()
            && self.draining.and_then(|draining| draining.until).is_some_and(|until| until <= now)
        {
            self.leave(End::Drained, Code::NO_ERROR);
        }
        if self.end.is_none() && self.earliest.is_some_and(|earliest| earliest <= now) {
            self.expire(now);
        }
        if self.end.is_none() && self.ping_due() <= now {
            self.keep_alive(now);
        }
        self.check();
    }

    /// When [`tick`](Self::tick) is due; early is harmless.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let drain = self.draining.and_then(|draining| draining.until);
        let all = [self.earliest, drain, self.fences.until(), Some(self.ping_due())];
        all.into_iter().flatten().min().filter(|_| self.end.is_none())
    }

    /// Cancels what waited long enough (RFC 9113, 5.4.2). The stream's late frames do no harm: they are ignored. The ring
    /// is looked through once in a time-out's length, since `earliest` is exact only after that.
    ///
    /// One that has not left by then never may: the kernel takes nothing, and what it took later would leave after its
    /// caller was told. So the connection ends, and what has not left is taken back. Nor is it of use any more if a body
    /// waited for a window all the time: it takes no more requests.
    fn expire(&mut self, now: Duration) {
        let left = self.out.left();
        if self.slots.all_open().any(|slot| slot.until <= now && slot.starts >= left) {
            return self.lost();
        }
        if self.slots.all_open().any(|slot| slot.until <= now && slot.rest.is_some()) {
            self.draining.get_or_insert(Draining { until: None });
        }
        for id in self.slots.ids(|slot| slot.until <= now) {
            self.reset(id, Code::CANCEL);
            self.finish_or_answer(id, Outcome::Ambiguous(Doubt::TimedOut), false);
        }
        self.earliest = self.slots.all_open().map(|slot| slot.until).min();
        self.end_if_drained();
    }

    fn ping_due(&self) -> Duration {
        let busy = self.books.in_flight > 0;
        let every = match self.ping.waits {
            true => self.config.pong_within,
            false if busy => self.config.ping_busy_every,
            false => self.config.ping_idle_every,
        };
        self.ping.last.saturating_add(every)
    }

    fn keep_alive(&mut self, now: Duration) {
        if self.ping.waits {
            return self.leave(End::PingLost, Code::NO_ERROR);
        }
        self.ping.count += 1;
        (self.ping.last, self.ping.waits) = (now, true);
        frame::put(self.out.bytes(), frame::PING, 0, 0, &self.ping.count.to_be_bytes());
    }
}
