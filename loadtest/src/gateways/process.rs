//! What this process used, as the system counts it.

/// Ticks a second in `/proc/self/stat`; Linux shows 100 to programs, whatever the kernel uses.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of all threads so far, in seconds; `None` where there is no `/proc`.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: f64 = times.next()?.parse().ok()?;
    let system: f64 = times.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

/// The most memory that this process ever held, in bytes; `None` where there is no `/proc`.
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_system_tells() {
        assert!(super::cpu_seconds().is_some());
        assert!(super::peak_rss_bytes().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
