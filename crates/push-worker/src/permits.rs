//! Room for devices in one lane. It is taken before receiving and given back when answers came, so a slow gateway slows
//! receiving, and nothing grows.

use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// A lane's room, counted in devices.
#[derive(Debug)]
pub(crate) struct Permits {
    limit: usize,
    used: Cell<usize>,
    freed: Notify,
}

impl Permits {
    pub(crate) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { limit: limit.max(1), used: Cell::new(0), freed: Notify::new() })
    }

    /// Waits until `one` batch of this size fits (or nothing is held: a batch above the limit goes alone), then takes
    /// room for as many as fit, `most` at the most. Answers the room and for how many it is.
    pub(crate) async fn take(self: &Rc<Self>, one: usize, most: usize) -> (Room, usize) {
        let one = one.max(1);
        loop {
            let freed = self.freed.notified();
            let fit = self.limit.saturating_sub(self.used.get()) / one;
            let fit = if self.used.get() == 0 { fit.max(1) } else { fit }.min(most);
            if fit > 0 {
                let mut room = Room { permits: Rc::clone(self), devices: 0 };
                room.resize(fit * one);
                return (room, fit);
            }
            freed.await;
        }
    }

    /// Devices that room is held for.
    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }
}

/// Room for some devices; given back on drop.
#[derive(Debug)]
pub(crate) struct Room {
    permits: Rc<Permits>,
    devices: usize,
}

impl Room {
    /// Makes it the size that turned out to be right. More than was free is taken too: the envelopes are here already.
    pub(crate) fn resize(&mut self, devices: usize) {
        let used = self.permits.used.get();
        self.permits.used.set(used.saturating_sub(self.devices) + devices);
        if devices < self.devices {
            self.permits.freed.notify_waiters();
        }
        self.devices = devices;
    }

    /// Gives back the room of this many devices.
    pub(crate) fn shrink_by(&mut self, devices: usize) {
        self.resize(self.devices.saturating_sub(devices));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn room_is_taken_in_whole_batches_and_comes_back() {
        let permits = Permits::new(250);
        let (mut a, n) = permits.take(100, 10).now_or_never().expect("free");
        assert_eq!((n, permits.used()), (2, 200));
        assert!(permits.take(100, 10).now_or_never().is_none(), "50 left");
        a.resize(260);
        assert_eq!(permits.used(), 260, "a batch may turn out larger");
        a.shrink_by(160);
        let (_b, n) = permits.take(100, 10).now_or_never().expect("free again");
        assert_eq!(n, 1);
        drop(a);
        assert_eq!(permits.used(), 100);
    }

    #[test]
    fn a_batch_above_the_limit_goes_alone() {
        let permits = Permits::new(10);
        let (room, n) = permits.take(100, 10).now_or_never().expect("alone");
        assert_eq!(n, 1);
        assert!(permits.take(1, 10).now_or_never().is_none());
        drop(room);
        assert!(permits.take(1, 10).now_or_never().is_some());
    }
}
