//! Group commit for `fsync: true`: who waits for the disk takes everybody's writes along, and who comes meanwhile finds
//! the work done. Also the small helpers of shared state and blocking work.

use common::ports::PortError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use tokio::sync::oneshot;

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

/// A thread of its own for one kind of work, done one after the other. It is from the time of glibc's allocator, which has
/// arenas by thread: imports on whichever thread was free held a table's memory once for each. The binaries have run on
/// another one since (`docs/adr/0012-allocator.md`); whether one thread still saves anything was not measured anew.
pub(crate) struct Hand(mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Hand {
    /// Starts it. It ends with the last of its work after this is dropped.
    pub(crate) fn start(name: &str) -> std::io::Result<Self> {
        let (work, todo) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let each = move || todo.into_iter().for_each(|work| work());
        std::thread::Builder::new().name(name.to_owned()).spawn(each)?;
        Ok(Self(work))
    }

    /// Does it, when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let ended = || PortError::Unavailable { what, why: "its thread ended early".to_owned() };
        let (done, answer) = oneshot::channel();
        // A panic is this work's end, not that of what comes after it: its answer is dropped.
        let work = move || {
            if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
                // Nobody waits any more: it is done all the same.
                let _ = done.send(result);
            }
        };
        self.0.send(Box::new(work)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hand_goes_on_after_a_panic() {
        let hand = Hand::start("a hand").expect("a thread");
        let fell = hand.run("it", || -> Result<u8, PortError> { panic!("on purpose") }).await;
        assert!(matches!(fell, Err(PortError::Unavailable { .. })), "{fell:?}");
        assert_eq!(hand.run("it", || Ok(7)).await.expect("the next is done"), 7);
    }
}
