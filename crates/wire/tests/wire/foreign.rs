//! Conformance with servers that are not ours: nghttpd, Node, nginx, and the `h2` crate, each with TLS (through the pool)
//! and without (the state machine over a plain socket, since the driver has no clear text).
//!
//! Each request's path is its own. What was answered was seen by the server exactly once, and is what the server sends to
//! that path. What the books call not processed or not sent is sent again, so a server that had seen it after all would
//! have seen it twice. What they call ambiguous was seen at most once.

#[path = "foreign/h2.rs"]
mod h2_crate;
#[path = "foreign/nghttpd.rs"]
mod nghttpd;
#[path = "foreign/nginx.rs"]
mod nginx;
#[path = "foreign/node.rs"]
mod node;
#[path = "foreign/plain.rs"]
mod plain;

use rustls::RootCertStore;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::LocalSet;
use wire::driver::{Pool, PoolSettings, Shape, Target, Terms, client_tls};
use wire::{Config, Outcome, Policy, Request, Template};

/// Requests of each run; more with `OWL_CONFORMANCE_REQUESTS`.
fn requests() -> usize {
    std::env::var("OWL_CONFORMANCE_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

/// Requests of a group; all groups are on their way at once.
const GROUP: usize = 100;

/// Places in `Config::wanted`.
const WANTED: [&str; 4] = ["x-token", "x-bytes", "retry-after", "content-length"];

fn config() -> Config {
    let wanted = WANTED.map(str::to_owned).to_vec();
    Config { keep_successes: true, wanted, ..Config::default() }
}

/// How often the server saw each path.
type Sightings = HashMap<String, usize>;

/// What a path has to come back with.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// What a server answers, by the request's number, its path and its body's bytes.
type Answers = Box<dyn Fn(usize, &str, usize) -> Expected>;

/// A server that runs, and ends with the test.
struct Foreign {
    port: u16,
    /// Behind `/`.
    path: fn(usize) -> String,
    expected: Answers,
    /// Ends it, and tells what it saw.
    stop: Box<dyn FnOnce() -> Sightings>,
}

/// A certificate for `localhost`, in files too.
struct Certificate {
    dir: TempDir,
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Certificate {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        Self { dir, made }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn target(&self, port: u16) -> Target {
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).unwrap();
        let permits =
            |address: std::net::SocketAddr| if address.is_ipv4() { Ok(()) } else { Err("not here") };
        Target { host: "localhost".to_owned(), port, tls: client_tls(roots).unwrap(), permits }
    }
}

/// One of seven each is bad, gone or too much.
fn usual_status(n: usize) -> u16 {
    match n % 7 {
        0 => 400,
        2 => 410,
        5 => 503,
        _ => 200,
    }
}

fn usual_path(n: usize) -> String {
    format!("{}/{n:x}", usual_status(n))
}

/// What our scripts for Node and the `h2` crate answer.
fn usual_answer(n: usize, path: &str, bytes: usize) -> Expected {
    let status = usual_status(n);
    let mut headers = vec![("x-token", path.to_owned()), ("x-bytes", bytes.to_string())];
    let mut body = String::new();
    if status != 200 {
        headers.push(("retry-after", "7".to_owned()));
        body = error_body(path);
    }
    Expected { status, headers, body }
}

fn error_body(path: &str) -> String {
    format!(r#"{{"reason":"Because","path":"{path}"}}"#)
}

/// The middle of each body.
fn body(n: usize) -> String {
    format!(r#"{n},"text":"{}""#, "x".repeat(n * 37 % 3_000))
}

const BEGINS: &str = r#"{"n":"#;
const ENDS: &str = "}";

fn template() -> Template {
    Template::to_paths_below("localhost", "/")
        .with("content-type", "application/json", Policy::Indexed)
        .with("x-secret", "never indexed", Policy::NeverIndexed)
        .with("authorization", format!("bearer {}", "s".repeat(700)), Policy::Indexed)
}

/// Sends everything until nothing is left to be sent again, through `send`, which tells how each request ended.
async fn exchange(server: Foreign, mut send: impl AsyncFnMut(Vec<usize>) -> Vec<(usize, Outcome)>) {
    let begun = Instant::now();
    let mut left: Vec<usize> = (0..requests()).collect();
    let (mut answered, mut ambiguous, mut again) = (Vec::new(), Vec::new(), BTreeMap::<String, usize>::new());
    while !left.is_empty() {
        for (n, outcome) in send(std::mem::take(&mut left)).await {
            match outcome {
                Outcome::Answered(_) => answered.push((n, outcome)),
                Outcome::NotSent | Outcome::NotProcessed => {
                    *again.entry(format!("{outcome:?}")).or_default() += 1;
                    left.push(n);
                }
                Outcome::Reset(_) | Outcome::Ambiguous(_) => ambiguous.push((n, outcome)),
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let Foreign { path, expected, stop, .. } = server;
    let seen = stop();
    println!(
        "{} answered, {} ambiguous, sent again {again:?}, seen {}, {seconds:.1} s",
        answered.len(),
        ambiguous.len(),
        seen.values().sum::<usize>()
    );
    let times = |n: usize| seen.get(&format!("/{}", path(n))).copied().unwrap_or(0);
    for (n, outcome) in &answered {
        check(*n, outcome, &format!("/{}", path(*n)), &expected);
        assert_eq!(times(*n), 1, "{n} was answered");
    }
    for (n, outcome) in &ambiguous {
        assert!(times(*n) <= 1, "{n} was seen {} times: {outcome:?}", times(*n));
    }
    assert_eq!(answered.len() + ambiguous.len(), requests());
    assert!(seen.len() <= requests() && ambiguous.is_empty(), "{ambiguous:?}");
}

fn check(n: usize, outcome: &Outcome, path: &str, expected: &Answers) {
    let Outcome::Answered(answer) = outcome else { panic!("{n}: {outcome:?}") };
    let bytes = BEGINS.len() + body(n).len() + ENDS.len();
    let wanted = expected(n, path, bytes);
    let header = |name: &&str| {
        let place = WANTED.iter().position(|known| known == name).unwrap();
        String::from_utf8_lossy(answer.header(place).unwrap_or(b"(none)")).into_owned()
    };
    let headers = wanted.headers.iter().map(|(name, _)| (*name, header(name))).collect();
    let body = String::from_utf8_lossy(answer.body()).into_owned();
    assert_eq!(Expected { status: answer.status, headers, body }, wanted, "{path}");
    assert!(answer.whole, "{path}");
}

/// Through the pool.
async fn with_tls(server: Foreign, target: Target) {
    let all = LocalSet::new();
    let path = server.path;
    let run = all.run_until(async {
        let pool = Pool::open(PoolSettings { target, connections: 4, connection: config() });
        exchange(server, async |numbers| {
            let groups = numbers.chunks(GROUP).map(|group| send(&pool, path, group));
            futures::future::join_all(groups).await.concat()
        })
        .await;
        pool.close().await;
    });
    tokio::time::timeout(Duration::from_secs(600), run).await.unwrap();
}

async fn send(pool: &Pool, path: fn(usize) -> String, numbers: &[usize]) -> Vec<(usize, Outcome)> {
    let template = template();
    let texts: Vec<(String, String)> = numbers.iter().map(|n| (path(*n), body(*n))).collect();
    let requests = numbers.iter().zip(&texts).map(|(n, (path, body))| Request {
        tag: *n as u64,
        path: path.as_bytes(),
        own: &[],
        body: body.as_bytes(),
    });
    let shape = Shape { template: &template, body_begins: BEGINS.as_bytes(), body_ends: ENDS.as_bytes() };
    let terms = Terms { may_write: &|| true, patience: Duration::from_secs(60) };
    let ended = pool.send(shape, requests.collect(), terms).await;
    ended.into_iter().map(|e| (e.tag as usize, e.outcome)).collect()
}
