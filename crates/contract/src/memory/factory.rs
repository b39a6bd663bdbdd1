//! The memory backend under the suite: a manual clock, and parts that outlive a restart.

use super::{Call, MemoryParts};
use crate::suite::{Factory, Subject, Which};
use async_trait::async_trait;
use common::ports::{Backend, PortError};
use common::time::{Clock, ManualClock, UnixMs};
use std::sync::Arc;
use std::time::Duration;

/// When the suite's memory backends begin: 2026-02-08T23:31:05.120Z.
const BEGIN: UnixMs = UnixMs(1_770_593_465_120);

/// A memory backend on a manual clock.
pub struct MemorySubject {
    /// Its parts.
    pub parts: MemoryParts,
    clock: Arc<ManualClock>,
}

impl Default for MemorySubject {
    fn default() -> Self {
        let clock = Arc::new(ManualClock::at(BEGIN));
        Self { parts: MemoryParts::new(clock.clone()), clock }
    }
}

impl MemorySubject {
    /// New parts, with nothing in them, on the same clock.
    #[must_use]
    pub fn emptied(&self) -> MemoryParts {
        MemoryParts::new(self.clock.clone())
    }
}

#[async_trait]
impl Subject for MemorySubject {
    fn backend(&self) -> Backend {
        self.parts.backend()
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.parts.wake();
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    async fn fail_send_entries(&mut self, queue: Which, places: &[usize]) -> bool {
        let call = if queue == Which::Shards { Call::ShardsSend } else { Call::BatchesSend };
        self.parts.faults.fail_entries(call, 0, places);
        true
    }
}

/// Makes memory backends for the suite.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryFactory;

#[async_trait]
impl Factory for MemoryFactory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        Ok(Box::new(MemorySubject::default()))
    }
}
