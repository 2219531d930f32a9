//! Decides which calls are sent again.
//!
//! A call that the backend says it has not processed may be sent again, whatever its rpc (gRFC A6, "transparent
//! retries"). A call that may have reached the backend is sent again only if its rpc is idempotent. Everything else is
//! sent once. Retries stay within the deadline. All are paid from a [`RetryBudget`], except for the first one after a
//! connection ended.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;
use tonic::Code;

use super::attempt::AttemptError;
use super::budget::RetryBudget;
use super::error::CallError;
use super::status::code_of_http;
use crate::upstream::fate::Fate;
use crate::upstream::outbound::Terms;

/// The most times that a call is sent again.
const MOST_AGAIN: u32 = 2;

/// The pause before a call is sent again for the first time; before the second time it is twice as long.
const PAUSE: Duration = Duration::from_millis(20);

/// Metadata in which the backend gives the pause before a retry in milliseconds, or forbids retries with a negative
/// number (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Metadata that tells the backend how often it may already have received the call (gRFC A6).
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// The attempts at one call so far.
#[derive(Default)]
pub(crate) struct Attempts {
    /// How often the call was sent.
    times: u32,
    /// The error of the first attempt that the backend may have received.
    unknown: Option<Box<CallError>>,
}

impl Attempts {
    /// The request, which tells the backend how often it may already have received the call, if it may have.
    pub(crate) fn told(&self, mut request: Request<()>) -> Request<()> {
        if self.unknown.is_some() {
            request.headers_mut().insert(PREVIOUS_ATTEMPTS, HeaderValue::from(self.times));
        }
        request
    }

    /// Whether the backend may have received the call.
    pub(crate) fn may_be_out(&self) -> bool {
        self.unknown.is_some()
    }

    /// The pause before the call may be sent again; `None` if it may not.
    pub(crate) fn pause(&self, failure: &AttemptError, terms: Terms<'_>, budget: &RetryBudget) -> Option<Duration> {
        let (error, pause) = (failure.error(), PAUSE * (self.times + 1));
        let pause = match error.fate() {
            Fate::NotSent => match failure {
                // Moving to another connection costs the backend nothing.
                AttemptError::Elsewhere(_) if self.times == 0 => return Some(Duration::ZERO),
                AttemptError::Elsewhere(_) | AttemptError::Refused(_) => pause,
                // There is no connection, and every address was tried.
                AttemptError::Call(_) => return None,
            },
            Fate::Unknown if !terms.may_repeat => return None,
            Fate::Unknown => match error {
                CallError::Lost { .. } => pause,
                // An intermediary says that the backend cannot be reached.
                CallError::NoStatus { http, .. } if code_of_http(*http) == Code::Unavailable => pause,
                _ => return None,
            },
            Fate::Answered => match error {
                CallError::Status { status, .. } if status.code() != Code::Unavailable => {
                    // The backend works, whatever its answer to this call.
                    budget.earn();
                    return None;
                }
                CallError::Status { metadata, .. } if terms.may_repeat => pushback(metadata, pause)?,
                _ => return None,
            },
        };
        let in_time = Instant::now() + pause < terms.deadline;
        (self.times < MOST_AGAIN && in_time && budget.take()).then_some(pause)
    }

    pub(crate) fn note(&mut self, failure: AttemptError) {
        self.times += 1;
        let error = CallError::from(failure);
        if error.fate() != Fate::NotSent {
            self.unknown.get_or_insert_with(|| Box::new(error));
        }
    }

    /// The final error of the call. If the last attempt was not sent, an earlier attempt may still have been received,
    /// and its error counts.
    pub(crate) fn end(self, failure: AttemptError) -> CallError {
        let error = CallError::from(failure);
        match self.unknown {
            Some(unknown) if error.fate() == Fate::NotSent => *unknown,
            _ => error,
        }
    }
}

/// The pause that the backend asks for, or `ours`.
fn pushback(metadata: &HeaderMap, ours: Duration) -> Option<Duration> {
    let Some(asked) = metadata.get(PUSHBACK) else { return Some(ours) };
    asked.to_str().ok()?.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn terms(may_repeat: bool) -> Terms<'static> {
        let deadline = Instant::now() + Duration::from_secs(60);
        Terms { deadline, reply_limit: 0, may_repeat, account: None }
    }

    fn cause() -> String {
        "gone".to_owned()
    }

    fn lost() -> AttemptError {
        AttemptError::Call(CallError::Lost { cause: cause() })
    }

    fn unreachable() -> CallError {
        CallError::Unreachable { cause: cause() }
    }

    fn no_status(http: StatusCode) -> AttemptError {
        AttemptError::Call(CallError::NoStatus { http, cause: cause() })
    }

    fn status(code: Code) -> AttemptError {
        let status = Box::new(tonic::Status::new(code, ""));
        AttemptError::Call(CallError::Status { status, metadata: HeaderMap::new() })
    }

    #[test]
    fn unsent_calls_are_retried_and_calls_of_unknown_outcome_only_if_idempotent() {
        let (now, later) = (Some(Duration::ZERO), Some(PAUSE));
        // The error of the first attempt; then the pause before the second one, for an rpc that may not be repeated and
        // for one that may.
        for (error, once, repeated) in [
            (AttemptError::Elsewhere(unreachable()), now, now),
            (AttemptError::Refused(CallError::Untouched { cause: cause() }), later, later),
            (AttemptError::Call(unreachable()), None, None),
            (lost(), None, later),
            (no_status(StatusCode::SERVICE_UNAVAILABLE), None, later),
            (no_status(StatusCode::INTERNAL_SERVER_ERROR), None, None),
            (AttemptError::Call(CallError::protocol("no")), None, None),
            (AttemptError::Call(CallError::NoMemory { length: 1 }), None, None),
            (AttemptError::Call(CallError::TooLarge { length: 2, limit: 1 }), None, None),
            (status(Code::Unavailable), None, later),
            (status(Code::NotFound), None, None),
        ] {
            let budget = RetryBudget::new();
            let pauses = [false, true].map(|may| Attempts::default().pause(&error, terms(may), &budget));
            assert_eq!(pauses, [once, repeated], "{:?}", error.error());
        }
    }

    #[test]
    fn a_call_that_may_have_been_executed_keeps_an_unknown_outcome() {
        let mut attempts = Attempts::default();
        attempts.note(AttemptError::Elsewhere(unreachable()));
        assert!(!attempts.may_be_out());
        attempts.note(lost());
        assert!(attempts.may_be_out());
        assert_eq!(attempts.end(AttemptError::Call(unreachable())).fate(), Fate::Unknown);
        assert_eq!(Attempts::default().end(AttemptError::Call(unreachable())).fate(), Fate::NotSent);
    }
}
