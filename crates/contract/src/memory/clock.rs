//! A clock that follows tokio's own time, paused or not, so that timers and timestamps agree in simulations.

use common::time::{Clock, UnixMs};
use std::time::Duration;
use tokio::time::Instant;

/// Shows a fixed start plus what has passed on tokio's clock. Under `start_paused` it moves with `sleep` and `advance`.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Instant,
    wall: UnixMs,
}

impl TokioClock {
    /// A clock that shows `now`, and moves from here on as tokio's does. To be made inside the runtime.
    #[must_use]
    pub fn at(now: UnixMs) -> Self {
        Self { start: Instant::now(), wall: now }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> UnixMs {
        self.wall.plus(self.mono())
    }

    fn mono(&self) -> Duration {
        self.start.elapsed()
    }
}
