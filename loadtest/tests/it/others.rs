//! Conformance of the stand-ins with clients that are not ours: h2load, Node's and curl. (Our client before servers that are not ours:
//! `crates/wire/tests/wire/foreign`.)

use std::time::Duration;

use loadtest::gateways::Behaviour;

use super::support::{self, Gateways, PAYLOAD};

/// Requests of each run; more with `OWL_CONFORMANCE_REQUESTS`.
fn requests() -> usize {
    std::env::var("OWL_CONFORMANCE_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
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

/// Sends a POST to each path of standard input, fifty at a time, and prints how many answers had which status.
const NODE: &str = r"
const [, origin, ca, headers, body] = process.argv;
const paths = require('fs').readFileSync(0, 'utf8').split('\n');
const client = require('http2').connect(origin, { ca: require('fs').readFileSync(ca) });
const said = {};
let next = 0, open = 0;
function more() {
  while (open < 50 && next < paths.length) {
    open += 1;
    const request = client.request({ ...JSON.parse(headers), ':method': 'POST', ':path': paths[next++] });
    request.on('response', (answer) => (said[answer[':status']] = (said[answer[':status']] ?? 0) + 1));
    request.on('error', (error) => (said[error.code] = (said[error.code] ?? 0) + 1));
    request.on('close', () => { open -= 1; if (next < paths.length) more(); else if (open === 0) client.close(); });
    request.resume();
    request.end(body);
  }
}
client.on('close', () => console.log(JSON.stringify(said)));
// Before, it does not know how many streams it may open, and takes no refusal for an answer.
client.once('remoteSettings', more);
";

/// Paths of so many devices.
fn paths(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("/3/device/{n:064x}")).collect()
}

/// What a request needs beside its path.
fn headers(gateways: &Gateways) -> Vec<(String, String)> {
    let request = gateways.apns_request("");
    let all = request.headers_ref().unwrap().iter();
    all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

async fn run(mut command: tokio::process::Command, input: String) -> String {
    use tokio::io::AsyncWriteExt as _;
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async move { stdin.write_all(input.as_bytes()).await.unwrap() };
    let all = async { tokio::join!(feed, child.wait_with_output()).1.unwrap() };
    let output = tokio::time::timeout(Duration::from_secs(300), all).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each device took it once. Streams that a client opened before it knew how many it may are refused, and no more.
async fn each_once(gateways: &Gateways, count: usize) {
    let summary = gateways.admin.summary().await.unwrap();
    assert_eq!((summary.accepted_devices, summary.duplicates), (count as u64, 0));
    let known = ["apns/200", "apns/refused stream"];
    assert!(summary.by_reason.keys().all(|reason| known.contains(&&**reason)), "{:?}", summary.by_reason);
    assert_eq!(summary.by_reason["apns/200"], count as u64);
}

#[tokio::test]
async fn nodes_client_finds_our_server_to_its_liking() {
    for streams in [1, 1_000] {
        let behaviour = Behaviour { apns_streams_until_proven: streams, ..Behaviour::default() };
        let gateways = support::gateways(behaviour).await;
        let count = requests();
        let headers: serde_json::Map<String, serde_json::Value> =
            headers(&gateways).into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut node = tokio::process::Command::new("node");
        node.args(["-e", NODE, "--", &format!("https://{}", gateways.info().apns)]);
        node.arg(&gateways.info().ca_file).arg(serde_json::to_string(&headers).unwrap()).arg(PAYLOAD);
        let said = run(node, paths(count).join("\n")).await;
        assert_eq!(said.trim(), format!("{{\"200\":{count}}}"));
        each_once(&gateways, count).await;
    }
}

#[tokio::test]
async fn curl_finds_our_server_to_its_liking() {
    let gateways = support::gateways(Behaviour::default()).await;
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut config = "http2\nparallel\nno-progress-meter\n".to_owned();
    config += &format!("data = \"{}\"\n", quoted(PAYLOAD));
    for (name, value) in headers(&gateways) {
        config += &format!("header = \"{name}: {}\"\n", quoted(&value));
    }
    config += "write-out = \"%{http_version} %{response_code}\\n\"\n";
    for path in paths(200) {
        config += &format!("url = \"https://{}{path}\"\noutput = /dev/null\n", gateways.info().apns);
    }
    let mut curl = tokio::process::Command::new("curl");
    curl.arg("--cacert").arg(&gateways.info().ca_file).args(["--config", "-"]);
    let said = run(curl, config).await;
    assert_eq!(said.lines().filter(|line| *line == "2 200").count(), 200, "{said}");
    each_once(&gateways, 200).await;
}
