//! What an operator may choose for an interim worker.

use std::time::Duration;

/// Settings of one interim worker. None of them changes what a batch means: that is frozen in the envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterimConfig {
    /// Shard envelopes held at once: about shards / workers, so that no worker takes more than its part.
    pub permits: usize,
    /// Send calls (of ten batch envelopes) in flight for one shard.
    pub sends_in_flight: usize,
    /// Shards loaded at once.
    pub loads_in_flight: usize,
    /// Longest part of a shard object that one get asks for, in bytes.
    pub part_bytes: u64,
    /// Largest snapshot that is kept in memory, in bytes; of a larger one, shards are fetched when needed.
    pub snapshot_bytes_max: u64,
    /// How long one receive call waits for an envelope.
    pub receive_wait: Duration,
    /// After a shutdown signal, work that was begun may go on for this long; then it is given back.
    pub drain: Duration,
}

impl Default for InterimConfig {
    fn default() -> Self {
        Self {
            permits: 4,
            sends_in_flight: 8,
            loads_in_flight: 4,
            part_bytes: 8 << 20,
            snapshot_bytes_max: 4 << 30,
            receive_wait: Duration::from_secs(1),
            drain: Duration::from_secs(8),
        }
    }
}
