//! Node's server, as many streams as it likes.

use super::{Certificate, Foreign, Sightings, usual_answer, usual_path};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

const NODE: &str = r#"
const http2 = require('http2'), fs = require('fs');
const [key, cert] = process.argv.slice(1).map(file => fs.readFileSync(file));
const settings = { maxConcurrentStreams: 250 };
const server = key ? http2.createSecureServer({ key, cert, settings }) : http2.createServer({ settings });
const seen = new Map();
server.on('stream', (stream, headers) => {
  const path = headers[':path'], [, status, digits] = path.split('/'), n = parseInt(digits, 16);
  const parts = [];
  seen.set(path, (seen.get(path) || 0) + 1);
  stream.on('error', () => {});
  stream.on('data', part => parts.push(part));
  stream.on('end', () => {
    const body = Buffer.concat(parts);
    const good = headers[':method'] === 'POST' && headers['content-type'] === 'application/json'
      && headers.authorization === 'bearer ' + 's'.repeat(700) && headers['x-secret'] === 'never indexed'
      && body.toString() === `{"n":${n},"text":"${'x'.repeat(n * 37 % 3000)}"}`;
    if (!good) {
      stream.respond({ ':status': 500 });
      return stream.end(JSON.stringify(headers));
    }
    const said = { ':status': Number(status), 'x-token': path, 'x-bytes': body.length, 'x-other': 'y'.repeat(n % 300) };
    if (status === '200') return stream.respond(said, { endStream: true });
    stream.respond({ ...said, 'retry-after': '7' });
    stream.end(JSON.stringify({ reason: 'Because', path }));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => {
  const all = [...seen].map(([path, count]) => `${count} ${path}`).join('\n');
  process.stdout.write(all + '\n', () => process.exit(0));
});
"#;

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

impl Node {
    fn sightings(mut self) -> Sightings {
        drop(self.child.stdin.take());
        let mut seen = Sightings::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            let Some((count, path)) = line.split_once(' ') else { continue };
            seen.insert(path.to_owned(), count.parse().unwrap());
        }
        seen
    }
}

fn start(certificate: Option<&Certificate>) -> Foreign {
    let mut node = Command::new("node");
    node.args(["-e", NODE]);
    if let Some(certificate) = certificate {
        node.args(["key.pem", "cert.pem"].map(|file| certificate.path().join(file)));
    }
    let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node is installed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap().parse().unwrap();
    let node = Node { child, lines };
    Foreign { port, path: usual_path, expected: Box::new(usual_answer), stop: Box::new(|| node.sightings()) }
}

#[tokio::test]
async fn node_with_tls() {
    let certificate = Certificate::new();
    let server = start(Some(&certificate));
    let target = certificate.target(server.port);
    super::with_tls(server, target).await;
}

#[tokio::test]
async fn node_without_tls() {
    super::plain::without_tls(start(None)).await;
}
