//! The demo's result: for people, as one JSON object, and as a verdict on the invariants.

use super::crowd::Crowd;
use super::stop::{self, Stopped};
use super::{DemoArgs, Measured};
use crate::commands::print;
use crate::output::outln;
use crate::output::{bytes, count};
use crate::way::verify::Verdict;
use control::Report;
use loadtest::gateways::ServerKind;
use serde::Serialize;

/// Everything the demo measured. Times in whole milliseconds, from the press.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    users: u64,
    devices: u64,
    accepted: u64,
    rejected: u64,
    expired: u64,
    aborted: u64,
    ambiguous: u64,
    pending: u64,
    doubled_at_most: u64,
    dead_tokens: u64,
    /// What answered: only gateways that validate keep a journal.
    gateways: ServerKind,
    /// Devices that were settled when the process was killed, if it was.
    killed_at: Option<u64>,
    /// Distinct devices that the gateways accepted.
    gateway_unique: u64,
    /// Distinct devices that got a final answer.
    gateway_answered: u64,
    gateway_duplicates: u64,
    gateway_missing: u64,
    fifo_envelopes: u64,
    batches: u64,
    press_receipt_ms: u64,
    first_ms: Option<i64>,
    p50_ms: Option<i64>,
    p95_ms: Option<i64>,
    p99_ms: Option<i64>,
    last_ms: Option<i64>,
    late_devices: u64,
    pushes_per_s: u64,
    cpu_seconds: f64,
    gateway_cpu_seconds: f64,
    cpu_us_per_push: f64,
    peak_rss_bytes: u64,
    snapshot_build_ms: u64,
    preload_ms: u64,
    /// Stops in mid-blast.
    stops: Vec<Stopped>,
    /// Those who pressed at once, and those who watched, if there were any.
    crowd: Option<Crowd>,
    /// Invariants that do not hold; empty when all is well.
    pub(crate) faults: Vec<String>,
    #[serde(skip)]
    report: Report,
}

impl Summary {
    pub(super) fn new(measured: Measured, verdict: Verdict, gateways: ServerKind, args: &DemoArgs) -> Self {
        let Measured { report, cpu, peak_rss, receipt_ms, build_ms, preload_ms, blast, crowd } = measured;
        let super::blast::Blast { killed_at, stops } = blast;
        let b = report.books.clone();
        let answered = b.accepted + b.rejected;

        let last_ms = b.times.last_ms.filter(|ms| *ms > 0).map_or(1, i64::unsigned_abs);
        // Figures for people: a rounding error in the last digit does not matter.
        #[expect(clippy::cast_precision_loss)]
        let cpu_us_per_push = cpu.0 * 1e6 / (answered.max(1) as f64);
        Self {
            users: report.users,
            devices: b.devices,
            accepted: b.accepted,
            rejected: b.rejected,
            expired: b.expired,
            aborted: b.aborted,
            ambiguous: b.ambiguous,
            pending: b.pending,
            doubled_at_most: b.doubled_at_most,
            dead_tokens: b.dead_tokens(),
            gateways,
            killed_at,
            gateway_unique: verdict.accepted,
            gateway_answered: verdict.answered,
            gateway_duplicates: verdict.duplicates,
            gateway_missing: verdict.missing,
            fifo_envelopes: report.fifo_envelopes,
            batches: b.batches,
            press_receipt_ms: receipt_ms,
            first_ms: b.times.first_ms,
            p50_ms: b.times.p50_ms,
            p95_ms: b.times.p95_ms,
            p99_ms: b.times.p99_ms,
            last_ms: b.times.last_ms,
            late_devices: b.late.devices,
            pushes_per_s: b.accepted * 1000 / last_ms,
            cpu_seconds: cpu.0,
            gateway_cpu_seconds: cpu.1,
            cpu_us_per_push,
            peak_rss_bytes: peak_rss,
            snapshot_build_ms: build_ms,
            preload_ms,
            faults: faults(&report, &verdict, killed_at.is_some() || !stops.is_empty())
                .into_iter()
                .chain(crowd.iter().flat_map(Crowd::faults))
                .chain(stop::faults(&stops, args.round_trip_ms, args.slow_reader.is_some()))
                .collect(),
            stops,
            crowd,
            report,
        }
    }

    /// Prints the report for people.
    pub(crate) fn print(&self) {
        outln!();
        print::report(&self.report);
        outln!(
            "speed       {} pushes/s; receipt after {} ms",
            count(self.pushes_per_s),
            self.press_receipt_ms
        );
        outln!(
            "cost        {:.2} CPU seconds ours ({:.1} us a push), {:.2} the gateways'; peak memory {}",
            self.cpu_seconds,
            self.cpu_us_per_push,
            self.gateway_cpu_seconds,
            bytes(self.peak_rss_bytes)
        );
        outln!(
            "prepared    snapshot built in {} ms, loaded in {} ms",
            self.snapshot_build_ms,
            self.preload_ms
        );
        stop::print(&self.stops);
        if let Some(crowd) = &self.crowd {
            crowd.print();
        }
        outln!("envelopes   {} on the FIFO queue, {} batches", self.fifo_envelopes, count(self.batches));
        outln!(
            "journal     the gateways answered {} devices: {} accepted, {} of them twice; {} never answered",
            count(self.gateway_answered),
            count(self.gateway_unique),
            count(self.gateway_duplicates),
            count(self.gateway_missing)
        );
        for fault in &self.faults {
            outln!("FAULT       {fault}");
        }
        let unsent = self.expired + self.aborted + self.ambiguous;
        let twice = match (self.gateway_duplicates, self.killed_at) {
            (0, None) => "nobody twice".to_owned(),
            (some, _) => {
                format!(
                    "{} twice, of {} that the ledger says may be",
                    count(some),
                    count(self.doubled_at_most)
                )
            }
        };
        match (self.faults.is_empty(), unsent) {
            (true, 0) if self.killed_at.is_some() => outln!("proven      nobody forgotten; {twice}"),
            (true, 0) => outln!("proven      {twice}, nobody forgotten"),
            (true, n) => {
                outln!("accounted   {twice}; but {} devices were not (surely) reached in time", count(n));
            }
            (false, _) => {}
        }
    }
}

/// The invariants of DESIGN that a finished demo can show broken.
fn faults(report: &Report, verdict: &Verdict, began_anew: bool) -> Vec<String> {
    let b = &report.books;
    let snapshot = report.campaign.snapshot.as_ref().map_or(0, common::campaign::SnapshotRef::device_count);
    let shards = report.campaign.frozen().map_or(0, |f| u64::from(f.shards));
    let checks = [
        (!b.balance(), "the outcomes do not add up to the devices"),
        (b.devices != snapshot, "the ledger knows another number of devices than the snapshot"),
        (b.pending != 0, "devices are left without an outcome"),
        (
            b.accepted + b.ambiguous + b.doubled_at_most < verdict.accepted,
            "the gateways accepted more devices than the ledger knows",
        ),
        (b.accepted > verdict.accepted, "the ledger calls devices accepted that the gateways never accepted"),
        (
            verdict.duplicates > b.doubled_at_most,
            "devices were accepted twice and not counted as possibly doubled",
        ),
        (b.expired + b.ambiguous + b.aborted == 0 && verdict.missing > 0, "devices never got a final answer"),
        (verdict.strangers > 0, "the gateways were asked for devices that are not in the snapshot"),
        (
            // What a killed process counted last is lost, and what it held comes again; a resume sends more.
            !began_anew && report.fifo_envelopes != shards,
            "the number of FIFO envelopes received is not the number of shards",
        ),
    ];
    checks.into_iter().filter(|(broken, _)| *broken).map(|(_, fault)| fault.to_owned()).collect()
}
