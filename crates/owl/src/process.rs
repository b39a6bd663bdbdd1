//! What a process used and may use, as the system counts it.

/// Ticks a second in `/proc/PID/stat` (USER_HZ): Linux shows 100 to programs, whatever the kernel uses.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of all threads so far, in seconds; 0 where there is no `/proc`. Nothing given is this process.
pub(crate) fn cpu_seconds(pid: Option<u32>) -> f64 {
    let read = || {
        let stat = std::fs::read_to_string(file(pid, "stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_ascii_whitespace().skip(11);
        let user: f64 = times.next()?.parse().ok()?;
        let system: f64 = times.next()?.parse().ok()?;
        Some((user + system) / TICKS_PER_S)
    };
    read().unwrap_or(0.0)
}

/// The most memory a process ever held, in bytes; 0 where there is no `/proc`. Nothing given is this process.
pub(crate) fn peak_rss_bytes(pid: Option<u32>) -> u64 {
    memory(pid, "VmHWM:")
}

/// The memory that a process holds, in bytes; 0 where there is no `/proc`.
pub(crate) fn rss_bytes(pid: Option<u32>) -> u64 {
    memory(pid, "VmRSS:")
}

fn memory(pid: Option<u32>, which: &str) -> u64 {
    let read = || {
        let status = std::fs::read_to_string(file(pid, "status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix(which))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    read().unwrap_or(0) * 1024
}

/// Open files and connections of a process; 0 where there is no `/proc`.
pub(crate) fn open_files(pid: Option<u32>) -> u64 {
    std::fs::read_dir(file(pid, "fd")).map_or(0, |all| all.count() as u64)
}

/// Lets this process open as many files and connections as the system allows it: many systems begin at 1,024, and gateways,
/// watchers and queue segments together may be more.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is refused stays as it was, and says so when it runs out.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn file(pid: Option<u32>, name: &str) -> String {
    pid.map_or_else(|| format!("/proc/self/{name}"), |pid| format!("/proc/{pid}/{name}"))
}
