//! The SDK's clients, all on one connection pool, with time-outs and repetitions as configured. `docs/aws.md` says what
//! the SDK does when it is left alone, and why it is not.

use crate::calls::CountCalls;
use crate::config::AwsConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedHttpClient};
use aws_smithy_http_client::{Builder, tls};
use std::time::Duration;

/// Back-off before the first repetition is a random part of this, doubled each time. The SDK's own is 1 s: a fifth of
/// the time in which everything is to be sent.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Longest back-off.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is not used again. Services close theirs after about a minute.
const IDLE_MAX: Duration = Duration::from_secs(45);
/// An object's part is megabytes where other calls are kilobytes, so it may take this many times as long.
const OBJECT_PATIENCE: u32 = 10;
/// A body that stands still for this long is given up.
const STALL_MAX: Duration = Duration::from_secs(5);

/// One client for each service.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The queues.
    pub sqs: aws_sdk_sqs::Client,
    /// The bucket.
    pub s3: aws_sdk_s3::Client,
    /// The tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The tasks.
    pub ecs: aws_sdk_ecs::Client,
}

impl Clients {
    /// Makes them. Nothing is asked of AWS yet, credentials included.
    pub async fn new(config: &AwsConfig) -> Self {
        let sdk = sdk_config(config).await;
        let object_calls = timeouts(config, OBJECT_PATIENCE).build();
        let s3 = aws_sdk_s3::config::Builder::from(&sdk)
            .interceptor(CountCalls)
            .timeout_config(object_calls)
            // A stand-in has one name only, not one for each bucket.
            .force_path_style(config.endpoint.is_some())
            .build();
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk).interceptor(CountCalls).build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(CountCalls).build();
        let ecs = aws_sdk_ecs::config::Builder::from(&sdk).interceptor(CountCalls).build();
        Self {
            sqs: aws_sdk_sqs::Client::from_conf(sqs),
            s3: aws_sdk_s3::Client::from_conf(s3),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            ecs: aws_sdk_ecs::Client::from_conf(ecs),
        }
    }
}

/// What all clients share: one HTTP client, which means one pool of connections.
async fn sdk_config(config: &AwsConfig) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client())
        .timeout_config(timeouts(config, 1).build())
        .retry_config(retries(config))
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL_MAX).build());
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint {
        // Real credentials never go to an address that somebody typed.
        let worthless = Credentials::new("standin", "standin", None, None, "standin");
        loader = loader.endpoint_url(endpoint).credentials_provider(worthless);
        if config.region.is_none() {
            loader = loader.region(Region::from_static("us-east-1"));
        }
    }
    loader.load().await
}

/// TLS by rustls on ring. `build_https` sets TCP_NODELAY on every connection, and keeps one pool for each pair of connect
/// and read time-out: these are the same in all clients.
fn http_client() -> SharedHttpClient {
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Builder::new().pool_idle_timeout(IDLE_MAX).tls_provider(tls).build_https()
}

fn timeouts(config: &AwsConfig, times: u32) -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder()
        .connect_timeout(config.connect_timeout())
        .operation_attempt_timeout(config.attempt_timeout() * times)
        .operation_timeout(config.operation_timeout() * times)
}

/// The time-outs of a call that the service may answer only after `wait`.
pub(crate) fn long_poll_timeouts(config: &AwsConfig, wait: Duration) -> TimeoutConfig {
    timeouts(config, 1)
        .operation_attempt_timeout(config.attempt_timeout() + wait)
        .operation_timeout(config.operation_timeout() + wait)
        .build()
}

/// `standard`, not `adaptive`: that one slows all calls of a client down after one throttled call, for seconds.
fn retries(config: &AwsConfig) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(config.attempts_max)
        .with_initial_backoff(BACK_OFF)
        .with_max_backoff(BACK_OFF_MAX)
}
