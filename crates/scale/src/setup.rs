//! What is modelled: who gets it, what sends, what it stands on, and what answers.

use crate::figures::Figures;
use crate::latency::Latency;
use serde::{Deserialize, Serialize};

/// Who gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// Users of the audience.
    pub users: u64,
    /// Devices of a user, on average.
    pub devices_per_user: f64,
    /// Share of the devices that FCM serves.
    pub android_share: f64,
    /// Shards of the snapshot.
    pub shards: u32,
    /// Users of a batch.
    pub batch_users: u32,
    /// Nothing is sent later than this after the press, in seconds.
    pub deadline_s: f64,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Default for Blast {
    fn default() -> Self {
        Self {
            users: 4_000_000,
            devices_per_user: 1.05,
            android_share: 0.4,
            shards: 50,
            batch_users: 100,
            deadline_s: 600.0,
            seed: 1,
        }
    }
}

impl Blast {
    /// Batches of the audience.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.users.div_ceil(u64::from(self.batch_users.max(1)))
    }

    /// Devices of an average batch, rounded up: what a lane takes room for.
    #[must_use]
    pub fn per_batch(&self) -> u32 {
        ((f64::from(self.batch_users) * self.devices_per_user).ceil() as u32).max(1)
    }
}

/// What sends. The defaults are those of the workers' configurations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Interim workers.
    pub interim_workers: u32,
    /// Shard envelopes that one holds at once.
    pub permits: u32,
    /// Send calls in flight for one shard.
    pub sends_in_flight: u32,
    /// Push workers.
    pub push_workers: u32,
    /// Lanes of each.
    pub lanes: u32,
    /// Receive calls that a lane has in flight while envelopes come.
    pub receivers: u32,
    /// Devices that a lane may hold at once.
    pub devices_in_flight: u32,
    /// APNs connections of a lane.
    pub apns_connections: u32,
    /// FCM connections of a lane.
    pub fcm_connections: u32,
    /// Batches that end within this share their completion calls, in milliseconds.
    pub gather_ms: f64,
    /// How long one receive call waits, in milliseconds.
    pub receive_wait_ms: f64,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            interim_workers: 4,
            permits: 4,
            sends_in_flight: 8,
            push_workers: 5,
            lanes: 4,
            receivers: 4,
            devices_in_flight: 4_000,
            apns_connections: 4,
            fcm_connections: 16,
            gather_ms: 5.0,
            receive_wait_ms: 1_000.0,
        }
    }
}

/// Queues and tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// A call to a queue.
    pub queue: Latency,
    /// A call to the ledger.
    pub ledger: Latency,
    /// Envelopes in flight before a receive returns nothing.
    pub in_flight_max: Option<u64>,
    /// FIFO calls in a second.
    pub fifo_calls_per_s: Option<f64>,
    /// Ledger writes in a second, over all partitions.
    pub table_writes_per_s: Option<f64>,
    /// Ledger writes in a second to one partition, and to one key.
    pub partition_writes_per_s: f64,
    /// Calls that one process has under way at a table.
    pub table_calls: Option<u32>,
    /// Delays are whole seconds.
    pub whole_seconds: bool,
}

/// One gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// From a request's last byte to its answer.
    pub round_trip: Latency,
    /// Streams of a connection.
    pub streams: u32,
    /// The same until its first answer.
    pub streams_first: u32,
    /// Requests in a second that one connection does.
    pub per_connection_per_s: Option<f64>,
    /// Messages a minute.
    pub quota_per_min: Option<f64>,
}

/// Both gateways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateways {
    /// Apple's.
    pub apns: Gateway,
    /// Google's.
    pub fcm: Gateway,
    /// CPU of an answer on the machine that sends, in microseconds: none but a stand-in's.
    pub cpu_us: f64,
}

/// Whose cores they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Machine {
    /// All roles and the stand-in gateways share these cores.
    Shared(u32),
    /// Each worker has its own: push workers, interim workers.
    Own(u32, u32),
}

/// CPU of the steps, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// A batch: expanding it and sending its envelope.
    pub expand: f64,
    /// A batch: receiving and decoding.
    pub receive: f64,
    /// A batch: claiming.
    pub claim: f64,
    /// A device: making and writing its request.
    pub send: f64,
    /// A device: reading its answer, deciding.
    pub answer: f64,
    /// A batch: completing.
    pub complete: f64,
    /// A batch: deleting its envelope.
    pub delete: f64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Who gets it.
    pub blast: Blast,
    /// What sends.
    pub fleet: Fleet,
    /// Queues and tables.
    pub backend: Backend,
    /// What answers.
    pub gateways: Gateways,
    /// Whose cores they are.
    pub machine: Machine,
    /// What the steps cost.
    pub cpu: Cpu,
}

impl Cpu {
    /// Costs of the steps, from the whole of a push and its shares, where this share of the cores is busy.
    fn of(f: &Figures, blast: &Blast, busy: f64) -> Self {
        let (push, devices) = (f.push_cpu_us.value / busy, f64::from(blast.per_batch()));
        let batch = |share: f64| push * share * devices;
        Self {
            expand: batch(f.share_expand.value),
            receive: batch(f.share_receive.value),
            claim: batch(f.share_claim.value),
            send: push * f.share_send.value,
            answer: push * f.share_answer.value,
            complete: batch(f.share_complete.value),
            delete: batch(f.share_delete.value),
        }
    }
}

impl Setup {
    /// On AWS, with the real gateways: each worker has its own cores.
    #[must_use]
    pub fn aws(f: &Figures, blast: Blast, fleet: Fleet, cores: (u32, u32)) -> Self {
        let mut cpu = Cpu::of(f, &blast, 1.0);
        cpu.expand += f.sdk_send_us.value;
        cpu.receive += f.sdk_receive_us.value / 2.0;
        cpu.delete += f.sdk_receive_us.value / 2.0;
        cpu.claim += f.sdk_ledger_us.value;
        cpu.complete += f.sdk_ledger_us.value;
        let call = Latency::with_tail(f.call_ms.value, f.call_p99_ms.value);
        let backend = Backend {
            queue: call,
            ledger: call,
            in_flight_max: Some(f.in_flight_max.value as u64),
            fifo_calls_per_s: Some(f.fifo_calls_per_s.value),
            table_writes_per_s: Some(f.table_writes_per_s.value),
            partition_writes_per_s: f.partition_writes_per_s.value,
            table_calls: Some(f.table_calls.value as u32),
            whole_seconds: true,
        };
        let apns = Gateway {
            round_trip: Latency::with_tail(f.apns_round_trip_ms.value, f.apns_round_trip_p99_ms.value),
            streams: f.apns_streams.value as u32,
            streams_first: f.apns_streams_first.value as u32,
            per_connection_per_s: Some(f.apns_per_connection.value),
            quota_per_min: None,
        };
        let fcm = Gateway {
            round_trip: Latency::with_tail(f.fcm_median_ms.value, f.fcm_p99_ms.value),
            streams: f.fcm_streams.value as u32,
            streams_first: f.fcm_streams.value as u32,
            per_connection_per_s: None,
            quota_per_min: Some(f.fcm_quota_per_min.value),
        };
        let gateways = Gateways { apns, fcm, cpu_us: 0.0 };
        Self { blast, fleet, backend, gateways, machine: Machine::Own(cores.0, cores.1), cpu }
    }

    /// `owl rehearse`: one push worker and one interim worker, embedded queues and tables, stand-in gateways that
    /// answer after so long, all on these cores.
    #[must_use]
    pub fn one_machine(f: &Figures, blast: Blast, mut fleet: Fleet, cores: u32, round_trip: Latency) -> Self {
        // A core that stands still while its thread waits for the other's is as lost as one that works.
        let busy = f.one_machine_busy.value;
        let cpu = Cpu::of(f, &blast, busy);
        let call = Latency::constant(f.embedded_call_ms.value);
        let backend = Backend {
            queue: call,
            ledger: call,
            in_flight_max: None,
            fifo_calls_per_s: None,
            table_writes_per_s: None,
            partition_writes_per_s: f.partition_writes_per_s.value,
            table_calls: None,
            whole_seconds: false,
        };
        let gateway = |streams: &crate::Figure, first: &crate::Figure| Gateway {
            round_trip,
            streams: streams.value as u32,
            streams_first: first.value as u32,
            per_connection_per_s: None,
            quota_per_min: None,
        };
        let gateways = Gateways {
            apns: gateway(&f.apns_streams, &f.apns_streams_first),
            fcm: gateway(&f.fcm_streams, &f.fcm_streams),
            cpu_us: f.gateway_us_grouped.value / busy,
        };
        (fleet.interim_workers, fleet.push_workers) = (1, 1);
        Self { blast, fleet, backend, gateways, machine: Machine::Shared(cores), cpu }
    }
}
