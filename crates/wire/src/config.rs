//! What the caller chooses for a connection.

use crate::limits;
use std::time::Duration;

/// How a connection behaves. Values out of bounds are brought into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Requests in flight before the server's SETTINGS came. Apple: one.
    pub streams_first: usize,
    /// Most requests in flight, whatever the server allows.
    pub streams_max: usize,
    /// Bytes of output, written or waiting for a window, beyond which no request is taken.
    pub out_bytes_max: usize,
    /// Most bytes kept of an answer's body, up to 32 KiB. A longer one is cut and its stream cancelled.
    pub answer_bytes_max: usize,
    /// Whether bodies and wanted headers of 2xx answers are kept. Without, wanted headers of these may be missing.
    pub keep_successes: bool,
    /// Bytes of all answers that may be on their way.
    pub window_bytes: u32,
    /// Response headers to keep, in lower case.
    pub wanted: Vec<String>,
    /// PING while requests wait for answers.
    pub ping_busy_every: Duration,
    /// PING while none does.
    pub ping_idle_every: Duration,
    /// The connection is dead if a PING is not answered within this.
    pub pong_within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams_first: 1,
            streams_max: 1_000,
            out_bytes_max: 256 * 1_024,
            answer_bytes_max: 4_096,
            keep_successes: false,
            window_bytes: 16 * 1_024 * 1_024,
            wanted: vec!["retry-after".to_owned()],
            ping_busy_every: Duration::from_secs(10),
            ping_idle_every: Duration::from_secs(60),
            pong_within: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// The window of a stream is the protocol's first (65,535), so an answer that is cut at half of that never needs more.
    pub(crate) fn bounded(mut self) -> Self {
        self.streams_max = self.streams_max.clamp(1, limits::STREAMS_LARGEST);
        self.streams_first = self.streams_first.clamp(1, self.streams_max);
        self.answer_bytes_max = self.answer_bytes_max.min(limits::WINDOW_FIRST as usize / 2);
        self.window_bytes = self.window_bytes.clamp(limits::WINDOW_FIRST as u32, limits::WINDOW_MAX as u32);
        self
    }
}
