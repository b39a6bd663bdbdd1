//! ECS task protection: asked for while the campaign is armed, released after, by a real worker against an agent of ours.

use super::process::{Service, wait_until};
use super::world::{Campaign, World};
use loadtest::gateways::Behaviour;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers every request with 200 and keeps it. Ends with the test's process.
fn agent() -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/api/1234", listener.local_addr().unwrap());
    let asked = Asked::default();
    let into = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                length = line.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            into.lock().unwrap().push((first.trim().to_owned(), serde_json::from_slice(&body).unwrap()));
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, asked)
}

#[test]
fn a_worker_is_protected_while_the_campaign_is_armed() {
    let world = World::new(Behaviour::default());
    let (api, push) = (world.api(), world.push());
    let (uri, asked) = agent();
    let config = world.config("interim-worker", "");
    let interim = Service::start("interim-worker", &config, &[("ECS_AGENT_URI", &uri)]);
    let campaign = Campaign::ready(&api.address, 100, &json!({ "shards": 2 }));
    assert!(asked.lock().unwrap().is_empty(), "a campaign that is only ready needs no protection");
    campaign.arm(&api.address, 1, 1);
    let count = || asked.lock().unwrap().len();
    wait_until("the protection", || count() == 1);
    campaign.post(&api.address, "disarm", &json!({}));
    wait_until("its release", || count() == 2);
    campaign.arm(&api.address, 1, 1);
    wait_until("the protection", || count() == 3);
    // Who goes, asks for nothing any more.
    assert_eq!(interim.terminate().0, Some(0));
    let put = "PUT /api/1234/task-protection/v1/state HTTP/1.1";
    let expected = [true, false, true, false].map(|on| (put, on));
    let asked = asked.lock().unwrap();
    let seen: Vec<_> =
        asked.iter().map(|(l, b)| (l.as_str(), b["ProtectionEnabled"].as_bool().unwrap())).collect();
    assert_eq!(seen, expected);
    assert!(asked[0].1["ExpiresInMinutes"].as_u64().is_some_and(|n| n >= 1), "{asked:?}");
    drop(push);
}
