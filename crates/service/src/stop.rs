//! The end of a service: a first signal asks for it, a second one enforces it, and so does a task that broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// From the signal to the end of the last task. ECS kills 30 s after its SIGTERM (`stopTimeout`).
pub const DRAIN_WITHIN: Duration = Duration::from_secs(20);
/// After the tasks, for what is still to be written down and sent: audit, metrics, traces.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(4);

/// What shells show for a process that a signal ended.
const STATUS_SIGINT: i32 = 130;
const STATUS_SIGTERM: i32 = 143;

/// The service's end, shared by its tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    pub(crate) token: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Stop {
    /// Ends the service because something broke.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Runs a task that the service can't do without. When it ends early, or panics, the service ends: a process that
    /// only looks alive helps nobody.
    pub(crate) async fn watch(self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        match tokio::spawn(task).await {
            Ok(()) if self.token.is_cancelled() => {}
            Ok(()) => {
                tracing::error!(task = name, "a task has ended that the service can't do without");
                self.fail();
            }
            Err(error) => {
                tracing::error!(task = name, %error, "a task broke that the service can't do without");
                self.fail();
            }
        }
    }

    /// Starts listening for signals.
    pub(crate) fn on_signals(&self) -> std::io::Result<()> {
        let term = signal(SignalKind::terminate())?;
        let int = signal(SignalKind::interrupt())?;
        tokio::spawn(listen(self.token.clone(), term, int));
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a second signal asks for exactly this: no destructor may delay the end"
)]
async fn listen(token: CancellationToken, mut term: Signal, mut int: Signal) {
    let mut next = async || {
        tokio::select! {
            _ = term.recv() => ("SIGTERM", STATUS_SIGTERM),
            _ = int.recv() => ("SIGINT", STATUS_SIGINT),
        }
    };
    let (name, _) = next().await;
    tracing::info!(
        signal = name,
        within_s = DRAIN_WITHIN.as_secs(),
        "draining; the next signal ends at once"
    );
    token.cancel();
    let (name, status) = next().await;
    tracing::warn!(signal = name, "second signal, ending at once");
    std::process::exit(status);
}

/// Panics become log lines with their place.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (payload, none) = (panic.payload(), "(no words)");
        let words = payload.downcast_ref::<&str>().copied();
        let words = words.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or(none);
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(panic = words, at, thread = thread.name(), "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_breaks_ends_the_service() {
        let ended = Stop::default();
        ended.clone().watch("ended", async {}).await;
        assert!(ended.has_failed() && ended.token.is_cancelled());
        let broken = Stop::default();
        broken.clone().watch("broken", async { panic!("on purpose") }).await;
        assert!(broken.has_failed() && broken.token.is_cancelled());
    }

    #[tokio::test]
    async fn after_the_signal_tasks_may_end_and_must_not_break() {
        let stop = Stop::default();
        stop.token.cancel();
        stop.clone().watch("ended", async {}).await;
        assert!(!stop.has_failed());
        stop.clone().watch("broken", async { panic!("on purpose") }).await;
        assert!(stop.has_failed());
    }

    #[test]
    fn all_of_it_ends_before_ecs_kills() {
        let stop_timeout = Duration::from_secs(30);
        assert!(DRAIN_WITHIN + FLUSH_WITHIN < stop_timeout);
    }
}
