//! Conformance of the stand-ins with a client that is not ours: h2load. (Our client before servers that are not ours:
//! `crates/wire/tests/wire/foreign`.)

use std::time::Duration;

use loadtest::gateways::Behaviour;

use super::support::{self, PAYLOAD};

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
