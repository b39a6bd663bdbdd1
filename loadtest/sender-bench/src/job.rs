//! What a child process is told to do, and what it answers.

use loadtest::gateways::GatewayInfo;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which gateway's kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gateway {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
}

impl Gateway {
    /// Where the stand-in listens.
    pub fn address(self, info: &GatewayInfo) -> &str {
        match self {
            Self::Apns => &info.apns,
            Self::Fcm => &info.fcm,
        }
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sender {
    /// The push worker on the embedded backend, from the envelope on the queue to its deletion.
    Ours,
    /// The push worker's gateway alone: render, send, parse, classify.
    OurGateway,
    /// `crates/wire` alone: its pool and its connections.
    Wire,
    /// The `h2` crate.
    H2,
    /// hyper 1, `client::conn::http2`.
    Hyper,
    /// a2, as shipped.
    A2,
    /// fcm_v1, as shipped: HTTP/1.1.
    FcmV1,
    /// nghttp2's load generator, in C.
    H2load,
}

impl Sender {
    /// As tables name it.
    pub fn label(self) -> &'static str {
        match self {
            Sender::Ours => "ours: push worker, queue to ledger",
            Sender::OurGateway => "ours: gateway (render to classify)",
            Sender::Wire => "ours: crates/wire alone",
            Sender::H2 => "h2",
            Sender::Hyper => "hyper 1",
            Sender::A2 => "a2 as shipped",
            Sender::FcmV1 => "fcm_v1 as shipped",
            Sender::H2load => "h2load",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// CPU and rate, with as much in flight as allowed.
    Cpu,
    /// What memory grows by with all requests in flight.
    Memory,
    /// Time to the answer, one request in flight.
    Latency,
}

/// One sender's part of one row, in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Who.
    pub sender: Sender,
    /// What.
    pub measure: Measure,
    /// Where to.
    pub gateway: Gateway,
    /// How many connections.
    pub connections: u16,
    /// Requests in flight on each.
    pub streams: usize,
    /// Requests that are counted; some more go before, to warm up.
    pub requests: u64,
    /// Core to run on; none: any.
    pub core: Option<usize>,
    /// What the stand-ins wrote about themselves.
    pub info: PathBuf,
}

impl Job {
    /// Requests before those that count.
    pub fn warm_up(&self) -> u64 {
        match self.measure {
            Measure::Cpu => (self.requests / 10).max(self.in_flight().min(self.requests)),
            Measure::Memory => u64::from(self.connections),
            Measure::Latency => self.requests.min(200),
        }
    }

    /// Requests in flight over all connections.
    pub fn in_flight(&self) -> u64 {
        u64::from(self.connections) * self.streams as u64
    }
}

/// What a child found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that were counted.
    pub requests: u64,
    /// Of these, answered with 200 and taken for accepted.
    pub accepted: u64,
    /// User time in seconds.
    pub user_s: f64,
    /// System time in seconds.
    pub system_s: f64,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Growth of resident memory, in bytes; only if measured.
    pub grown_bytes: Option<u64>,
    /// Times to the answer in microseconds: half, 99 of 100, all; only if measured.
    pub latency_us: Option<[f64; 3]>,
}

impl Figures {
    /// CPU of a push in microseconds.
    pub fn cpu_us(&self) -> f64 {
        (self.user_s + self.system_s) * 1e6 / self.requests.max(1) as f64
    }

    /// The kernel's part of it.
    pub fn system_us(&self) -> f64 {
        self.system_s * 1e6 / self.requests.max(1) as f64
    }

    /// Pushes a second on the wall's clock.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.wall_s.max(1e-9)
    }
}
