//! What an embedded backend is opened with.

use std::path::PathBuf;

/// Where the data lies, how durable it is, and how much memory its caches take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// The data directory; made when it does not exist.
    pub dir: PathBuf,
    /// False: what is acknowledged is in the kernel and survives `kill -9`. True: it is on the disk and survives a power
    /// cut, for a few milliseconds a call.
    pub fsync: bool,
    /// Bodies of envelopes kept in memory, in bytes, per queue; others are read back from the log.
    pub queue_cache_bytes: usize,
    /// Cache of the tables, in bytes.
    pub tables_cache_bytes: u64,
    /// Cache of the device table, in bytes.
    pub devices_cache_bytes: u64,
}

impl EmbeddedConfig {
    /// The defaults, on this directory.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            fsync: false,
            queue_cache_bytes: 64 << 20,
            tables_cache_bytes: 32 << 20,
            devices_cache_bytes: 64 << 20,
        }
    }
}
