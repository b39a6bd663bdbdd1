//! Counts every attempt of every call: service, operation, what became of it, and how long it took.

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::config::interceptors::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef, InterceptorContext,
};
use aws_sdk_sqs::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_sqs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sqs::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::classifiers::RetryReason;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;
use aws_smithy_types::timeout::TimeoutConfig;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use telemetry::metrics::AwsClass;

/// The interceptor of all clients. An attempt, not a call: what the SDK repeats would otherwise be seen by nobody.
#[derive(Debug)]
pub(crate) struct CountCalls;

/// One attempt, until it is counted. The SDK tells nobody when an attempt or a call runs into its time-out: it drops this,
/// and dropping counts it. What its caller gave up earlier is not counted.
#[derive(Debug)]
struct Attempt {
    call: Metadata,
    call_began: Instant,
    began: Instant,
    attempt_max: Option<Duration>,
    call_max: Option<Duration>,
    counted: AtomicBool,
}

impl Storable for Attempt {
    type Storer = StoreReplace<Self>;
}

impl Attempt {
    fn count(&self, class: AwsClass, took: Duration) {
        if !self.counted.swap(true, Ordering::Relaxed) {
            telemetry::aws_call(self.call.service(), self.call.name(), class, took);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        // The pause before the next attempt is over when this one is dropped: it is no part of it.
        let took = self.attempt_max.map_or(took, |max| took.min(max));
        let call_over = self.call_max.is_some_and(|max| self.call_began.elapsed() >= max);
        if call_over || Some(took) == self.attempt_max {
            self.count(AwsClass::TimedOut, took);
        }
    }
}

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "count calls"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(call) = cfg.load::<Metadata>().cloned() else { return Ok(()) };
        let began = Instant::now();
        let call_began = cfg.load::<Attempt>().map_or(began, |earlier| earlier.call_began);
        let limits = cfg.load::<TimeoutConfig>();
        let attempt_max = limits.and_then(TimeoutConfig::operation_attempt_timeout);
        let call_max = limits.and_then(TimeoutConfig::operation_timeout);
        let counted = AtomicBool::new(false);
        let attempt = Attempt { call, call_began, began, attempt_max, call_max, counted };
        cfg.interceptor_state().store_put(attempt);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(attempt) = cfg.load::<Attempt>() {
            attempt.count(class(context.inner(), components), attempt.began.elapsed());
        }
        Ok(())
    }
}

fn class(context: &InterceptorContext, components: &RuntimeComponents) -> AwsClass {
    let Some(Err(error)) = context.output_or_error() else { return AwsClass::Ok };
    if error.is_timeout_error() || error.as_connector_error().is_some_and(|e| e.is_timeout()) {
        return AwsClass::TimedOut;
    }
    if error.is_connector_error() {
        return AwsClass::Unreachable;
    }
    // The SDK's own judgement: error codes differ from service to service.
    let throttled = |action| {
        let RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) = action else {
            return false;
        };
        kind == ErrorKind::ThrottlingError
    };
    if components.retry_classifiers().any(|c| throttled(c.classify_retry(context))) {
        return AwsClass::Throttled;
    }
    match context.response() {
        Some(r) if r.status().is_server_error() => AwsClass::Broken,
        Some(r) if error.is_operation_error() && is_conflict(r) => AwsClass::Conflict,
        Some(_) if error.is_operation_error() => AwsClass::Refused,
        // An answer that could not be read.
        Some(_) => AwsClass::Broken,
        None => AwsClass::Unreachable,
    }
}

/// A condition that did not hold is part of the game: S3 says it by the status, DynamoDB by the error's name.
fn is_conflict(response: &HttpResponse) -> bool {
    const NAME: &[u8] = b"ConditionalCheckFailed";
    let said = |body: &[u8]| body.windows(NAME.len()).any(|part| part == NAME);
    matches!(response.status().as_u16(), 409 | 412) || response.body().bytes().is_some_and(said)
}
