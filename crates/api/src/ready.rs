//! Whether a press would go through now: the campaigns can be read, and the queue of shards can be reached. Looked at
//! in the background, so that a probe is answered from memory however slow the backend is.

use common::ports::{Backend, PortError};
use common::time::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A backend that takes longer than this is not ready.
const WITHIN: Duration = Duration::from_secs(1);
/// A look older than this says nothing any more.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// The last look: when it ended, and what it showed.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    last: Mutex<Option<(Duration, Result<(), String>)>>,
}

impl Ready {
    /// Looks again and again, until shutdown.
    pub(crate) async fn keep_looking(
        &self,
        backend: &Backend,
        clock: &dyn Clock,
        shutdown: CancellationToken,
    ) {
        let again = async {
            loop {
                tokio::time::sleep(EVERY).await;
                self.look(backend, clock).await;
            }
        };
        shutdown.run_until_cancelled(again).await;
        self.put(clock, Err("it is draining".to_owned()));
    }

    /// Looks now.
    pub(crate) async fn look(&self, backend: &Backend, clock: &dyn Clock) {
        let seen = match tokio::time::timeout(WITHIN, reach(backend)).await {
            Ok(seen) => seen.map_err(|e| e.to_string()),
            Err(_) => Err(format!("the backend does not answer within {} ms", WITHIN.as_millis())),
        };
        self.is(clock, seen);
    }

    /// Why it is not ready, if so.
    pub(crate) fn why_not(&self, clock: &dyn Clock) -> Result<(), String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (at, seen) = last.ok_or_else(|| "the backend was not looked at yet".to_owned())?;
        let age = clock.mono().saturating_sub(at);
        if age > GOOD_FOR {
            return Err(format!("the backend was last looked at {} s ago", age.as_secs()));
        }
        seen
    }

    fn is(&self, clock: &dyn Clock, seen: Result<(), String>) {
        let was = self.put(clock, seen.clone());
        // Each change once, and not each look.
        match (was, seen) {
            (None | Some(Ok(())), Err(why)) => tracing::warn!(why, "not ready"),
            (Some(Err(_)), Ok(())) => tracing::info!("ready again"),
            _ => {}
        }
    }

    /// Answers what was known before.
    fn put(&self, clock: &dyn Clock, seen: Result<(), String>) -> Option<Result<(), String>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace((clock.mono(), seen)).map(|(_, seen)| seen)
    }
}

async fn reach(backend: &Backend) -> Result<(), PortError> {
    let slot = async { backend.campaigns.slot().await.map(drop) };
    let queue = async { backend.shards.depth().await.map(drop) };
    tokio::try_join!(slot, queue).map(drop)
}
