//! Conformance with HTTP/2 that is not ours: our client against Node's server, h2load against our server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use loadtest::gateways::Behaviour;
use rustls::RootCertStore;
use tokio::task::LocalSet;
use wire::driver::{Pool, PoolSettings, Shape, Target, Terms, client_tls};
use wire::{Config, Outcome, Policy, Request, Template};

use super::support::{self, PAYLOAD};

/// Requests of each run; more with `OWL_CONFORMANCE_REQUESTS`.
fn requests() -> usize {
    std::env::var("OWL_CONFORMANCE_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

/// Says what it expects of a request and answers each seventh with an error; at the end, whom it saw how often.
const NODE: &str = r#"
const http2 = require('http2'), fs = require('fs');
const [key, cert] = process.argv.slice(1).map(file => fs.readFileSync(file));
const server = http2.createSecureServer({ key, cert, settings: { maxConcurrentStreams: 250 } });
const seen = new Map();
server.on('stream', (stream, headers) => {
  const parts = [];
  stream.on('error', () => {});
  stream.on('data', part => parts.push(part));
  stream.on('end', () => {
    const path = headers[':path'], n = parseInt(path.slice(10), 16);
    seen.set(path, (seen.get(path) || 0) + 1);
    const good = headers[':method'] === 'POST' && headers.authorization === 'bearer secret'
      && headers['apns-topic'] === 'com.example.owl' && Buffer.concat(parts).toString() === `{"n":${n}}`;
    if (!good) {
      stream.respond({ ':status': 500 });
      stream.end(JSON.stringify(headers));
    } else if (n % 7 === 0) {
      stream.respond({ ':status': 410, 'retry-after': n % 100, 'x-other': 'y'.repeat(n % 300) });
      stream.end(JSON.stringify({ reason: 'Unregistered', n }));
    } else {
      stream.respond({ ':status': 200, 'apns-id': `id ${n}` }, { endStream: true });
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => {
  const twice = [...seen.values()].filter(count => count !== 1).length;
  console.log(`${seen.size} ${twice}`);
  process.exit(0);
});
"#;

/// A process that ends with the test.
struct Node {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(dir: &std::path::Path) -> (Node, Target) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (key, cert) = (dir.join("key.pem"), dir.join("cert.pem"));
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    let mut node = Command::new("node");
    node.args(["-e", NODE]).args([key, cert]);
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap().parse().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let permits = |address: std::net::SocketAddr| if address.is_ipv4() { Ok(()) } else { Err("not here") };
    let target = Target { host: "localhost".to_owned(), port, tls: client_tls(roots).unwrap(), permits };
    (Node { child, lines }, target)
}

#[tokio::test]
async fn nodes_server_sees_each_request_once_and_its_answers_come_back_as_it_sent_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, target) = node(dir.path());
    let done = AtomicUsize::new(0);
    let all = LocalSet::new();
    let run = all.run_until(async {
        let pool = Pool::open(PoolSettings { target, connections: 4, connection: Config::default() });
        let template = Template::to_paths_below("localhost", "/3/device/")
            .with("apns-topic", "com.example.owl", Policy::Indexed)
            .with("authorization", "bearer secret", Policy::NeverIndexed);
        let numbers: Vec<usize> = (0..requests()).collect();
        let groups = numbers.chunks(100).map(|group| send(&pool, &template, group, &done));
        futures::future::join_all(groups).await;
        pool.close().await;
    });
    tokio::time::timeout(Duration::from_secs(300), run).await.unwrap();
    assert_eq!(done.load(Relaxed), requests());
    drop(node.child.stdin.take());
    assert_eq!(node.lines.next().unwrap().unwrap(), format!("{} 0", requests()));
}

async fn send(pool: &Pool, template: &Template, numbers: &[usize], done: &AtomicUsize) {
    let own = |n: &usize| (*n as u64, format!("{n:064x}"), n.to_string());
    let owned: Vec<(u64, String, String)> = numbers.iter().map(own).collect();
    let requests = owned.iter().map(|(tag, path, body)| Request {
        tag: *tag,
        path: path.as_bytes(),
        own: &[],
        body: body.as_bytes(),
    });
    let shape = Shape { template, body_begins: b"{\"n\":", body_ends: b"}" };
    let terms = Terms { may_write: &|| true, patience: Duration::from_secs(60) };
    for ended in pool.send(shape, requests.collect(), terms).await {
        let Outcome::Answered(answer) = &ended.outcome else { unreachable!("{ended:?}") };
        let n = ended.tag as usize;
        assert!(answer.whole, "{ended:?}");
        if n.is_multiple_of(7) {
            assert_eq!((answer.status, answer.header(0)), (410, Some((n % 100).to_string().as_bytes())));
            assert_eq!(answer.body(), format!(r#"{{"reason":"Unregistered","n":{n}}}"#).as_bytes());
        } else {
            assert_eq!((answer.status, answer.body()), (200, &b""[..]), "{ended:?}");
        }
        done.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn h2load_finds_our_server_to_its_liking() {
    let gateways =
        support::gateways(Behaviour { apns_streams_until_proven: 1_000, ..Behaviour::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let body = dir.path().join("body");
    std::fs::write(&body, PAYLOAD).unwrap();
    let count = requests();
    let mut h2load = tokio::process::Command::new("h2load");
    h2load.args(["-c", "4", "-m", "50", "-n"]).arg(count.to_string()).arg("-d").arg(body);
    for (name, value) in gateways.apns_request("").headers_ref().unwrap() {
        h2load.arg("-H").arg(format!("{name}: {}", value.to_str().unwrap()));
    }
    h2load.arg(format!("https://{}/3/device/{}", gateways.info().apns, "ab".repeat(32)));
    let output = tokio::time::timeout(Duration::from_secs(300), h2load.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(&format!("status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{said}");
    assert!(said.contains(" 0 failed, 0 errored, 0 timeout"), "{said}");
    let summary = gateways.admin.summary().await.unwrap();
    assert_eq!(summary.by_reason, [("apns/200".to_owned(), count as u64)].into());
}
