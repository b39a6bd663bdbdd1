//! The contract's suite on real files, under a clock that is moved by hand.

use crate::START;
use async_trait::async_trait;
use common::ports::{Backend, PortError};
use common::time::{Clock, ManualClock, UnixMs};
use contract::suite::{self, Factory, Subject};
use embedded::{Embedded, EmbeddedConfig};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

struct OnFiles {
    fsync: bool,
    cache_bytes: usize,
}

struct Opened {
    config: EmbeddedConfig,
    clock: Arc<ManualClock>,
    embedded: Option<Embedded>,
    _dir: TempDir,
}

#[async_trait]
impl Factory for OnFiles {
    fn name(&self) -> String {
        format!("embedded, fsync {}", self.fsync)
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let dir = tempfile::tempdir().unwrap();
        let mut config = EmbeddedConfig::new(dir.path());
        config.fsync = self.fsync;
        config.queue_cache_bytes = self.cache_bytes;
        let clock = Arc::new(ManualClock::at(START));
        let embedded = Some(embedded::open(config.clone(), clock.clone()).unwrap());
        Ok(Box::new(Opened { config, clock, embedded, _dir: dir }))
    }
}

#[async_trait]
impl Subject for Opened {
    fn backend(&self) -> Backend {
        self.embedded.as_ref().unwrap().backend.clone()
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        self.embedded = None;
        self.embedded = Some(embedded::open(self.config.clone(), self.clock.clone()).unwrap());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    let report = suite::run(&OnFiles { fsync: false, cache_bytes: 64 << 20 }).await;
    println!("{report}");
    report.into_result().unwrap();
}

#[tokio::test]
async fn the_contract_holds_with_fsync_without_a_cache_on_one_thread() {
    let report = suite::run(&OnFiles { fsync: true, cache_bytes: 0 }).await;
    println!("{report}");
    report.into_result().unwrap();
}
