//! What an operator may choose for a push worker.

use std::time::Duration;

/// Settings of one push worker. None of them changes what a batch means: that is frozen in the envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushConfig {
    /// Lanes: OS threads, each with its own connections.
    pub lanes: usize,
    /// Devices of the batches that a lane may hold at once.
    pub devices_in_flight: usize,
    /// Receive calls that a lane has in flight while envelopes come; one while none does.
    pub receivers: usize,
    /// How long one receive call waits for an envelope.
    pub receive_wait: Duration,
    /// How long a gateway may take to answer a request that was written (Google: at least 10 s).
    pub patience: Duration,
    /// Batches that finish within this time share their completion calls.
    pub gather: Duration,
    /// After a shutdown signal, what was begun may go on for this long; then it is put back.
    pub drain: Duration,
    /// The breaker trips at this many answers without one success.
    pub breaker_answers: u32,
    /// A tripped breaker lets one batch through in each such time.
    pub breaker_probe_every: Duration,
    /// A gateway is given up by the whole fleet when this share of its push workers tripped.
    pub fleet_trip_percent: u8,
    /// How often the other workers' rows are read.
    pub fleet_every: Duration,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            lanes: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            devices_in_flight: 4_000,
            receivers: 4,
            receive_wait: Duration::from_secs(1),
            patience: Duration::from_secs(10),
            gather: Duration::from_millis(5),
            drain: Duration::from_secs(8),
            breaker_answers: 50,
            breaker_probe_every: Duration::from_secs(5),
            fleet_trip_percent: 50,
            fleet_every: Duration::from_secs(2),
        }
    }
}
