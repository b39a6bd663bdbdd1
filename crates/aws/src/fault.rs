//! What the SDK's errors mean for a port's caller, and trying again with jittered pauses until a deadline.
//!
//! The SDK repeats a call by itself a few times, with a budget for all calls of a client. What comes out of it has been
//! tried already; this goes on for as long as the caller's own patience lasts, and then says why in plain words.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use common::ports::PortError;
use rand::RngExt;
use std::error::Error;
use std::time::Duration;
use tokio::time::Instant;

/// The first pause is at most this long; each further one at most twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// Too much at once, whatever the service calls it.
const THROTTLED: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "ProvisionedThroughputExceeded",
    "ThrottlingException",
    "ThrottlingError",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequestsException",
    "LimitExceededException",
    "SlowDown",
];
/// Somebody else is at the same item or key at this moment.
const CROSSED: &[&str] = &[
    "TransactionConflictException",
    "TransactionConflict",
    "TransactionInProgressException",
    "ReplicatedWriteConflictException",
    "ConditionalRequestConflict",
    "OperationAborted",
];
/// The service's own trouble, or the line's: bytes that arrived otherwise than they were sent.
const BROKEN: &[&str] = &[
    "InternalServerError",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestTimeoutException",
    "BadDigest",
    "XAmzContentChecksumMismatch",
    "IncompleteBody",
];
/// Codes that name the request itself: it would be refused again. Everything else may be mended meanwhile, permissions
/// and missing tables included, so that nobody throws work away because of them.
const REFUSED: &[&str] = &[
    "ValidationException",
    "ValidationError",
    "SerializationException",
    "ItemCollectionSizeLimitExceededException",
    "TransactionCanceledException",
    "IdempotentParameterMismatchException",
    "EntityTooLarge",
    "EntityTooSmall",
    "InvalidArgument",
    "InvalidPart",
    "InvalidRequest",
    "KeyTooLongError",
    "MalformedXML",
];

/// Whether an error code means "too much at once".
pub(crate) fn is_throttled(code: &str) -> bool {
    THROTTLED.contains(&code)
}

/// What a call that did not work came to.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// It is over, and this is why.
    Port(PortError),
    /// The service's answer, which may be part of the game: a condition that did not hold.
    Said(E),
}

impl<E: ProvideErrorMetadata> Failed<E> {
    /// The answer is no part of the game here.
    pub(crate) fn into_port(self, what: &'static str) -> PortError {
        let said = match self {
            Self::Port(error) => return error,
            Self::Said(said) => said,
        };
        let why = words(said.code(), said.message());
        if said.code().is_some_and(|code| REFUSED.contains(&code)) {
            PortError::Invalid { what, why }
        } else {
            PortError::Unavailable { what, why }
        }
    }
}

/// `Code: message`, as far as there are any.
pub(crate) fn words(code: Option<&str>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "no reason was given".to_owned(),
    }
}

/// What to do about an error.
enum Verdict {
    Again(String),
    GiveUp(String),
    TheCallers,
}

fn verdict<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> Verdict {
    match error {
        SdkError::TimeoutError(_) => Verdict::Again("no answer in time".to_owned()),
        SdkError::DispatchFailure(e) if e.is_timeout() => Verdict::Again("no connection in time".to_owned()),
        SdkError::DispatchFailure(_) => {
            Verdict::Again(format!("out of reach: {}", DisplayErrorContext(error)))
        }
        SdkError::ResponseError(_) => {
            Verdict::Again(format!("the answer was cut off or garbled: {}", DisplayErrorContext(error)))
        }
        SdkError::ServiceError(e) => {
            let (code, status) = (e.err().code().unwrap_or_default(), e.raw().status().as_u16());
            let said = words(e.err().code(), e.err().message());
            if is_throttled(code) || matches!(status, 429 | 503) {
                Verdict::Again(format!("throttled: {said}"))
            } else if CROSSED.contains(&code) {
                Verdict::Again(format!("somebody else is writing at the same time: {said}"))
            } else if BROKEN.contains(&code) || status >= 500 {
                Verdict::Again(format!("its own fault: {said} (status {status})"))
            } else if matches!(status, 401 | 403) {
                // S3 says no more than this to a HEAD.
                Verdict::GiveUp(format!(
                    "not allowed: {said} (status {status}); the role may lack a permission"
                ))
            } else {
                Verdict::TheCallers
            }
        }
        // Nothing was sent: no credentials, no region, a broken configuration.
        _ => Verdict::GiveUp(format!("the call could not be made: {}", DisplayErrorContext(error))),
    }
}

/// A pause of random length before attempt `round + 1`: full jitter, so that those who failed together part.
pub(crate) fn pause(round: u32) -> Duration {
    let most = PAUSE_FIRST.saturating_mul(1 << round.min(8)).min(PAUSE_MAX);
    most.mul_f64(rand::rng().random_range(0.1..=1.0))
}

/// How long calls to one part are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The part, for errors.
    pub(crate) what: &'static str,
    /// No new attempt begins later than this after the first.
    pub(crate) longest: Duration,
}

impl Patience {
    /// It did not work in time.
    pub(crate) fn unavailable(self, why: impl Into<String>) -> PortError {
        PortError::Unavailable { what: self.what, why: why.into() }
    }

    /// Makes the call until it is answered for good or patience ends.
    pub(crate) async fn call<T, E, F>(self, make: impl Fn() -> F + Send) -> Result<T, Failed<E>>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    {
        let began = Instant::now();
        for round in 0.. {
            let error = match Box::pin(make()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let why = match (verdict(&error), error) {
                (Verdict::TheCallers, SdkError::ServiceError(e)) => return Err(Failed::Said(e.into_err())),
                (Verdict::Again(why), _) => why,
                (Verdict::GiveUp(why), _) => return Err(Failed::Port(self.unavailable(why))),
                (Verdict::TheCallers, other) => {
                    return Err(Failed::Port(self.unavailable(DisplayErrorContext(other).to_string())));
                }
            };
            let pause = pause(round);
            if began.elapsed() + pause > self.longest {
                return Err(Failed::Port(self.unavailable(why)));
            }
            tracing::debug!(what = self.what, why, "called again");
            tokio::time::sleep(pause).await;
        }
        Err(Failed::Port(self.unavailable("tried too often")))
    }
}
