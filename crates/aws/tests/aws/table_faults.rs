//! What stand-ins never do: lose answers, throttle, leave keys unprocessed. What was answered stays true.

use crate::standin::endpoint;
use crate::tables::{config, leave_out, meddled, tables};
use crate::wire::{self, Fate};
use aws::Clients;
use aws::dynamo::{Tables, create_tables};
use aws::standin::{Fault, FaultProxy, Faults};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use common::campaign::{Campaign, Options, Stamp};
use common::content::Content;
use common::device::{Device, DeviceRow, Environment, Platform, Target};
use common::fleet::Slot;
use common::ids::{BatchKey, BatchNo, CampaignId, Epoch, Fence, ShardNo, WorkerId};
use common::ledger::{ClaimAnswer, ClaimRequest, CompleteAnswer, CompleteRequest, DeviceResult};
use common::limits::CLAIM_LEASE;
use common::outcome::Outcome;
use common::ports::{Campaigns, Devices, Ledger, PortError, Written};
use common::time::UnixMs;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const NOW: UnixMs = UnixMs(1_790_000_000_000);
const DEVICES: u16 = 4;

pub(crate) fn key(number: u32) -> BatchKey {
    BatchKey { shard: ShardNo(3), number: BatchNo(number) }
}

pub(crate) fn claim(number: u32, holder: u64) -> ClaimRequest {
    let blank = (0..DEVICES).map(|_| Outcome::Unsent.to_byte(Platform::Apns)).collect();
    ClaimRequest {
        key: key(number),
        epoch: Epoch(1),
        holder: WorkerId(holder),
        lease: CLAIM_LEASE,
        blank,
        only: Vec::new(),
        resend_ambiguous: false,
        now: NOW,
    }
}

pub(crate) fn complete(number: u32, fence: Fence) -> CompleteRequest {
    let result = |index| DeviceResult { index, outcome: Outcome::Accepted, at: NOW, dead_since: None };
    CompleteRequest {
        key: key(number),
        fence,
        results: (0..DEVICES).map(result).collect(),
        sent_at: None,
        now: NOW,
    }
}

pub(crate) fn draft() -> Campaign {
    let stamp = Stamp::new("marta", NOW);
    Campaign::new("final", Content::english("Now", "It begins"), Options::default(), stamp)
}

/// Loses the answer to the first attempt of each different write.
fn loses_first_answers() -> impl Fn(&mut HttpRequest) -> Fate {
    let seen: Mutex<BTreeSet<Vec<u8>>> = Mutex::default();
    move |request| {
        let writes = matches!(wire::operation(request), "PutItem" | "TransactWriteItems");
        let bytes = request.body().bytes().unwrap_or_default().to_vec();
        if writes && seen.lock().unwrap().insert(bytes) { Fate::Lose } else { Fate::Pass }
    }
}

/// Whoever repeats, the SDK or the adapter: a write whose answer was lost finds itself, not a stranger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_is_recognised() {
    for attempts in [1, 4] {
        let (prefix, client) = tables().await;
        let client = meddled(&client, loses_first_answers());
        let retry = RetryConfig::standard().with_max_attempts(attempts);
        let client = Client::from_conf(client.config().to_builder().retry_config(retry).build());
        let (tables, campaign) = (Tables::new(client, &prefix), CampaignId::random());
        let asks: Vec<_> = (0..20).map(|n| claim(n, 7)).collect();
        for answer in tables.claim_many(campaign, &asks).await.unwrap() {
            assert!(matches!(answer, ClaimAnswer::Granted { fence: Fence(1), .. }), "{attempts}: {answer:?}");
        }
        // Same holder, epoch and time: what differs is only that this is another claim.
        let again = tables.claim_many(campaign, &asks).await.unwrap();
        assert!(again.iter().all(|a| matches!(a, ClaimAnswer::HeldUntil(_))), "{again:?}");
        let done: Vec<_> = (0..20).map(|n| complete(n, Fence(1))).collect();
        let closed = tables.complete_many(campaign, &done).await.unwrap();
        assert_eq!(closed, vec![CompleteAnswer::Taken { closed: true }; 20]);
        for (_, record) in tables.bucket(campaign, ShardNo(3), 0).await.unwrap() {
            assert_eq!((record.doubled_at_most, record.fence), (0, Fence(1)));
        }
        let one = draft();
        let two = Campaign { version: 2, ..one.clone() };
        let slot = Slot { version: 1, campaign: Some(one.id), scale: None };
        let written = [tables.create(&one).await, tables.update(&two).await, tables.set_slot(&slot).await];
        assert_eq!(written, [Ok(Written::Yes), Ok(Written::Yes), Ok(Written::Yes)], "{attempts}");
        assert_eq!(tables.update(&two).await, Ok(Written::Conflict));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claiming_and_completing_a_batch_is_two_writes_and_no_read() {
    let (prefix, client) = tables().await;
    let calls: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let counted = calls.clone();
    let client = meddled(&client, move |request| {
        *counted.lock().unwrap().entry(wire::operation(request).to_owned()).or_default() += 1;
        Fate::Pass
    });
    let (tables, campaign) = (Tables::new(client, &prefix), CampaignId::random());
    let asks: Vec<_> = (0..50).map(|n| claim(n, 7)).collect();
    tables.claim_many(campaign, &asks).await.unwrap();
    let done: Vec<_> = (0..50).map(|n| complete(n, Fence(1))).collect();
    tables.complete_many(campaign, &done).await.unwrap();
    assert_eq!(*calls.lock().unwrap(), BTreeMap::from([("PutItem".to_owned(), 100)]));
}

pub(crate) fn row(user: &str) -> DeviceRow {
    let device = Device {
        target: Target::FcmToken(format!("registration-token:{user}").into()),
        locale: "de".into(),
        timezone: "".into(),
        registered_at: NOW,
        app: "".into(),
        environment: Environment::Production,
    };
    DeviceRow { user_id: user.into(), opted_out: None, device }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_left_unprocessed_are_asked_for_again_and_no_key_twice_in_a_call() {
    let (prefix, client) = tables().await;
    let names: Vec<String> = (0..230).map(|n| format!("user-{n}")).collect();
    let rows = names.iter().map(|name| row(name)).collect();
    Tables::new(client.clone(), &prefix).upsert(rows, &mut Vec::new()).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let client = meddled(&client, move |request| {
        let keys =
            wire::body(request)["RequestItems"].as_object().unwrap().values().next().unwrap()["Keys"].clone();
        let keys: Vec<String> = keys.as_array().unwrap().iter().map(ToString::to_string).collect();
        assert!(keys.len() <= 100 && keys.iter().collect::<BTreeSet<_>>().len() == keys.len(), "{keys:?}");
        // Every fifth call does nothing, the others thirty keys.
        let keep = if counted.fetch_add(1, Ordering::Relaxed) % 5 == 4 { 1 } else { 30 };
        let Some((table, left)) = leave_out(request, keep) else { return Fate::Pass };
        Fate::Change(Box::new(move |mut answer| {
            answer["UnprocessedKeys"] = serde_json::json!({table: {"Keys": left, "ConsistentRead": true}});
            answer
        }))
    });
    let asked: Vec<&str> = names.iter().rev().chain([&names[7], &names[7]]).map(String::as_str).collect();
    let got = Tables::new(client, &prefix).get_many(&asked).await.unwrap();
    for (user, item) in asked.iter().zip(&got) {
        assert_eq!(item.as_ref().map(|i| &i.devices[0].target), Some(&row(user).device.target), "{user}");
    }
    assert!((9..40).contains(&calls.load(Ordering::Relaxed)), "{calls:?} calls");
}

/// Clients that reach nobody: every call is answered on the wire.
pub(crate) async fn alone(answer: impl Fn(&mut HttpRequest) -> Fate + Send + Sync + 'static) -> Arc<Tables> {
    let nowhere = aws::AwsConfig { endpoint: Some("http://127.0.0.1:9".to_owned()), ..Default::default() };
    Tables::new(meddled(&Clients::new(&nowhere).await.dynamodb, answer), "owl")
}

fn throttled() -> Fate {
    let why = wire::error("ProvisionedThroughputExceededException", "The level of throughput was exceeded.");
    Fate::Answer(400, why)
}

#[tokio::test(start_paused = true)]
async fn throttling_ends_or_is_named() {
    let often = AtomicUsize::new(0);
    let for_a_while = alone(move |_| match often.fetch_add(1, Ordering::Relaxed) {
        0..12 => throttled(),
        _ => Fate::Answer(200, "{}".to_owned()),
    });
    assert_eq!(for_a_while.await.version(CampaignId::random()).await, Ok(None));
    let began = tokio::time::Instant::now();
    let error = alone(|_| throttled()).await.version(CampaignId::random()).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("throttled"), "{error}");
    assert!(began.elapsed().as_secs() < 12, "patience has an end: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cant_be_written_takes_no_other_claim_with_it() {
    let tables = alone(|request| match wire::body(request)["Item"]["sk"]["S"].as_str() {
        Some("0000000002") => throttled(),
        _ => Fate::Answer(200, "{}".to_owned()),
    });
    let (tables, campaign) = (tables.await, CampaignId::random());
    let asks: Vec<_> = (0..4).map(|n| claim(n, 7)).collect();
    let answers = tables.claim_many(campaign, &asks).await.unwrap();
    let granted: Vec<bool> = answers.iter().map(|a| matches!(a, ClaimAnswer::Granted { .. })).collect();
    assert_eq!(granted, [true, true, false, true]);
    assert!(matches!(answers[2], ClaimAnswer::HeldUntil(until) if until > NOW), "{answers:?}");
    let only_that = tables.claim_many(campaign, &asks[2..3]).await;
    assert!(matches!(only_that, Err(PortError::Unavailable { .. })), "{only_that:?}");
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_apart() {
    for (code, invalid) in [
        ("ValidationException", true),
        ("ResourceNotFoundException", false),
        ("AccessDeniedException", false),
        ("InternalServerError", false),
    ] {
        let tables = alone(move |_| Fate::Answer(400, wire::error(code, "No."))).await;
        let error = tables.version(CampaignId::random()).await.unwrap_err();
        assert_eq!(matches!(error, PortError::Invalid { .. }), invalid, "{error}");
        assert!(error.to_string().contains(code) && error.to_string().contains("campaign table"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_met_another_is_tried_again() {
    let cancelled = |code: &str| {
        let mut body: serde_json::Value =
            serde_json::from_str(&wire::error("TransactionCanceledException", "Cancelled.")).unwrap();
        body["CancellationReasons"] = serde_json::json!([{"Code": "None"}, {"Code": code}]);
        Fate::Answer(400, body.to_string())
    };
    let (often, tokens) = (AtomicUsize::new(0), Arc::new(Mutex::new(BTreeSet::new())));
    let seen = tokens.clone();
    let tables = alone(move |request| {
        seen.lock().unwrap().insert(wire::body(request)["ClientRequestToken"].to_string());
        match often.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => cancelled("TransactionConflict"),
            2 => cancelled("ThrottlingError"),
            3 => Fate::Answer(200, "{}".to_owned()),
            _ => cancelled("ConditionalCheckFailed"),
        }
    });
    let tables = tables.await;
    assert_eq!(tables.create(&draft()).await, Ok(Written::Yes));
    assert_eq!(tokens.lock().unwrap().len(), 1, "the same transaction each time");
    assert_eq!(tables.create(&draft()).await, Ok(Written::Conflict));
    let huge = Campaign { name: "x".repeat(500_000), ..draft() };
    assert!(matches!(tables.create(&huge).await, Err(PortError::Invalid { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cant_be_read_is_named_by_table_and_key() {
    let (prefix, client) = tables().await;
    let put = client.put_item().table_name(format!("{prefix}-devices"));
    let put = put.item("pk", AttributeValue::S("u".into())).item("b", AttributeValue::B(vec![9, 9].into()));
    put.item("v", AttributeValue::B(vec![0; 8].into())).send().await.unwrap();
    let error = Tables::new(client, &prefix).get_many(&["u"]).await.unwrap_err();
    assert!(matches!(error, PortError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains(&format!("item u of table {prefix}-devices")), "{error}");
}

/// A fifth of all requests goes wrong in one of seven ways; four workers claim and complete until nothing is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_faults_on_the_way_no_batch_is_granted_twice_and_none_is_lost() {
    const BATCHES: u32 = 120;
    let proxy = FaultProxy::start(endpoint()).await.unwrap();
    let config = aws::AwsConfig {
        endpoint: Some(proxy.endpoint().to_owned()),
        connect_timeout_ms: 1_000,
        attempt_timeout_ms: 1_000,
        operation_timeout_ms: 5_000,
        ..config()
    };
    let client = Clients::new(&config).await.dynamodb;
    create_tables(&client, &config.prefix).await.unwrap();
    proxy.set(Some(Faults { seed: 7, percent: 20, of: Fault::ALL.to_vec() }));
    let (campaign, mut workers) = (CampaignId::random(), tokio::task::JoinSet::new());
    for worker in 1..=4 {
        let tables = Tables::new(client.clone(), &config.prefix);
        workers.spawn(async move {
            let mut granted = Vec::new();
            for first in (0..BATCHES).step_by(10) {
                let asks: Vec<_> = (first..first + 10).map(|n| claim(n, worker)).collect();
                // A call that failed as a whole is a worker that gave up: nobody else may have what it may have got.
                let answers = tables.claim_many(campaign, &asks).await.unwrap_or_default();
                let fence = |a: &ClaimAnswer| match a {
                    ClaimAnswer::Granted { fence, .. } => Some(*fence),
                    _ => None,
                };
                let got =
                    asks.iter().zip(&answers).filter_map(|(ask, a)| Some((ask.key.number.0, fence(a)?)));
                let got: Vec<_> = got.collect();
                let done: Vec<_> = got.iter().map(|(n, fence)| complete(*n, *fence)).collect();
                while let Err(error) = tables.complete_many(campaign, &done).await {
                    assert!(error.is_transient(), "{error}");
                }
                granted.extend(got.into_iter().map(|(n, _)| n));
            }
            granted
        });
    }
    let granted: Vec<u32> = workers.join_all().await.concat();
    let (seen, faults) = proxy.counts();
    assert!(faults.len() >= 5, "of {seen} requests went wrong: {faults:?}");
    proxy.set(None);
    let distinct: BTreeSet<u32> = granted.iter().copied().collect();
    assert_eq!(distinct.len(), granted.len(), "a batch was granted twice");
    assert!(granted.len() > 60, "{} of {BATCHES} were granted", granted.len());
    let tables = Tables::new(client, &config.prefix);
    for bucket in 0..2 {
        for (number, record) in tables.bucket(campaign, ShardNo(3), bucket).await.unwrap() {
            assert_eq!(record.doubled_at_most, 0, "{number}");
            let accepted = record.outcomes().filter(|(o, _)| *o == Outcome::Accepted).count();
            let want = if distinct.contains(&number.0) { usize::from(DEVICES) } else { 0 };
            assert_eq!(accepted, want, "batch {number}");
        }
    }
}
