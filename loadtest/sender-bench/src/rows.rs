//! The rows of the table: what is asked of each sender, how much of it, and what the project aims at.

use crate::job::Gateway::{self, Apns, Fcm};
use crate::job::Measure::{self, Cpu, Latency, Memory};
use crate::job::Sender::{self, A2, FcmV1, H2, H2load, Hyper, OurGateway, Ours, Wire};

/// One shape of load.
pub struct Row {
    /// As `--only` names it.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// Whose requests.
    pub gateway: Gateway,
    /// What is measured.
    pub measure: Measure,
    /// How many connections.
    pub connections: u16,
    /// Requests in flight on each.
    pub streams: usize,
    /// How long the stand-in waits before it answers.
    pub round_trip_ms: u32,
    /// Whether it writes each answer by itself.
    pub singly: bool,
    /// Who takes part, with how many requests a round.
    pub senders: &'static [(Sender, u64)],
    /// What is aimed at.
    pub aims: &'static [Aim],
}

/// What the project wants of a row; compared with medians.
pub enum Aim {
    /// Ours costs so many microseconds of CPU a push at most.
    CpuAtMost(f64),
    /// Ours sends so many a second, of one core's time, at least.
    PerCoreAtLeast(f64),
    /// This one costs so many times as much as ours at least.
    Dearer(Sender, f64),
    /// The transport takes so many bytes at most.
    BytesAtMost(u64),
    /// Half and 99 of 100 answers come no later than with this one (a tenth is allowed for noise).
    NoSlowerThan(Sender),
    /// No answer came so many microseconds after its request or later.
    NoStallOf(f64),
}

/// All of them.
pub static ROWS: [Row; 6] = [
    Row {
        name: "groups",
        title: "APNs, 1 connection x 1,000 in flight, answers in groups",
        gateway: Apns,
        measure: Cpu,
        connections: 1,
        streams: 1_000,
        round_trip_ms: 0,
        singly: false,
        senders: &[
            (Ours, 200_000),
            (Wire, 300_000),
            (H2, 50_000),
            (Hyper, 40_000),
            (A2, 20_000),
            (H2load, 100_000),
        ],
        aims: &[Aim::CpuAtMost(0.6), Aim::Dearer(A2, 20.0), Aim::Dearer(H2load, 1.0)],
    },
    Row {
        name: "singly",
        title: "APNs, 1 connection x 1,000 in flight, each answer written by itself",
        gateway: Apns,
        measure: Cpu,
        connections: 1,
        streams: 1_000,
        round_trip_ms: 0,
        singly: true,
        senders: &[
            (Ours, 100_000),
            (Wire, 100_000),
            (H2, 40_000),
            (Hyper, 30_000),
            (A2, 20_000),
            (H2load, 60_000),
        ],
        aims: &[Aim::CpuAtMost(2.0)],
    },
    Row {
        name: "round-trip",
        title: "APNs, 32 connections x 1,000 in flight, 30 ms",
        gateway: Apns,
        measure: Cpu,
        connections: 32,
        streams: 1_000,
        round_trip_ms: 30,
        singly: false,
        senders: &[
            (Ours, 300_000),
            (Wire, 400_000),
            (H2, 64_000),
            (Hyper, 64_000),
            (A2, 32_000),
            (H2load, 128_000),
        ],
        aims: &[Aim::PerCoreAtLeast(800_000.0), Aim::Dearer(A2, 40.0)],
    },
    Row {
        name: "fcm",
        title: "FCM, 320 connections x 100 in flight, 30 ms, 1 kB bearer, 450 B body",
        gateway: Fcm,
        measure: Cpu,
        connections: 320,
        streams: 100,
        round_trip_ms: 30,
        singly: false,
        senders: &[
            (Ours, 200_000),
            (Wire, 200_000),
            (H2, 64_000),
            (Hyper, 64_000),
            (FcmV1, 6_400),
            (H2load, 64_000),
        ],
        aims: &[Aim::CpuAtMost(1.2), Aim::Dearer(FcmV1, 20.0)],
    },
    Row {
        name: "memory",
        title: "APNs, memory with 32,000 in flight on 32 connections",
        gateway: Apns,
        measure: Memory,
        connections: 32,
        streams: 1_000,
        round_trip_ms: 1_000,
        singly: false,
        senders: &[(Wire, 32_000), (Ours, 32_000), (H2, 32_000), (Hyper, 32_000), (A2, 32_000)],
        aims: &[Aim::BytesAtMost(32 * 1024 * 1024)],
    },
    Row {
        name: "latency",
        title: "APNs, 1 request in flight, every 20th after a rest of 5 ms",
        gateway: Apns,
        measure: Latency,
        connections: 1,
        streams: 1,
        round_trip_ms: 0,
        singly: false,
        senders: &[(OurGateway, 2_000), (Wire, 2_000), (H2, 2_000), (Hyper, 2_000), (A2, 50)],
        aims: &[Aim::NoSlowerThan(H2), Aim::NoStallOf(40_000.0)],
    },
];
