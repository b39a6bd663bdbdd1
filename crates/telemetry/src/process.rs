//! What is looked up when somebody reads the metrics: what the process itself is like, from `/proc` (elsewhere than on
//! Linux only the uptime is known), and whatever a service adds with [`before_reading`].

use crate::metrics::{OPEN_FILES, RESIDENT_BYTES, UPTIME_SECONDS};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

static STARTED: OnceLock<Instant> = OnceLock::new();

type Probe = Arc<dyn Fn() + Send + Sync>;

static PROBES: Mutex<Vec<Probe>> = Mutex::new(Vec::new());

/// From now on this runs before each reading of the metrics, for gauges that somebody can only ask for, such as `ready`. It
/// must answer from memory, at once.
pub fn before_reading(probe: impl Fn() + Send + Sync + 'static) {
    PROBES.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(probe));
}

/// Sets the gauges that are looked up. The uptime counts from the first call.
pub(crate) fn read() {
    let probes = PROBES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    probes.iter().for_each(|probe| probe());
    UPTIME_SECONDS.set_count((), STARTED.get_or_init(Instant::now).elapsed().as_secs());
    if let Some(bytes) = resident() {
        RESIDENT_BYTES.set((), bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the directory that is being read.
        OPEN_FILES.set_count((), files.count().saturating_sub(1));
    }
}

fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok().map(|kb| kb * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_fresh_at_each_reading() {
        use crate::metrics::CLAIMS_HELD;
        use std::sync::atomic::{AtomicI64, Ordering};
        let now = Arc::new(AtomicI64::new(3));
        let held = Arc::clone(&now);
        before_reading(move || CLAIMS_HELD.set((), held.load(Ordering::Relaxed)));
        assert!(crate::prometheus().contains("\nowl_claims_held 3\n"));
        now.store(4, Ordering::Relaxed);
        assert!(crate::prometheus().contains("\nowl_claims_held 4\n"));
    }

    #[test]
    fn the_process_is_seen() {
        read();
        assert!(RESIDENT_BYTES.value(()).is_some_and(|b| b > 100_000));
        assert!(OPEN_FILES.value(()).is_some_and(|n| n >= 3));
    }
}
