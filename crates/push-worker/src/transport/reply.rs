//! What became of a request, in the two words that matter for a push: may it be sent again?

use bytes::Bytes;
use std::time::Duration;
use wire::Outcome;

/// Place of `retry-after` among the headers that connections keep ([`super::group::connection`]).
const RETRY_AFTER: usize = 0;

/// What became of a request. The line between the last two is where bytes leave this process:
///
/// - waiting for a connection, a stream or the connection's turn to write, answered with REFUSED_STREAM, or on a stream
///   above the last one that a GOAWAY names: not sent, and safe to send again;
/// - anything else that ends without an answer (time-out, another reset, a broken connection, a malformed answer):
///   ambiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP answer came.
    Answered(Response),
    /// The gateway did not process it and never will.
    NotSent,
    /// It may have been processed.
    Ambiguous,
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `retry-after`, if it says seconds.
    pub retry_after: Option<Duration>,
    /// At most [`super::limits::ANSWER_BYTES_MAX`] of the body; nothing for 200.
    pub body: Bytes,
}

impl From<Outcome> for Reply {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered(answer) => {
                let seconds =
                    answer.header(RETRY_AFTER).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
                let body = answer.body();
                let body = if body.is_empty() { Bytes::new() } else { Bytes::copy_from_slice(body) };
                let retry_after = seconds.map(Duration::from_secs);
                Self::Answered(Response { status: answer.status, retry_after, body })
            }
            Outcome::NotSent | Outcome::NotProcessed => Self::NotSent,
            Outcome::Reset(_) | Outcome::Ambiguous(_) => Self::Ambiguous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Code, Doubt};

    #[test]
    fn only_what_was_not_processed_may_be_sent_again() {
        for outcome in [Outcome::NotSent, Outcome::NotProcessed] {
            assert_eq!(Reply::from(outcome), Reply::NotSent);
        }
        for doubt in [Doubt::TimedOut, Doubt::Malformed, Doubt::Ended] {
            assert_eq!(Reply::from(Outcome::Ambiguous(doubt)), Reply::Ambiguous);
        }
        for code in 0..14 {
            assert_eq!(Reply::from(Outcome::Reset(Code(code))), Reply::Ambiguous);
        }
    }
}
