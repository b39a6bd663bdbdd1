//! The contract's suite on both queues, and what SQS alone can do or get wrong.

use crate::standin::{endpoint, side_by_side};
use async_trait::async_trait;
use aws::sqs::{Kind, QueueNames, open_queue};
use aws::standin::{FaultProxy, fresh_prefix, make_queues};
use aws::{AwsConfig, AwsError, Clients};
use common::envelope::NewEnvelope;
use common::ports::{Backend, EntryResult, PortError, Queue};
use common::time::{Clock, SystemClock, UnixMs};
use contract::memory::MemoryParts;
use contract::suite::{Factory, Subject, Which};
use std::sync::Arc;
use std::time::Duration;

/// Rules that wait longer are left to `deploy/aws-contract.sh`.
const PATIENCE: Duration = Duration::from_secs(6);

/// What is done to a queue before the suite sees it.
pub(crate) type Wrap = fn(Arc<dyn Queue>) -> Arc<dyn Queue>;

/// Queues on the stand-in, each subject with names and a proxy of its own; memory for everything else.
pub(crate) struct OnStandin {
    pub(crate) name: &'static str,
    pub(crate) wrap: Wrap,
}

struct Opened {
    config: AwsConfig,
    proxy: FaultProxy,
    backend: Backend,
    clock: SystemClock,
    wrap: Wrap,
}

fn unavailable(error: &dyn std::fmt::Display) -> PortError {
    PortError::Unavailable { what: "the stand-in", why: error.to_string() }
}

async fn opened(config: &AwsConfig, kind: Kind) -> Result<Arc<dyn Queue>, PortError> {
    open_queue(&Clients::new(config).await, config, kind).await.map_err(|e| unavailable(&e))
}

/// The configuration for fresh queues behind `endpoint`.
pub(crate) async fn fresh_queues(endpoint: &str) -> AwsConfig {
    let config =
        AwsConfig { endpoint: Some(endpoint.to_owned()), prefix: fresh_prefix(), ..AwsConfig::default() };
    let clients = Clients::new(&config).await;
    make_queues(&clients.sqs, &config.prefix).await.unwrap_or_else(|e| panic!("{e}"));
    config
}

#[async_trait]
impl Factory for OnStandin {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn fresh(&self) -> Result<Box<dyn Subject>, PortError> {
        let proxy = FaultProxy::start(endpoint()).await.map_err(|e| unavailable(&e))?;
        let config = fresh_queues(proxy.endpoint()).await;
        let clock = SystemClock::default();
        let backend = MemoryParts::new(Arc::new(clock)).backend();
        let mut opened = Opened { config, proxy, backend, clock, wrap: self.wrap };
        opened.restart().await?;
        Ok(Box::new(opened))
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

#[async_trait]
impl Subject for Opened {
    fn backend(&self) -> Backend {
        self.backend.clone()
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    async fn advance(&mut self, by: Duration) {
        // The stand-in has a clock of its own, which nobody can move.
        tokio::time::sleep(by).await;
    }

    async fn restart(&mut self) -> Result<(), PortError> {
        self.backend.shards = (self.wrap)(opened(&self.config, Kind::Fifo).await?);
        self.backend.batches = (self.wrap)(opened(&self.config, Kind::Standard).await?);
        Ok(())
    }

    async fn fail_send_entries(&mut self, queue: Which, places: &[usize]) -> bool {
        let kind = if queue == Which::Shards { Kind::Fifo } else { Kind::Standard };
        self.proxy.fail_entries(&QueueNames::of(kind, &self.config.prefix).live, places);
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_on_both_queues() {
    let factory = OnStandin { name: "SQS on ministack", wrap: |queue| queue };
    let queues = |name: &str| name.starts_with("shards.") || name.starts_with("batches.");
    let report = side_by_side(&factory, queues).await;
    println!("{report}");
    assert!(report.verdicts.len() > 50, "the suite's queue rules are there");
    report.into_result().unwrap();
}

#[tokio::test]
async fn all_ports_open_on_what_was_furnished() {
    let config = aws::standin::furnish(endpoint()).await.unwrap_or_else(|e| panic!("{e}"));
    let opened = aws::open(&config).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(opened.backend.batches.depth().await, Ok(common::ports::Depth::default()));
    assert_eq!(opened.backend.campaigns.list(10).await, Ok(Vec::new()));
    assert_eq!(opened.backend.objects.list("").await, Ok(Vec::new()));
    assert!(opened.scaling.is_none(), "no cluster is configured");
    let wrong = AwsConfig { attempts_max: 0, bucket: String::new(), ..config };
    let faults = aws::open(&wrong).await.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(faults.contains("aws.attempts_max") && faults.contains("aws.bucket"), "{faults}");
}

#[tokio::test]
async fn a_trace_travels_with_its_envelope() {
    let config = fresh_queues(endpoint()).await;
    let queue = opened(&config, Kind::Standard).await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok();
    let traced = NewEnvelope { trace: trace.clone(), ..NewEnvelope::plain(vec![1].into()) };
    let sent = queue.send(&[traced, NewEnvelope::plain(vec![2].into())]).await;
    assert_eq!(sent, Ok(vec![EntryResult::Ok; 2]));
    let mut got = Vec::new();
    while got.len() < 2 {
        got.extend(queue.receive(10, Duration::from_secs(5), Duration::from_secs(30)).await.unwrap());
    }
    got.sort_by_key(|r| r.body.clone());
    assert_eq!([&got[0].trace, &got[1].trace], [&trace, &None]);
}

#[tokio::test]
async fn what_somebody_else_put_on_the_queue_is_handed_out_as_it_is() {
    let config = fresh_queues(endpoint()).await;
    let clients = Clients::new(&config).await;
    let name = QueueNames::of(Kind::Standard, &config.prefix).live;
    let url = clients.sqs.get_queue_url().queue_name(name).send().await.unwrap().queue_url;
    clients.sqs.send_message().set_queue_url(url).message_body("not base64!").send().await.unwrap();
    let queue = opened(&config, Kind::Standard).await.unwrap();
    let got = queue.receive(10, Duration::from_secs(5), Duration::from_secs(30)).await.unwrap();
    assert_eq!(got.iter().map(|r| &r.body[..]).collect::<Vec<_>>(), [b"not base64!"]);
}

#[tokio::test]
async fn a_long_poll_may_outlast_the_attempt_time_out() {
    let (connect_timeout_ms, attempt_timeout_ms, operation_timeout_ms) = (3_000, 3_000, 3_000);
    let config = fresh_queues(endpoint()).await;
    let config = AwsConfig { connect_timeout_ms, attempt_timeout_ms, operation_timeout_ms, ..config };
    let queue = opened(&config, Kind::Standard).await.unwrap();
    let got = queue.receive(10, Duration::from_secs(5), Duration::from_secs(30)).await;
    assert_eq!(got.map(|g| g.len()), Ok(0));
}

#[tokio::test]
async fn a_missing_queue_is_named_with_what_to_do() {
    let config =
        AwsConfig { prefix: fresh_prefix(), endpoint: Some(endpoint().to_owned()), ..AwsConfig::default() };
    let clients = Clients::new(&config).await;
    let error = open_queue(&clients, &config, Kind::Fifo).await.err().expect("there is none");
    assert!(matches!(error, AwsError::Missing { .. }), "{error:?}");
    let text = error.to_string();
    for part in [&*format!("{}-shards.fifo", config.prefix), "terraform apply", "aws.prefix"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test]
async fn nobody_there_is_named_with_what_to_check() {
    // A port that was free a moment ago, and that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        AwsConfig { endpoint: Some(format!("http://{closed}")), attempts_max: 1, ..AwsConfig::default() };
    let error =
        open_queue(&Clients::new(&config).await, &config, Kind::Fifo).await.err().expect("nobody is there");
    assert!(matches!(error, AwsError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("VPC endpoints"), "{error}");
}
