//! Webhooks from end to end: the real program, a campaign, and a receiver on this machine that checks every signature; also
//! with a `kill -9` between the press and the telling.

use super::support::{Stage, owl, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What came: headers, and the body as it was.
#[derive(Clone, Debug)]
struct Message {
    headers: BTreeMap<String, String>,
    body: String,
}

impl Message {
    fn kind(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["type"].as_str().unwrap().to_owned()
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// As a receiver would.
    fn check(&self, secret: &str) {
        let content = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        assert_eq!(self.headers["webhook-signature"], format!("v1,{}", hmac_base64(secret, &content)));
    }
}

/// HMAC-SHA256 of the command `python3`, which shares no code with the program under test.
fn hmac_base64(secret: &str, content: &str) -> String {
    const SCRIPT: &str = "import base64, hashlib, hmac, sys
key = base64.b64decode(sys.argv[1].removeprefix('whsec_'))
print(base64.b64encode(hmac.new(key, sys.stdin.buffer.read(), hashlib.sha256).digest()).decode())";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", SCRIPT, secret]).stdin(std::process::Stdio::piped());
    let mut child = python.stdout(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// A receiver on this machine. Its thread ends with the test's process.
struct Receiver {
    url: String,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    /// The first messages get these statuses, all others 204.
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let messages: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (seen, mut statuses) = (Arc::clone(&messages), statuses.iter().copied());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever sends may be killed half-way.
                let Some(message) = read(stream.as_ref().unwrap()) else { continue };
                let status = statuses.next().unwrap_or(204);
                seen.lock().unwrap().push(message);
                let head =
                    format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.unwrap().write_all(head.as_bytes());
            }
        });
        Self { url, messages }
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<_> = self.messages().iter().map(Message::kind).collect();
        kinds.sort();
        kinds
    }
}

fn read(stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Message { headers, body: String::from_utf8(body).ok()? })
}

fn add(stage: &Stage, receiver: &Receiver) -> (String, String) {
    let made = stage.good(&["webhook", "add", &receiver.url, "--name", "ops"]);
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

const LIFE: [&str; 4] = ["campaign.armed", "campaign.done", "campaign.half", "campaign.pressed"];

#[test]
fn a_campaign_is_told_and_every_signature_is_good() {
    let (stage, receiver) = (Stage::new(&[]), Receiver::start(&[]));
    let (id, secret) = add(&stage, &receiver);
    let tested = stage.good(&["webhook", "test", &id]);
    assert_eq!(tested["delivered"], true, "{tested}");
    stage.armed(300, &[]);
    stage.good(&["campaign", "press", "c"]);
    stage.wait_for_state("done");
    wait_until("every message", || receiver.messages().len() >= 5);
    let mut kinds = LIFE.map(str::to_owned).to_vec();
    kinds.push("webhook.test".to_owned());
    assert_eq!(receiver.kinds(), kinds);
    for message in receiver.messages() {
        message.check(&secret);
    }
    let done = receiver.messages().into_iter().find(|m| m.kind() == "campaign.done").unwrap();
    let done: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!(done["data"]["accepted"], 300, "{done}");
    let log = || stage.good(&["webhook", "log", &id])["deliveries"].as_array().unwrap().clone();
    wait_until("the log", || log().iter().all(|row| row["delivered_at"].is_i64()));
    assert_eq!(log().len(), 5);
    let said = owl().args(["--server", &stage.server(), "webhook", "log", &id]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("campaign.pressed  1 attempt, delivered at"), "{said}");
    for shown in [stage.good(&["webhook", "list"]), stage.good(&["audit"])] {
        assert!(shown.to_string().contains("ops") && !shown.to_string().contains(&secret[6..]), "{shown}");
    }
    stage.good(&["webhook", "remove", &id]);
    assert!(stage.bad(&["webhook", "test", &id]).contains("owl webhook list"));
    assert!(stage.bad(&["webhook", "add", "http://example.com/"]).contains("https://"));
    assert!(stage.bad(&["webhook", "add", "https://10.0.0.1/"]).contains("private"));
}

/// The receiver refuses the first two attempts; and the process dies right after the press.
#[test]
fn what_was_pressed_before_a_kill_is_told_after_it() {
    let (mut stage, receiver) = (Stage::new(&[]), Receiver::start(&[500, 503]));
    let (_, secret) = add(&stage, &receiver);
    stage.armed(300, &[]);
    stage.good(&["campaign", "press", "c"]);
    stage.take_up().kill();
    stage.up();
    stage.wait_for_state("done");
    // What was refused has been seen, too, and comes once more.
    let all_told = || {
        let kinds = receiver.kinds();
        kinds.len() >= LIFE.len() + 2 && LIFE.iter().all(|kind| kinds.iter().any(|k| k == kind))
    };
    wait_until("every event, and again what was refused", all_told);
    let messages = receiver.messages();
    messages.iter().for_each(|message| message.check(&secret));
    // What was refused, or what a dead process was sending, came again under the same id.
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for message in &messages {
        let id = ids.entry(message.kind()).or_insert_with(|| message.id().to_owned());
        assert_eq!(id, message.id(), "{}", message.kind());
    }
}
