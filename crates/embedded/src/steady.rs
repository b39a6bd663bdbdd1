//! The queues' time: the wall clock as it was at open, plus what has elapsed since, so that a corrected wall clock
//! moves no visibility. What is stored is such a time, close enough to the wall clock's to be read after a restart.

use common::time::{Clock, UnixMs};
use std::sync::Arc;
use std::time::Duration;

/// A clock that no correction moves.
#[derive(Clone)]
pub(crate) struct SteadyTime {
    clock: Arc<dyn Clock>,
    wall: UnixMs,
    mono: Duration,
}

impl SteadyTime {
    /// Anchored now.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (wall, mono) = (clock.now(), clock.mono());
        Self { clock, wall, mono }
    }

    /// The anchor, plus what has elapsed.
    pub(crate) fn now(&self) -> UnixMs {
        self.wall.plus(self.mono().saturating_sub(self.mono))
    }

    /// The clock's own monotonic time.
    pub(crate) fn mono(&self) -> Duration {
        self.clock.mono()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::time::ManualClock;

    #[test]
    fn a_corrected_wall_clock_moves_nothing() {
        let clock = Arc::new(ManualClock::at(UnixMs(1_000)));
        let steady = SteadyTime::new(clock.clone());
        clock.advance(Duration::from_millis(5));
        clock.set_wall(UnixMs(77));
        assert_eq!(steady.now(), UnixMs(1_005));
    }
}
