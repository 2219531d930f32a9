//! What is sent again, and what is not.
//!
//! A call that the backend says it has not touched may be sent again, whatever it does (gRFC A6, "transparent retries"); one
//! that may have reached it only if the rpc may be repeated. Everything else is sent once. Each time is within the deadline,
//! and all but the first after a connection that went away are paid from a [`Budget`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::StreamId;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::Code;

use super::budget::Budget;
use super::error::CallError;
use super::limit::Place;
use super::pool::Lease;
use super::status::code_of_http;
use crate::upstream::fate::Fate;
use crate::upstream::{Outbound, Reply, Terms, Upstream};

/// How often a call is sent again.
const MOST_AGAIN: u32 = 2;

/// Time before a call is sent again; twice that before the second time.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the backend says when a call may come again, in milliseconds, or with a negative number that it may not (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Tells the backend how often it may have had the call before (gRFC A6).
const ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// Why an attempt gave no reply.
pub(crate) enum Failure {
    /// The connection was over: another one may take the call.
    Elsewhere(CallError),
    /// The backend refused this call, and takes others.
    Refused(CallError),
    /// Anything else.
    Call(CallError),
}

impl Failure {
    fn error(&self) -> &CallError {
        match self {
            Self::Elsewhere(error) | Self::Refused(error) | Self::Call(error) => error,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Elsewhere(error) | Failure::Refused(error) | Failure::Call(error) => error,
        }
    }
}

/// How far a call has come, for when its deadline passes.
#[derive(Default)]
pub(crate) struct Progress {
    /// The backend may have it.
    is_out: AtomicBool,
    /// It waits on a connection that takes no more calls.
    is_waiting: AtomicBool,
}

impl Progress {
    pub(crate) fn wait(&self) {
        self.is_waiting.store(true, Ordering::Relaxed);
    }

    pub(crate) fn go_out(&self) {
        self.is_out.store(true, Ordering::Relaxed);
    }

    /// What is told at the deadline.
    pub(crate) fn late(&self) -> CallError {
        if self.is_out.load(Ordering::Relaxed) {
            CallError::Deadline
        } else if self.is_waiting.load(Ordering::Relaxed) {
            CallError::Queued
        } else {
            CallError::Unsent
        }
    }

    /// It is to be sent again; whether the backend may have had it before is known.
    fn begin_again(&self, may_be_out: bool) {
        self.is_out.store(may_be_out, Ordering::Relaxed);
        self.is_waiting.store(false, Ordering::Relaxed);
    }
}

/// What became of the same call before.
#[derive(Default)]
struct Before {
    /// How often it was sent.
    times: u32,
    /// How the first of those ended whose [`Fate`] is another than that the call was not sent.
    unknown: Option<Box<CallError>>,
}

impl Upstream {
    /// Sends the call, and again where it may be.
    pub(crate) async fn exchange(
        &self,
        outbound: &Outbound<'_>,
        frame: Bytes,
        place: &mut Option<Place>,
        progress: &Progress,
    ) -> Result<Reply, CallError> {
        let Outbound { path, metadata, terms } = outbound;
        let (mut before, terms) = (Before::default(), *terms);
        loop {
            // Made only once there is a connection, so that the call has no memory for it while it waits.
            let request = || {
                let mut request = self.request(path, metadata.clone(), terms.deadline);
                if before.unknown.is_some() {
                    request.headers_mut().insert(ATTEMPTS, HeaderValue::from(before.times));
                }
                request
            };
            let failure = match self.send(request, frame.clone(), terms, place, progress).await {
                Ok(reply) => {
                    self.shared.budget.earn();
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            let Some(pause) = before.pause(&failure, terms, &self.shared.budget) else {
                return Err(before.end(failure));
            };
            before.note(failure);
            progress.begin_again(before.unknown.is_some());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

impl Before {
    /// How long to wait until the call may be sent again; none if it may not.
    fn pause(&self, failure: &Failure, terms: Terms<'_>, budget: &Budget) -> Option<Duration> {
        let pause = PAUSE * (self.times + 1);
        let pause =
            match (failure.error().fate(), failure) {
                // It costs the backend nothing that one connection takes the place of another.
                (Fate::NotSent, Failure::Elsewhere(_)) if self.times == 0 => return Some(Duration::ZERO),
                (Fate::NotSent, Failure::Elsewhere(_) | Failure::Refused(_)) => pause,
                // There is no connection, and all addresses were asked.
                (Fate::NotSent, Failure::Call(_)) => return None,
                (Fate::Unknown, _) if !terms.may_repeat => return None,
                (Fate::Unknown, failure) => match failure.error() {
                    CallError::Lost { .. } => pause,
                    // Some box on the way says that the backend cannot be reached.
                    CallError::NoStatus { http, .. } if code_of_http(*http) == Code::Unavailable => pause,
                    _ => return None,
                },
                (Fate::Answered, failure) => match failure.error() {
                    CallError::Status { status, metadata } if status.code() == Code::Unavailable => {
                        if terms.may_repeat { pushback(metadata, pause)? } else { return None }
                    }
                    CallError::Status { .. } => {
                        // The backend is well, whatever it thinks of the call.
                        budget.earn();
                        return None;
                    }
                    _ => return None,
                },
            };
        let in_time = Instant::now() + pause < terms.deadline;
        (self.times < MOST_AGAIN && in_time && budget.take()).then_some(pause)
    }

    fn note(&mut self, failure: Failure) {
        self.times += 1;
        let error = CallError::from(failure);
        if error.fate() != Fate::NotSent {
            self.unknown.get_or_insert_with(|| Box::new(error));
        }
    }

    /// What is told of the call. That the last time nothing was sent says nothing of the times before.
    fn end(self, failure: Failure) -> CallError {
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

impl Lease {
    /// The connection or the stream broke before an answer.
    pub(crate) fn failed(&self, error: &h2::Error, stream: StreamId) -> Failure {
        // RFC 9113, section 8.7: after REFUSED_STREAM, and on streams above the last one that a GOAWAY names, no
        // processing has occurred. h2 gives a GOAWAY as the error of those streams only; on those below, calls go on.
        if error.is_remote() && error.is_go_away() {
            self.retire();
            return Failure::Elsewhere(CallError::Untouched { cause: error.to_string() });
        }
        // It waited for its turn on a connection that is over.
        if stream.as_u32() > self.begun() {
            self.retire();
            return Failure::Elsewhere(self.unsent(error));
        }
        if error.is_remote() && error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return Failure::Refused(CallError::Untouched { cause: error.to_string() });
        }
        Failure::Call(self.broken(error))
    }

    /// The connection ended before the call was sent.
    pub(crate) fn unsent(&self, error: &h2::Error) -> CallError {
        CallError::Unreachable { cause: format!("the connection ended before the call was sent: {error}") }
    }

    /// The connection or the stream broke when the call may have been sent.
    pub(crate) fn broken(&self, error: &h2::Error) -> CallError {
        CallError::Lost { cause: error.to_string() }
    }
}
