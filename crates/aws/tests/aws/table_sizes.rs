//! What items weigh and what calls they cost: the numbers of docs/aws.md, counted on the wire; and, when asked for, single
//! puts against PartiQL batches.

use crate::table_faults::{NOW, alone, claim, complete, draft, key, row};
use crate::tables::tables;
use crate::wire::{self, Fate};
use aws::dynamo::Tables;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use common::access::{self, Token, TokenId, TokenRecord};
use common::audit::AuditEntry;
use common::campaign::Stamp;
use common::device::Platform;
use common::fleet::{CounterRow, LinkRow, Role, Slot, WorkerRow};
use common::ids::{CampaignId, ContentId, Epoch, Fence, ShardNo, SnapshotId, WorkerId};
use common::ledger::ClaimRequest;
use common::outcome::Outcome;
use common::ports::{Audit, Campaigns, Devices, Fleet, Ledger, Tokens};
use futures::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// An item's size as DynamoDB counts it: names and values; a number has a byte for two digits, and one more.
fn size(item: &Value) -> usize {
    let value = |v: &Value| match v.as_object().and_then(|v| v.iter().next()) {
        Some((kind, Value::String(s))) => match kind.as_str() {
            "B" => s.trim_end_matches('=').len() * 3 / 4,
            "N" => s.len().div_ceil(2) + 1,
            _ => s.len(),
        },
        _ => panic!("an attribute of another kind: {v}"),
    };
    item.as_object().unwrap().iter().map(|(name, v)| name.len() + value(v)).sum()
}

/// The table's own name, and the first part of the key where a table holds several kinds.
fn kind(put: &Value) -> String {
    let pk = put["Item"]["pk"]["S"].as_str().unwrap();
    let table = put["TableName"].as_str().unwrap().trim_start_matches("owl-");
    match table {
        "campaigns" | "fleet" => format!("{table} {}", pk.split('#').next().unwrap()),
        "ledger" if pk.ends_with("#shards") => "ledger shards".to_owned(),
        _ => table.to_owned(),
    }
}

fn batch(number: u32, devices: usize) -> ClaimRequest {
    ClaimRequest { blank: vec![Outcome::Unsent.to_byte(Platform::Fcm); devices], ..claim(number, 7) }
}

fn worker() -> WorkerRow {
    let link = |gateway: &str| LinkRow {
        gateway: gateway.to_owned(),
        connections: 40,
        streams: 40_000,
        quota_per_s: Some(10_000),
        credentials_until: Some(NOW),
        trouble: None,
    };
    WorkerRow {
        worker: WorkerId(u64::MAX),
        role: Role::Push,
        at: NOW,
        started_at: NOW,
        campaign: Some(CampaignId::random()),
        epoch: Epoch(3),
        snapshot: Some(SnapshotId([1; 32])),
        content: Some(ContentId([2; 32])),
        prepare_ms: 1_234,
        trouble: None,
        ready: true,
        claims: 80,
        tripped: false,
        links: vec![link("apns"), link("fcm")],
        payload_bytes_max: 1_240,
        rehearsal: false,
        version: Some("0.1.0".to_owned()),
    }
}

fn counter() -> CounterRow {
    CounterRow {
        worker: WorkerId(u64::MAX),
        second: NOW.0 / 1_000,
        outcomes: vec![(1, 1_200), (2, 31), (0x81, 900), (0x82, 12)],
        latency: vec![100; 14],
        batches: 16,
        shards_received: 0,
        expanded: 0,
    }
}

/// The largest item of each kind in what `docs/aws.md` calls a usual campaign.
#[tokio::test]
async fn items_weigh_what_the_document_says() {
    let sizes: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let seen = sizes.clone();
    let tables = alone(move |request| {
        let body = wire::body(request);
        let puts = match wire::operation(request) {
            "PutItem" => vec![body],
            "TransactWriteItems" => {
                body["TransactItems"].as_array().unwrap().iter().map(|i| i["Put"].clone()).collect()
            }
            _ => Vec::new(),
        };
        for put in puts {
            let mut sizes = seen.lock().unwrap();
            let largest = sizes.entry(kind(&put)).or_default();
            *largest = size(&put["Item"]).max(*largest);
        }
        Fate::Answer(200, "{}".to_owned())
    })
    .await;
    let (campaign, devices) = (CampaignId::random(), 130);
    tables.claim_many(campaign, &[batch(799, devices)]).await.unwrap();
    tables.complete_many(campaign, &[complete(799, Fence(1))]).await.unwrap();
    tables.mark_dispatched(campaign, Epoch(1), &[(ShardNo(49), 0)], NOW).await.unwrap();
    tables.mark_expanded(campaign, Epoch(1), ShardNo(49), NOW).await.unwrap();
    tables.create(&draft()).await.unwrap();
    tables.set_slot(&Slot { version: 1, campaign: Some(campaign), scale: None }).await.unwrap();
    tables.beat(&worker()).await.unwrap();
    tables.count(campaign, &counter()).await.unwrap();
    tables.upsert(vec![row("user-0123456789")], &mut Vec::new()).await.unwrap();
    let entry = AuditEntry {
        at: NOW,
        by: "marta.example".to_owned(),
        from: "10.0.12.34".to_owned(),
        action: "campaign.press".to_owned(),
        campaign: Some(campaign),
        result: "armed -> sending".to_owned(),
    };
    tables.audit_append(&entry).await;
    Tokens::put_new(&*tables, &token("marta.example")).await.unwrap();
    let sizes = sizes.lock().unwrap().clone();
    println!("{sizes:#?}");
    // One write unit each: the costs in docs/aws.md stand on it.
    for one_unit in [
        "ledger",
        "ledger shards",
        "fleet c",
        "fleet w",
        "campaigns gate",
        "campaigns slot",
        "devices",
        "audit",
        "access",
    ] {
        let size = sizes.get(one_unit).copied().unwrap_or_else(|| panic!("no {one_unit} in {sizes:?}"));
        assert!(size <= 1_024, "{one_unit}: {size}");
    }
    assert_eq!(sizes["ledger"] - 5 * devices, 137, "bytes of a batch's item, devices aside: {sizes:?}");
    assert!((4 * sizes["campaigns gate"]) < 1_024, "{sizes:?}");
}

fn token(name: &str) -> TokenRecord {
    let secret = Token::new(TokenId(u32::MAX), [0xf7; 32]);
    TokenRecord::new(&secret, name, access::Role::LoadTester, Stamp::new(name, NOW), Some(NOW))
}

/// Appending by the name that two ports share.
trait Appends {
    async fn audit_append(&self, entry: &AuditEntry);
}

impl Appends for Arc<Tables> {
    async fn audit_append(&self, entry: &AuditEntry) {
        Audit::append(&**self, entry).await.unwrap();
    }
}

/// CPU of this process so far, in milliseconds (ticks of 10 ms).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

/// The same first claims, as PartiQL: 25 inserts a call.
async fn by_partiql(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    campaign: CampaignId,
    asks: &[ClaimRequest],
) {
    let statement =
        format!("INSERT INTO \"{table}\" VALUE {{'pk': ?, 'sk': ?, 'b': ?, 'v': ?, 'expires_at': ?}}");
    let calls = asks.chunks(25).map(|asks| {
        let statements = asks.iter().map(|ask| {
            let (_, record) = common::ledger::claim(None, ask);
            let number = ask.key.number.0;
            let pk = AttributeValue::S(format!("{campaign}#{}#{}", ask.key.shard, number / 100));
            let parameters = vec![
                pk,
                AttributeValue::S(format!("{number:010}")),
                AttributeValue::B(record.unwrap().encode().into()),
                AttributeValue::B(vec![7; 8].into()),
                AttributeValue::N("1798000000".to_owned()),
            ];
            let request = BatchStatementRequest::builder().statement(&statement);
            request.set_parameters(Some(parameters)).build().unwrap()
        });
        client.batch_execute_statement().set_statements(Some(statements.collect())).send()
    });
    for answer in join_all(calls).await {
        let answer = answer.unwrap();
        assert!(answer.responses().iter().all(|r| r.error().is_none()), "{answer:?}");
    }
}

#[tokio::test]
#[ignore = "a measurement: cargo test -p aws -- --ignored --nocapture single_puts"]
async fn single_puts_against_partiql() {
    const CLAIMS: u32 = 4_000;
    let (prefix, client) = tables().await;
    for round in 0..3 {
        let tables = Tables::new(client.clone(), &prefix);
        let asks: Vec<_> = (0..CLAIMS).map(|n| batch(n, 120)).collect();
        for (name, partiql) in
            [("single puts, 64 at a time", false), ("PartiQL, 25 a call, 8 calls at a time", true)]
        {
            let (campaign, began, cpu) = (CampaignId::random(), Instant::now(), cpu_ms());
            if partiql {
                for portion in asks.chunks(200) {
                    by_partiql(&client, &format!("{prefix}-ledger"), campaign, portion).await;
                }
            } else {
                tables.claim_many(campaign, &asks).await.unwrap();
            }
            let (took, cpu) = (began.elapsed(), cpu_ms() - cpu);
            let per = |ms: u128| ms * 1_000 / u128::from(CLAIMS);
            println!("{round}: {name}: {} us of CPU, {} us a claim", per(cpu.into()), per(took.as_millis()));
            let stored = tables.bucket(campaign, key(0).shard, 0).await.unwrap();
            assert_eq!(stored.len(), 100);
        }
    }
}
