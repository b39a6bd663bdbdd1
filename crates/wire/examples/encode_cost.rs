//! What a request and its answer cost in memory, without I/O: `cargo run --release -p wire --example encode_cost`.
//!
//! It says nothing of sockets and TLS, which cost about as much again (shared/DESIGN.md, "Hot path").

use std::time::{Duration, Instant};
use wire::{Completion, Config, Connection, Group, Policy, Request, Template};

const GROUP: usize = 100;
const GROUPS: usize = 10;
const ROUNDS: usize = 200;
const REPEATS: usize = 9;
const NEVER: Duration = Duration::from_secs(1_000);

/// A gateway's kind of requests and answers.
struct Shape {
    name: &'static str,
    template: Template,
    body: Vec<u8>,
    /// The header block of an answer.
    block: Vec<u8>,
}

/// Nanoseconds of writing a request and of reading an answer, and octets of the request.
struct Cost {
    write_ns: f64,
    read_ns: f64,
    request_bytes: usize,
}

fn main() {
    println!("{}", machine());
    println!("{GROUP} requests a group, {} in flight, {REPEATS} repeats of {ROUNDS} rounds", GROUP * GROUPS);
    println!("| shape | octets | write, ns min / median | answer, ns min / median |\n|---|---|---|---|");
    for shape in [apns(), fcm()] {
        let costs: Vec<Cost> = (0..REPEATS).map(|_| measure(&shape)).collect();
        let (write_min, write) = min_and_median(costs.iter().map(|cost| cost.write_ns));
        let (read_min, read) = min_and_median(costs.iter().map(|cost| cost.read_ns));
        let octets = costs.first().map_or(0, |cost| cost.request_bytes);
        println!("| {} | {octets} | {write_min:.0} / {write:.0} | {read_min:.0} / {read:.0} |", shape.name);
    }
}

fn apns() -> Shape {
    let template = Template::to_paths_below("api.push.apple.com", "/3/device/")
        .with("authorization", format!("bearer {}", "x".repeat(220)), Policy::Literal)
        .with("apns-topic", "com.example.app", Policy::Indexed)
        .with("apns-push-type", "alert", Policy::Indexed)
        .with("apns-priority", "10", Policy::Indexed);
    let id = [&[0x88, 0x00, 7][..], b"apns-id", &[36], &[b'f'; 36]].concat();
    Shape { name: "APNs", template, body: vec![b'x'; 180], block: id }
}

fn fcm() -> Shape {
    let template = Template::to_path("fcm.googleapis.com", "/v1/projects/example/messages:send")
        .with("authorization", format!("Bearer {}", "x".repeat(1_000)), Policy::Indexed)
        .with("content-type", "application/json", Policy::Indexed);
    let block = [&[0x88, 0x0f, 16, 16][..], b"application/json", &[0x0f, 18, 4], b"date"].concat();
    Shape { name: "FCM", template, body: vec![b'x'; 450], block }
}

fn measure(shape: &Shape) -> Cost {
    let mut conn = Connection::new(
        Config { streams_max: GROUP * GROUPS, out_bytes_max: 1 << 20, ..Config::default() },
        Duration::ZERO,
    );
    // Windows as large as they can be: SETTINGS, its acknowledgement, WINDOW_UPDATE.
    conn.receive(&frame(4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]), Duration::ZERO);
    conn.receive(&frame(4, 1, 0, &[]), Duration::ZERO);
    let (mut write, mut read, mut request_bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let path = [b'0'; 64];
    let group = Group { template: &shape.template, body_begins: b"", body_ends: b"", until: NEVER };
    let requests: Vec<Request<'_>> =
        (0..GROUP as u64).map(|tag| Request { tag, path: &path, own: &[], body: &shape.body }).collect();
    let mut done: Vec<Completion> = Vec::new();
    let mut id = 1;
    for _ in 0..ROUNDS {
        conn.took(conn.output().len());
        conn.receive(&frame(8, 0, 0, &(1_u32 << 20).to_be_bytes()), Duration::ZERO);
        let begun = Instant::now();
        let taken: usize = (0..GROUPS).map(|_| conn.submit(&group, &requests)).sum();
        write += begun.elapsed();
        request_bytes = conn.output().len() / taken.max(1);
        conn.took(conn.output().len());
        let answers: Vec<u8> =
            (0..taken as u32).flat_map(|n| frame(1, 5, id + 2 * n, &shape.block)).collect();
        id += 2 * taken as u32;
        let begun = Instant::now();
        for piece in answers.chunks(16_384) {
            conn.receive(piece, Duration::ZERO);
        }
        conn.completions(&mut done);
        read += begun.elapsed();
        assert_eq!((taken, done.len(), conn.books().in_flight), (GROUP * GROUPS, taken, 0));
        done.clear();
    }
    let each = |all: Duration| all.as_nanos() as f64 / (ROUNDS * GROUP * GROUPS) as f64;
    Cost { write_ns: each(write), read_ns: each(read), request_bytes }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn min_and_median(all: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    (all.first().copied().unwrap_or_default(), all.get(all.len() / 2).copied().unwrap_or_default())
}

fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = cpus
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split(':').nth(1))
        .collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} x{}, {} {}, load before {}",
        names.first().map_or("unknown CPU", |name| name.trim()),
        names.len(),
        std::env::consts::OS,
        std::env::consts::ARCH,
        load.split(' ').next().unwrap_or("unknown")
    )
}
