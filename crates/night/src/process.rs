//! One process of the fleet, as far as the world sees it: whether it lives, whether it stands still, and what its clocks show.
//!
//! A killed process is cut off: no call or push of it leaves any more, no answer reaches it, and its tasks are told to end. What
//! was on its way already arrives, as it would. The husk winds down unseen; nobody outside can tell it from dropped tasks.

use crate::strike::Slot;
use common::ids::WorkerId;
use common::time::{Clock, UnixMs};
use contract::memory::TokioClock;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One life of one process.
pub(crate) struct Process {
    pub(crate) slot: Slot,
    pub(crate) name: Arc<str>,
    pub(crate) id: WorkerId,
    clock: TokioClock,
    skew_ms: AtomicI64,
    dead: CancellationToken,
    frozen_until: Mutex<Option<Instant>>,
    /// SIGTERM.
    pub(crate) shutdown: CancellationToken,
    /// It was told to end, or has ended.
    pub(crate) leaving: AtomicBool,
    /// Its `run` came to its end.
    pub(crate) ended: AtomicBool,
    /// Pushes that its gateways were asked for and have not answered.
    pub(crate) in_hand: AtomicUsize,
}

impl Process {
    /// The nth life in this slot, by the world's clock.
    pub(crate) fn new(slot: Slot, life: u32, id: WorkerId, clock: TokioClock, skew_ms: i64) -> Arc<Self> {
        let (kind, n) = slot;
        let name = match life {
            0 => format!("{}-{n}", kind.label()),
            life => format!("{}-{n}.{life}", kind.label()),
        };
        Arc::new(Self {
            slot,
            name: name.into(),
            id,
            clock,
            skew_ms: AtomicI64::new(skew_ms),
            dead: CancellationToken::new(),
            frozen_until: Mutex::default(),
            shutdown: CancellationToken::new(),
            leaving: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            in_hand: AtomicUsize::new(0),
        })
    }

    /// Returns when it may do something that others see: not while it stands still, and never once it is dead.
    pub(crate) async fn alive(&self) {
        loop {
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            let until = *crate::lock(&self.frozen_until);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Whether people and others may reach it.
    pub(crate) fn is_up(&self) -> bool {
        !self.is_dead() && !self.leaving.load(Ordering::Relaxed)
    }

    /// Ends when it has died.
    pub(crate) async fn died(&self) {
        self.dead.cancelled().await;
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.dead.cancel();
        self.shutdown.cancel();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.shutdown.cancel();
    }

    /// SIGSTOP, and SIGCONT this much later.
    pub(crate) fn freeze(&self, ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        let mut frozen = crate::lock(&self.frozen_until);
        *frozen = Some(frozen.map_or(until, |old| old.max(until)));
    }

    /// Moves its wall clock.
    pub(crate) fn skew(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }

    /// How far its wall clock is from the right time, in milliseconds.
    pub(crate) fn skewed_by(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }
}

/// A process's clocks.
pub(crate) struct ProcessClock(pub(crate) Arc<Process>);

impl Clock for ProcessClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.clock.now().0 + self.0.skewed_by())
    }

    fn mono(&self) -> Duration {
        self.0.clock.mono()
    }
}
