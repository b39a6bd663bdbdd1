//! The contract's suite for the object store, on the stand-in; what it can't see; and an adapter made wrong on purpose.

use crate::standin::side_by_side;
use crate::tables::config;
use crate::wire::{Fate, Wire};
use async_trait::async_trait;
use aws::Clients;
use aws::s3::{Bucket, create_bucket};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use common::ports::{Backend, ObjectStore, PortError, Put, PutMode};
use common::time::{Clock, SystemClock, UnixMs};
use contract::memory::MemoryParts;
use contract::suite::{self, Factory, Subject};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

type Meddle = fn(&mut HttpRequest) -> Fate;

async fn bucket() -> (String, Client) {
    let config = config();
    let client = Clients::new(&config).await.s3;
    create_bucket(&client, &config.bucket).await.unwrap();
    (config.bucket, client)
}

fn meddled(client: &Client, meddle: impl Fn(&mut HttpRequest) -> Fate + Send + Sync + 'static) -> Client {
    let line = Wire::over(client.config().http_client(), meddle);
    Client::from_conf(client.config().to_builder().http_client(line).build())
}

struct OnStandin(Meddle);

struct Opened {
    client: Client,
    bucket: String,
    objects: Arc<Bucket>,
    clock: SystemClock,
}

#[async_trait]
impl Factory for OnStandin {
    fn name(&self) -> String {
        "s3 on ministack".to_owned()
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let (bucket, client) = bucket().await;
        let client = meddled(&client, self.0);
        let objects = Arc::new(Bucket::new(client.clone(), &bucket));
        Ok(Box::new(Opened { client, bucket, objects, clock: SystemClock::default() }))
    }
}

#[async_trait]
impl Subject for Opened {
    fn backend(&self) -> Backend {
        let rest = MemoryParts::new(Arc::new(SystemClock::default())).backend();
        Backend { objects: self.objects.clone(), ..rest }
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    async fn advance(&mut self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        self.objects = Arc::new(Bucket::new(self.client.clone(), &self.bucket));
        Ok(())
    }
}

fn of_objects(rule: &str) -> bool {
    rule.starts_with("objects.")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_of_the_objects_holds() {
    let report = side_by_side(&OnStandin(|_| Fate::Pass), of_objects).await;
    println!("{report}");
    assert_eq!(report.verdicts.len(), suite::rules().iter().filter(|r| of_objects(&r.name)).count());
    assert_eq!(report.skipped().count(), 0, "{report}");
    report.into_result().unwrap();
}

/// Puts over what is there, and reads whole objects for ranges.
fn without_headers(request: &mut HttpRequest) -> Fate {
    request.headers_mut().remove("if-none-match");
    if request.uri().contains("list-type=2") {
        return Fate::Pass;
    }
    request.headers_mut().remove("range");
    Fate::Pass
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_adapter_is_found() {
    let breaks = ["objects.if_absent", "objects.if_absent_race", "objects.ranges"];
    let report = side_by_side(&OnStandin(without_headers), |rule| breaks.contains(&rule)).await;
    let found: BTreeSet<&str> = report.violations().map(|v| v.rule.as_str()).collect();
    assert_eq!(found, BTreeSet::from(breaks), "{report}");
}

/// Bytes that differ from place to place.
fn stuff(len: usize) -> Bytes {
    let byte = |i: usize| u8::try_from((i * 31 + i / 251) % 251).unwrap();
    (0..len).map(byte).collect::<Vec<u8>>().into()
}

fn is_get(request: &HttpRequest) -> bool {
    request.method() == "GET" && request.headers().get("range").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_goes_up_in_parts_and_comes_in_ranges() {
    let (bucket, client) = bucket().await;
    let (gets, parts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, sent) = (gets.clone(), parts.clone());
    let client = meddled(&client, move |request| {
        counted.fetch_add(usize::from(is_get(request)), Ordering::Relaxed);
        sent.fetch_add(usize::from(request.uri().contains("partNumber=")), Ordering::Relaxed);
        Fate::Pass
    });
    let (store, whole) = (Bucket::new(client, &bucket), stuff(20_000_000));
    assert_eq!(store.put("big", whole.clone(), PutMode::IfAbsent).await, Ok(Put::Stored));
    assert_eq!(store.put("big", whole.clone(), PutMode::IfAbsent).await, Ok(Put::Exists));
    assert_eq!(parts.load(Ordering::Relaxed), 6, "three parts each");
    assert!(store.get("big", None).await.unwrap() == Some(whole.clone()));
    assert_eq!(gets.load(Ordering::Relaxed), 3, "ranges of 8 MiB");
    let range = store.get("big", Some(1_000_000..19_999_999)).await.unwrap();
    assert!(range == Some(whole.slice(1_000_000..19_999_999)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_that_stands_still_is_asked_for_again() {
    let (bucket, client) = bucket().await;
    let gets = AtomicUsize::new(0);
    let meddle = move |request: &mut HttpRequest| match is_get(request) {
        true if gets.fetch_add(1, Ordering::Relaxed) == 1 => Fate::Stall,
        _ => Fate::Pass,
    };
    // Without the SDK's own watch over bodies, which would end the stall a few seconds later.
    let off = StalledStreamProtectionConfig::disabled();
    let client = meddled(&client, meddle);
    let client = Client::from_conf(client.config().to_builder().stalled_stream_protection(off).build());
    let (store, whole) = (Bucket::new(client, &bucket), stuff(17_000_000));
    store.put("big", whole.clone(), PutMode::Replace).await.unwrap();
    let began = std::time::Instant::now();
    assert!(store.get("big", None).await.unwrap() == Some(whole));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conditional_put_knows_itself_when_its_answer_was_lost() {
    let (bucket, client) = bucket().await;
    for (size, last) in [(10, "PUT"), (17_000_000, "POST")] {
        let lost = AtomicUsize::new(0);
        let meddle = move |request: &mut HttpRequest| {
            let completes = last == "PUT" || request.uri().contains("uploadId=");
            let one = request.method() == last && completes && lost.fetch_add(1, Ordering::Relaxed) == 0;
            if one { Fate::Lose } else { Fate::Pass }
        };
        let (store, key) = (Bucket::new(meddled(&client, meddle), &bucket), format!("k{size}"));
        assert_eq!(store.put(&key, stuff(size), PutMode::IfAbsent).await, Ok(Put::Stored), "{size}");
        assert_eq!(store.put(&key, stuff(size), PutMode::IfAbsent).await, Ok(Put::Exists), "{size}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_finished_is_aborted() {
    let (bucket, client) = bucket().await;
    let store = Bucket::new(client.clone(), &bucket);
    let uploads = async || {
        let open = client.list_multipart_uploads().bucket(&bucket).send().await.unwrap();
        open.uploads.unwrap_or_default().len()
    };
    let mut writer = store.writer("k").await.unwrap();
    writer.write(stuff(9_000_000)).await.unwrap();
    assert_eq!(uploads().await, 1);
    drop(writer);
    let gone = async {
        while uploads().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(store.get("k", None).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_named_and_told_apart() {
    let (bucket, client) = bucket().await;
    let slow_down = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
    let often = AtomicUsize::new(0);
    let meddle = move |_: &mut HttpRequest| match often.fetch_add(1, Ordering::Relaxed) {
        0..6 => Fate::Answer(503, slow_down.to_owned()),
        _ => Fate::Pass,
    };
    let store = Bucket::new(meddled(&client, meddle), &bucket);
    assert_eq!(store.put("k", stuff(5), PutMode::Replace).await, Ok(Put::Stored), "after six refusals");
    let store = Bucket::new(meddled(&client, |_| Fate::Answer(403, String::new())), &bucket);
    let error = store.head("k").await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("not allowed"), "{error}");
    let store = Bucket::new(client, &bucket);
    for key in ["", &"k".repeat(1_025)] {
        assert!(matches!(store.get(key, None).await, Err(PortError::Invalid { .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_change_on_the_way_are_sent_again() {
    let (bucket, client) = bucket().await;
    for size in [5, 17_000_000] {
        let spoilt = Arc::new(AtomicUsize::new(0));
        let count = spoilt.clone();
        let meddle = move |request: &mut HttpRequest| {
            let sends = request.method() == "PUT" && request.body().bytes().is_some_and(|b| b.len() > 4);
            if sends && count.fetch_add(1, Ordering::Relaxed) == 0 {
                let mut bytes = request.body().bytes().unwrap().to_vec();
                bytes[3] ^= 1;
                *request.body_mut() = SdkBody::from(bytes);
            }
            Fate::Pass
        };
        let store = Bucket::new(meddled(&client, meddle), &bucket);
        assert_eq!(store.put("k", stuff(size), PutMode::Replace).await, Ok(Put::Stored), "{size}");
        assert!(store.get("k", None).await.unwrap() == Some(stuff(size)), "{size}");
        assert!(spoilt.load(Ordering::Relaxed) > 1, "{size}: nothing was spoilt, or nobody saw it");
    }
}
