//! Reports, journals and `/proc`, as the figures of a rehearsal.

use common::report;
use control::Report;
use loadtest::gateways::journal::Summary;
use loadtest::rehearse::{Counted, Late, Machine, Passed, Pressed, Steps, Times, WorkerDid};

/// Where this runs.
pub(super) fn machine() -> Machine {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kb =
        after(&read("/proc/meminfo"), "MemTotal").and_then(|kb| kb.split(' ').next()?.parse::<u64>().ok());
    Machine {
        cpu: after(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: kb.unwrap_or(0) * 1024,
        kernel: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(super) fn unix_ms() -> u64 {
    use common::time::{Clock as _, SystemClock};
    u64::try_from(SystemClock::default().now().0).unwrap_or(0)
}

/// What the report says.
pub(super) fn of(report: &Report) -> Pressed {
    let b = &report.books;
    let pressed_at = report.campaign.pressed_at().map_or(0, |at| at.0);
    Pressed {
        users: report.users,
        devices: b.devices,
        counted: Counted {
            accepted: b.accepted,
            rejected: b.rejected,
            expired: b.expired,
            aborted: b.aborted,
            ambiguous: b.ambiguous,
            pending: b.pending,
            doubled_at_most: b.doubled_at_most,
            ..Counted::default()
        },
        by_outcome: b.by_outcome.clone(),
        steps: Steps {
            dispatched: passed(&b.steps.dispatched),
            expanded: passed(&b.steps.expanded),
            claimed: passed(&b.steps.claimed),
            sent: passed(&b.steps.sent),
            accepted: Passed { times: times(&b.times), by_ms: b.accepted_by_ms.clone() },
            answered: passed(&b.steps.answered),
            completed: passed(&b.steps.completed),
        },
        workers: report.workers.iter().map(|w| worker(w, pressed_at)).collect(),
        late: late(&b.late),
        ..Pressed::default()
    }
}

/// What the gateways' journal says as a whole: every press is held against it by its sums, the last one device by device too.
pub(super) fn journal(pressed: &mut Pressed, said: &Summary) {
    let refused = pressed.refused_tokens();
    let counted = &mut pressed.counted;
    counted.seen = said.accepted_devices;
    counted.doubled = said.duplicates;
    let unseen = counted.accepted.saturating_sub(said.accepted_devices);
    let perhaps = counted.ambiguous + counted.doubled_at_most;
    let unknown = said.accepted_devices.saturating_sub(counted.accepted + perhaps);
    counted.lost = unseen + unknown + refused.saturating_sub(said.rejected_devices);
}

/// Where nobody can look at the journal: what the ledger calls possibly doubled is taken for doubled.
pub(super) fn books(pressed: &mut Pressed) {
    pressed.by_books = true;
    pressed.counted.doubled = pressed.counted.doubled_at_most;
}

fn passed(passed: &report::Passed) -> Passed {
    Passed { times: times(&passed.times), by_ms: passed.by_ms.clone() }
}

fn times(t: &report::Times) -> Times {
    Times {
        first_ms: t.first_ms,
        p50_ms: t.p50_ms,
        p95_ms: t.p95_ms,
        p99_ms: t.p99_ms,
        last_ms: t.last_ms,
        mean_ms: t.mean_ms,
    }
}

fn worker(w: &control::WorkerFigures, pressed_at: i64) -> WorkerDid {
    let from_press = |second: i64| second.saturating_mul(1_000).saturating_sub(pressed_at);
    WorkerDid {
        worker: w.worker.to_string(),
        devices: w.devices,
        batches: w.batches,
        p50_ms: w.p50_ms,
        p99_ms: w.p99_ms,
        by_ms: w.by_slot.iter().map(|(second, n)| (from_press(*second), *n)).collect(),
        slot_ms: w.slot_seconds.saturating_mul(1_000),
    }
}

fn late(late: &report::Late) -> Late {
    let example =
        |d: &report::LateDevice| format!("batch {}, place {}: {} ms: {}", d.batch, d.place, d.ms, d.why);
    Late {
        devices: late.devices,
        waited_on_queue: late.waited_on_queue,
        tried_again: late.tried_again,
        slow_gateway: late.slow_gateway,
        examples: late.examples.iter().map(example).collect(),
        left_late: late.left_late,
    }
}
