//! Every figure that the model stands on, with its unit and where it comes from. What `owl fleet plan` assumes too has the
//! same name and value there; a test in `crates/owl` compares them.

use serde::Serialize;

/// A figure, with where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Where it comes from.
    pub source: String,
}

/// A struct of such figures, each with its doc, its value, its unit and where it comes from; it derives `serde::Serialize`.
#[macro_export]
macro_rules! figures {
    (
        $(#[$about:meta])*
        $vis:vis struct $all:ident {
            $($(#[$doc:meta])* $name:ident: $value:expr, $unit:expr, $source:expr;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize)]
        $vis struct $all {
            $($(#[$doc])* $vis $name: $crate::Figure,)*
        }

        impl Default for $all {
            fn default() -> Self {
                Self { $($name: $crate::Figure { value: $value, unit: $unit, source: $source.to_owned() },)* }
            }
        }

        impl $all {
            /// Each with its name, in order.
            #[must_use]
            $vis fn all(&self) -> Vec<(&'static str, &$crate::Figure)> {
                vec![$((stringify!($name), &self.$name),)*]
            }
        }
    };
}

figures! {
    /// All figures.
    pub struct Figures {
        /// CPU of a push, from envelope to ledger, without AWS's SDK.
        push_cpu_us: 2.0, "us a push", "docs/benchmarks.md, demos on 2 cores: 1.3 to 2.0; --from puts a measured one here";
        /// Of it: expanding, with the queue's part of sending.
        share_expand: 0.05, "of 1", "docs/benchmarks.md: the queue 8 %, of which receiving 3 and deleting 4 % are the worker's; copying slices";
        /// Of it: receiving and decoding.
        share_receive: 0.11, "of 1", "docs/benchmarks.md, perf of the lane's thread: receive 3 %, walking through the envelope 8 %";
        /// Of it: claiming.
        share_claim: 0.04, "of 1", "docs/benchmarks.md, perf: claim 4 %";
        /// Of it: making requests and writing them.
        share_send: 0.42, "of 1", "docs/benchmarks.md, perf: writing 17 %, requests 12 %, of TLS 8 % the larger part, of malloc half";
        /// Of it: reading answers and deciding.
        share_answer: 0.26, "of 1", "docs/benchmarks.md, perf: reading 13 %, of TLS the smaller part, of malloc half; the rest";
        /// Of it: completing.
        share_complete: 0.08, "of 1", "docs/benchmarks.md, perf: complete 8 %";
        /// Of it: deleting.
        share_delete: 0.04, "of 1", "docs/benchmarks.md, perf: delete 4 %";
        /// CPU of the SDK for a batch that is sent to SQS, in the interim worker.
        sdk_send_us: 75.0, "us a batch", "docs/aws.md: 0.075 ms for each message of 11 KB sent";
        /// CPU of the SDK for a batch that is received and deleted.
        sdk_receive_us: 125.0, "us a batch", "docs/aws.md: 0.13 ms; with sending the 200 us that `owl fleet plan` counts for SQS";
        /// CPU of the SDK for a ledger write.
        sdk_ledger_us: 250.0, "us a write", "docs/aws.md, measured on a stand-in: 250 to 260 us";
        /// A stand-in gateway's CPU for an answer that leaves with others.
        gateway_us_grouped: 0.85, "us a push", "docs/benchmarks.md: 0.82 to 0.93";
        /// A stand-in gateway's CPU for an answer that is written by itself.
        gateway_us_singly: 5.0, "us a push", "docs/benchmarks.md: 5 us";
        /// Share of one machine's cores that are busy when lanes and stand-in gateways on it wait for nothing but CPU, and so for each other.
        one_machine_busy: 1.0, "of 1", "ours: no core ever stands still; `cargo xtask scaling` puts a measured one here";
        /// One SQS or DynamoDB call: half are shorter.
        call_ms: 20.0, "ms", "the issue's figure for one region; measure yours in a rehearsal";
        /// One in a hundred such calls is longer.
        call_p99_ms: 60.0, "ms", "ours: three times the median; nobody has measured it yet";
        /// One call to the embedded queue or tables.
        embedded_call_ms: 0.05, "ms", "ours: a log in the page cache; its CPU is counted with the push";
        /// APNs' answer: half are sooner.
        apns_round_trip_ms: 30.0, "ms", "docs/gateways.md, profile apple-google: our choice within what is reported";
        /// One in a hundred of APNs' answers is later.
        apns_round_trip_p99_ms: 120.0, "ms", "docs/gateways.md, profile apple-google";
        /// FCM's answer: half are sooner.
        fcm_median_ms: 150.0, "ms", "ours; with the next one, 95 of a hundred come within Google's 350 ms";
        /// One in a hundred of FCM's answers is later.
        fcm_p99_ms: 497.0, "ms", "Google: p95 below 350 ms; the rest of a lognormal";
        /// Streams of an APNs connection.
        apns_streams: 1_000.0, "streams", "practitioners: typically 1,000";
        /// Streams of an APNs connection until its first answer.
        apns_streams_first: 1.0, "streams", "Apple: one until the first authenticated success";
        /// Requests that one APNs connection does.
        apns_per_connection: 2_000.0, "requests/s", "practitioners: 500 to 4,000";
        /// Streams of an FCM connection.
        fcm_streams: 100.0, "streams", "practitioners";
        /// FCM's quota of a new project.
        fcm_quota_per_min: 600_000.0, "messages/min", "Google";
        /// Writes that one partition, and one key, of a table takes.
        partition_writes_per_s: 1_000.0, "writes/s", "AWS";
        /// Reads that one partition, and one key, of a table serves.
        partition_reads_per_s: 3_000.0, "read units/s", "AWS";
        /// Reads that a new table serves.
        table_reads_per_s: 12_000.0, "read units/s", "AWS: a new on-demand table";
        /// Writes that the ledger's table takes.
        table_writes_per_s: 40_000.0, "writes/s", "docs/aws.md: the warm throughput that it asks for; a new table takes 4,000";
        /// Calls that one process has under way at a table.
        table_calls: 64.0, "calls", "docs/aws.md: crates/aws lets a process have 64";
        /// Envelopes in flight on a standard queue before a receive returns nothing.
        in_flight_max: 120_000.0, "envelopes", "AWS; common::limits::SQS_IN_FLIGHT_MAX";
        /// Calls in a second that a FIFO queue takes of one action.
        fifo_calls_per_s: 300.0, "calls/s", "AWS, without high throughput";
        /// Memory that a user takes in an interim worker.
        bytes_per_user: 122.0, "bytes", "docs/benchmarks.md, measured";
        /// Snapshot that an interim worker holds at most.
        snapshot_bytes_max: 4_294_967_296.0, "bytes", "interim-worker's default";
        /// Looks of a worker at the slot and the campaign.
        looks_per_s: 4.0, "looks/s", "common::limits::LOOK_EVERY";
        /// Copies of the slot's and of the gate's record.
        record_copies: 8.0, "copies", "docs/aws.md, keys and sizes";
        /// How often a push worker reads all heartbeats.
        fleet_every_s: 10.0, "s", "docs/aws.md: what AWS should be given instead of 2 s";
        /// Bytes of a heartbeat.
        heartbeat_bytes: 713.0, "bytes", "docs/aws.md, counted on the wire";
        /// Keys over which heartbeats are spread.
        heartbeat_keys: 16.0, "keys", "docs/aws.md";
    }
}
