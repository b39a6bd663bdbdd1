//! `kill -9`: a child writes down on its standard output what was acknowledged, and is killed at a random place of it.
//! Whoever opens the directory then must find all of that.

use crate::{START, open};
use common::campaign::{Campaign, Options, Stamp};
use common::content::Content;
use common::device::Platform;
use common::envelope::{FifoKey, NewEnvelope};
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, ShardNo, WorkerId};
use common::ledger::{ClaimAnswer, ClaimRequest, CompleteRequest, DeviceResult};
use common::outcome::Outcome;
use common::ports::{Backend, PutMode, Queue};
use common::time::{SystemClock, UnixMs};
use embedded::EmbeddedConfig;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DIR: &str = "OWL_KILL_DIR";
const SEED: &str = "OWL_KILL_SEED";
const ROUNDS: u64 = 6;
const HOUR: Duration = Duration::from_secs(3_600);
const CAMPAIGN: CampaignId = CampaignId(uuid::Uuid::from_u128(7));

/// What the child said it did, over all rounds.
#[derive(Default)]
struct Said {
    sent: BTreeSet<String>,
    /// It began to delete these; whether it came to that is unknown.
    deleting: BTreeSet<String>,
    deleted: BTreeSet<String>,
    completed: BTreeSet<u32>,
    versions: BTreeMap<String, u64>,
    objects: BTreeSet<String>,
}

impl Said {
    fn take(&mut self, line: &str) {
        // The test harness writes lines of its own in between.
        let Some((what, rest)) = line.split_once(' ') else { return };
        match what {
            "sent" => drop(self.sent.insert(rest.to_owned())),
            "deleting" => drop(self.deleting.insert(rest.to_owned())),
            "deleted" => drop(self.deleted.insert(rest.to_owned())),
            "completed" => drop(self.completed.insert(rest.parse().unwrap())),
            "object" => drop(self.objects.insert(rest.to_owned())),
            "version" => {
                let (id, version) = rest.split_once(' ').unwrap();
                self.versions.insert(id.to_owned(), version.parse().unwrap());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(0x0071_0071);
    let mut said = Said::default();
    for round in 0..ROUNDS {
        let lines = rng.random_range(20..3_000);
        kill_after(start(dir.path(), round), lines, &mut said);
        check(dir.path(), &said).await;
    }
    let counts = [said.sent.len(), said.deleted.len(), said.completed.len(), said.versions.len()];
    println!("sent, deleted, completed, campaigns: {counts:?}");
    assert!(counts.iter().all(|n| *n >= 5), "too little happened to prove anything: {counts:?}");
}

fn start(dir: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kill_after(mut child: Child, lines: usize, said: &mut Said) {
    let out = BufReader::new(child.stdout.take().unwrap());
    for (at, line) in out.split(b'\n').enumerate() {
        let line = String::from_utf8(line.unwrap()).unwrap();
        said.take(&line);
        if at == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

async fn check(dir: &Path, said: &Said) {
    let opened = open(dir);
    assert_eq!(opened.damage, vec![]);
    let backend = &opened.backend;
    let mut found = BTreeSet::new();
    for queue in [&backend.shards, &backend.batches] {
        found.extend(drain(queue).await);
    }
    let lost: Vec<_> =
        said.sent.iter().filter(|id| !found.contains(*id) && !said.deleting.contains(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let undead: Vec<_> = said.deleted.intersection(&found).collect();
    assert!(undead.is_empty(), "deleted and back: {undead:?}");
    for number in &said.completed {
        let bucket = backend.ledger.bucket(CAMPAIGN, ShardNo(1), number / 100).await.unwrap();
        let record = bucket.iter().find(|(n, _)| n.0 == *number).map(|(_, r)| r);
        assert_eq!(record.unwrap().outcome(0), Some(Outcome::Accepted), "batch {number}");
    }
    for (id, version) in &said.versions {
        let stored = backend.campaigns.get(id.parse().unwrap()).await.unwrap().unwrap();
        assert!(stored.version >= *version, "campaign {id}: {} < {version}", stored.version);
    }
    for key in &said.objects {
        assert_eq!(backend.objects.get(key, None).await.unwrap().unwrap(), key.as_bytes());
    }
}

/// Takes everything off a queue that can be had, and hands out the ids. What is behind a group's lock comes when the
/// group's head is deleted, so nothing here has a group of two.
async fn drain(queue: &Arc<dyn Queue>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let got = queue.receive(10, Duration::ZERO, HOUR).await.unwrap();
        if got.is_empty() {
            break;
        }
        found.extend(got.iter().map(|r| id_of(&r.body)));
    }
    assert_eq!(queue.depth().await.unwrap().visible, 0);
    found
}

fn id_of(body: &[u8]) -> String {
    let end = body.iter().position(|b| *b == b' ').unwrap();
    String::from_utf8(body[..end].to_vec()).unwrap()
}

#[ignore = "started by the test above, in a process of its own"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let clock = Arc::new(SystemClock::default());
    let backend = embedded::open(EmbeddedConfig::new(dir), clock).unwrap().backend;
    let tasks = [
        tokio::spawn(queues(backend.clone(), StdRng::seed_from_u64(seed), format!("{seed}a"))),
        tokio::spawn(queues(backend.clone(), StdRng::seed_from_u64(seed + 100), format!("{seed}b"))),
        tokio::spawn(ledger(backend.clone(), u32::try_from(seed).unwrap() * 100_000)),
        tokio::spawn(documents(backend, seed)),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

/// Sends, receives and deletes for ever.
async fn queues(backend: Backend, mut rng: StdRng, name: String) {
    for step in 0_u64.. {
        let shards = rng.random_bool(0.3);
        let queue = if shards { &backend.shards } else { &backend.batches };
        let ids: Vec<_> = (0..rng.random_range(1..=10)).map(|n| format!("{name}-{step}-{n}")).collect();
        let envelope = |id: &String| {
            let mut body = format!("{id} ").into_bytes();
            body.resize(rng.random_range(100..60_000), b'.');
            let fifo = shards.then(|| FifoKey { group: id.clone(), dedup: id.clone() });
            NewEnvelope { fifo, ..NewEnvelope::plain(body.into()) }
        };
        let envelopes: Vec<_> = ids.iter().map(envelope).collect();
        queue.send(&envelopes).await.unwrap();
        ids.iter().for_each(|id| println!("sent {id}"));
        let got = queue.receive(10, Duration::ZERO, HOUR).await.unwrap();
        let gone: Vec<_> = got.into_iter().filter(|_| rng.random_bool(0.9)).collect();
        gone.iter().for_each(|r| println!("deleting {}", id_of(&r.body)));
        let acks: Vec<_> = gone.iter().map(|r| r.ack.clone()).collect();
        queue.delete(&acks).await.unwrap();
        gone.iter().for_each(|r| println!("deleted {}", id_of(&r.body)));
    }
}

/// Claims and completes for ever.
async fn ledger(backend: Backend, from: u32) {
    for number in from.. {
        let key = BatchKey { shard: ShardNo(1), number: BatchNo(number) };
        let ask = ClaimRequest {
            key,
            epoch: Epoch(1),
            holder: WorkerId(1),
            lease: HOUR,
            blank: vec![Outcome::Unsent.to_byte(Platform::Apns); 100],
            only: Vec::new(),
            resend_ambiguous: false,
            now: START,
        };
        let claim = backend.ledger.claim_many(CAMPAIGN, &[ask]).await.unwrap();
        let ClaimAnswer::Granted { fence, .. } = claim[0] else { continue };
        let result =
            DeviceResult { index: 0, outcome: Outcome::Accepted, at: UnixMs(START.0 + 5), dead_since: None };
        let done = CompleteRequest { key, fence, results: vec![result; 1], sent_at: None, now: START };
        backend.ledger.complete_many(CAMPAIGN, &[done]).await.unwrap();
        println!("completed {number}");
    }
}

/// Writes campaigns and objects for ever.
async fn documents(backend: Backend, seed: u64) {
    for round in 0_u64.. {
        let mut campaign = Campaign::new(
            "kill",
            Content::english("Kill", "Nine"),
            Options::default(),
            Stamp::new("me", START),
        );
        backend.campaigns.create(&campaign).await.unwrap();
        for version in 2..20 {
            campaign.version = version;
            backend.campaigns.update(&campaign).await.unwrap();
            println!("version {} {version}", campaign.id);
        }
        let key = format!("kill/{seed}/{round}");
        backend.objects.put(&key, key.clone().into(), PutMode::IfAbsent).await.unwrap();
        println!("object {key}");
    }
}
