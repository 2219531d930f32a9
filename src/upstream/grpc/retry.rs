//! What is sent again, and what is not.
//!
//! A call that the backend says it has not touched may be sent again, whatever it does (gRFC A6, "transparent retries"); one
//! that may have reached it only if the rpc may be repeated. Everything else is sent once. Each time is within the deadline,
//! and all but the first after a connection that went away are paid from a [`RetryBudget`].

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::Code;

use super::attempt::AttemptError;
use super::budget::RetryBudget;
use super::error::CallError;
use super::status::code_of_http;
use crate::upstream::fate::Fate;
use crate::upstream::outbound::Terms;

/// How often a call is sent again.
const MOST_AGAIN: u32 = 2;

/// Time before a call is sent again; twice that before the second time.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the backend says when a call may come again, in milliseconds, or with a negative number that it may not (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Tells the backend how often it may have had the call before (gRFC A6).
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// The attempts at one call until now.
#[derive(Default)]
pub(crate) struct Attempts {
    /// How often it was sent.
    times: u32,
    /// How the first of those ended whose [`Fate`] is another than that the call was not sent.
    unknown: Option<Box<CallError>>,
}

impl Attempts {
    /// Tells the backend how often it may have had the call before, if it may have had it.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if self.unknown.is_some() {
            headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(self.times));
        }
    }

    /// Whether the backend may have the call.
    pub(crate) fn may_be_out(&self) -> bool {
        self.unknown.is_some()
    }

    /// How long to wait until the call may be sent again; none if it may not.
    pub(crate) fn pause(&self, failure: &AttemptError, terms: Terms<'_>, budget: &RetryBudget) -> Option<Duration> {
        let (error, pause) = (failure.error(), PAUSE * (self.times + 1));
        let pause = match error.fate() {
            Fate::NotSent => match failure {
                // It costs the backend nothing that one connection takes the place of another.
                AttemptError::Elsewhere(_) if self.times == 0 => return Some(Duration::ZERO),
                AttemptError::Elsewhere(_) | AttemptError::Refused(_) => pause,
                // There is no connection, and all addresses were asked.
                AttemptError::Call(_) => return None,
            },
            Fate::Unknown if !terms.may_repeat => return None,
            Fate::Unknown => match error {
                CallError::Lost { .. } => pause,
                // Some box on the way says that the backend cannot be reached.
                CallError::NoStatus { http, .. } if code_of_http(*http) == Code::Unavailable => pause,
                _ => return None,
            },
            Fate::Answered => match error {
                CallError::Status { status, .. } if status.code() != Code::Unavailable => {
                    // The backend is well, whatever it thinks of the call.
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

    /// What is told of the call. That the last time nothing was sent says nothing of the times before.
    pub(crate) fn end(self, failure: AttemptError) -> CallError {
        let error = CallError::from(failure);
        match self.unknown {
            Some(unknown) if error.fate() == Fate::NotSent => *unknown,
            _ => error,
        }
    }
}

/// The pause that the backend asks for, or ours.
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
    fn what_was_not_sent_is_sent_again_and_what_is_unknown_only_where_it_may_be_repeated() {
        let (now, later) = (Some(Duration::ZERO), Some(PAUSE));
        // What became of the first attempt; when the second may be made, of an rpc that may not be repeated and of one that may.
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
    fn a_call_that_may_have_been_acted_on_once_stays_unknown() {
        let mut attempts = Attempts::default();
        attempts.note(AttemptError::Elsewhere(unreachable()));
        assert!(!attempts.may_be_out());
        attempts.note(lost());
        assert!(attempts.may_be_out());
        assert_eq!(attempts.end(AttemptError::Call(unreachable())).fate(), Fate::Unknown);
        assert_eq!(Attempts::default().end(AttemptError::Call(unreachable())).fate(), Fate::NotSent);
    }
}
