//! Group commit for `fsync: true`: who waits for the disk takes everybody's writes along, and who comes meanwhile finds
//! the work done. Also the small helpers of shared state and blocking work.

use common::ports::PortError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts commits, and which of them are on the disk.
#[derive(Debug, Default)]
pub(crate) struct GroupSync {
    committed: AtomicU64,
    synced: Mutex<u64>,
}

impl GroupSync {
    /// Notes a commit that is in the kernel.
    pub(crate) fn note(&self) {
        self.committed.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns when everything that was noted before the call is on the disk. Blocks.
    pub(crate) fn sync(&self, flush: impl FnOnce() -> Result<(), PortError>) -> Result<(), PortError> {
        let asked = self.committed.load(Ordering::SeqCst);
        let mut synced = lock(&self.synced);
        if *synced < asked {
            let all = self.committed.load(Ordering::SeqCst);
            flush()?;
            *synced = all;
        }
        Ok(())
    }
}

/// Locks. What a panicking thread left is still whole: state changes after its write succeeded, in one go.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets other tasks run now and then: a call here is done without waiting, so that a loop of calls would keep its thread.
pub(crate) async fn be_fair() {
    tokio::task::coop::consume_budget().await;
}

/// Runs work that blocks for long off the caller's runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(PortError::Unavailable { what, why: format!("its thread ended early: {e}") }),
    }
}
