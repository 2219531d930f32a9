//! Refusals that tell what became of a call. All words for a [`Fate`] are here.

use http::StatusCode;
use http::header::RETRY_AFTER;
use tonic::Code;

use super::context::CallContext;
use super::refusal::Refusal;
use super::statuses::http_status;
use super::timer::Timer;
use crate::codec::{DecodeError, DecodeProblem};
use crate::limits::pace::Rate;
use crate::upstream::{CallError, Fate};

/// How a message speaks of the call.
#[derive(Debug, Clone, Copy)]
enum Subject {
    /// It has not spoken of it.
    Call,
    /// It has.
    It,
    /// The call was sent, and refused.
    Deed,
}

/// What became of the call.
fn words(fate: Fate, subject: Subject) -> &'static str {
    match (fate, subject) {
        (Fate::NotSent, Subject::Call) => "the call was not sent",
        (Fate::NotSent, Subject::It) => "it was not sent",
        (Fate::NotSent, Subject::Deed) => "nothing was done",
        (Fate::Unknown, Subject::Call | Subject::Deed) => "the outcome of the call is unknown",
        (Fate::Unknown, Subject::It) => "its outcome is unknown",
        (Fate::Answered, _) => "the call itself has succeeded",
    }
}

const LATE: (StatusCode, Code) = (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded);
const UNAVAILABLE: (StatusCode, Code) = (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);

const fn bad_gateway(code: Code) -> (StatusCode, Code) {
    (StatusCode::BAD_GATEWAY, code)
}

impl Refusal {
    /// A call that gave no reply. What the log should know besides is in the error itself.
    #[must_use]
    pub fn call(error: CallError, context: CallContext<'_>) -> Self {
        let refusal = match error {
            CallError::Status { status, metadata } => Self::status(&status, metadata, context),
            error => Self::without_status(&error, context.timer),
        };
        Self { is_of_call: true, ..refusal }
    }

    fn without_status(error: &CallError, timer: &Timer) -> Self {
        let fate = error.fate();
        let told = |kind, subject, what: &str| Self::told(fate, kind, (subject, what));
        let too_many = |what: String| told(UNAVAILABLE, Subject::Call, &what).with_retry_after();
        match *error {
            CallError::Status { ref status, .. } => {
                Self::new(http_status(status.code()), status.code(), status.message())
            }
            CallError::Deadline => told(LATE, Subject::Call, &format!("the backend did not answer within {timer}")),
            CallError::DeadlineAfter { messages } => {
                let came = if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") };
                let message = format!("the stream did not end within {timer}; {came} had come, and ");
                Self::of(fate, LATE, message + words(fate, Subject::Call))
            }
            CallError::Unsent => {
                told(LATE, Subject::Call, &format!("there was no connection to the backend within {timer}"))
            }
            CallError::Queued => told(LATE, Subject::It, &format!("the call waited for others to end, for {timer}")),
            CallError::Stopped => {
                told(bad_gateway(Code::Unavailable), Subject::It, "the gateway is shutting down and has ended the call")
            }
            CallError::Full { most } => {
                too_many(format!("{most} calls of the backend are in flight, as many as may be"))
            }
            CallError::Taken { streams } => {
                too_many(format!("the backend takes no more than the {streams} streams that are in flight"))
            }
            CallError::Connection { most } => too_many(format!(
                "{most} calls of this connection are in flight at the backend, as many as it may have"
            )),
            CallError::Crowded { most } => too_many(format!(
                "nearly all of the {most} calls that the backend may have in flight are under way, and this caller has its part of them"
            )),
            CallError::Unreachable { .. } => told(UNAVAILABLE, Subject::Call, "the backend cannot be reached"),
            CallError::Untouched { .. } => told(UNAVAILABLE, Subject::Deed, "the backend did not take the call"),
            CallError::Lost { .. } => {
                told(bad_gateway(Code::Unknown), Subject::It, "the connection to the backend was lost during the call")
            }
            CallError::Protocol { .. } => {
                told(bad_gateway(Code::Internal), Subject::Call, "the backend's answer cannot be read")
            }
            CallError::NoStatus { http, .. } => Self::no_status(fate, http),
            CallError::NoMemory { .. } => told(
                bad_gateway(Code::ResourceExhausted),
                Subject::Call,
                "the gateway has no memory left for the backend's reply",
            ),
            CallError::NoRoom => Self::no_memory(),
            CallError::TooLarge { limit, .. } => {
                let message = format!("the backend's reply is larger than the limit of {limit} bytes");
                Self::of(fate, bad_gateway(Code::ResourceExhausted), message)
            }
        }
    }

    /// An answer without a gRPC status. Its code is that of gRPC's mapping; its HTTP status is 502 where 503 or 504 would say more of the call
    /// than is known.
    fn no_status(fate: Fate, answered: StatusCode) -> Self {
        let code = CallError::code_of_http(answered);
        let http = match code {
            Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => http_status(code),
            _ => StatusCode::BAD_GATEWAY,
        };
        let what = match answered {
            StatusCode::OK => "the backend's answer cannot be read".to_owned(),
            _ => {
                format!("the backend, or a proxy before it, answered HTTP {} without a gRPC status", answered.as_u16())
            }
        };
        Self::told(fate, (http, code), (Subject::Call, &what))
    }

    fn told(fate: Fate, kind: (StatusCode, Code), (subject, what): (Subject, &str)) -> Self {
        Self::of(fate, kind, format!("{what}; {}", words(fate, subject)))
    }

    fn with_retry_after(self) -> Self {
        self.with_header(RETRY_AFTER, "1".to_owned())
    }

    /// No memory for a request.
    #[must_use]
    pub fn no_memory() -> Self {
        let what = "the gateway has no memory left for the request";
        Self::told(Fate::NotSent, UNAVAILABLE, (Subject::Call, what)).with_retry_after()
    }

    /// The connection holds answers that its caller does not take.
    #[must_use]
    pub fn untaken_answers() -> Self {
        let what = "answers on this connection that were not read hold as much memory as one connection may have";
        Self::told(Fate::NotSent, UNAVAILABLE, (Subject::Call, what)).with_retry_after()
    }

    /// No memory for a message of a request that has several.
    #[must_use]
    pub fn no_memory_for_message() -> Self {
        let message = "the gateway has no memory left for it";
        Self::of(Fate::Unknown, (StatusCode::SERVICE_UNAVAILABLE, Code::ResourceExhausted), message)
    }

    /// No memory for the JSON of a reply.
    #[must_use]
    pub fn no_memory_for_reply() -> Self {
        let what = "the gateway has no memory left for the reply's JSON";
        Self::told(Fate::Answered, bad_gateway(Code::ResourceExhausted), (Subject::Call, what))
    }

    /// A body that did not arrive.
    #[must_use]
    pub fn body_late(timer: &Timer) -> Self {
        let message = format!("the body did not arrive within {timer}");
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
    }

    /// A body that comes too slowly.
    #[must_use]
    pub fn body_slow(rate: Rate) -> Self {
        let Rate { bytes, over } = rate;
        let message = format!("expected a body of at least {bytes} bytes a second, and less came for {over:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded, message)
    }

    /// A reply that is no message of its type, or has too large a JSON form.
    #[must_use]
    pub fn undecodable(error: &DecodeError) -> Self {
        if let DecodeProblem::TooLarge { limit } = error.problem {
            let what = format!("the reply's JSON is larger than the limit of {limit} bytes");
            return Self::told(Fate::Answered, bad_gateway(Code::ResourceExhausted), (Subject::Call, &what));
        }
        let what = "the backend's reply cannot be read";
        Self::told(Fate::Answered, bad_gateway(Code::Internal), (Subject::Call, what))
    }

    /// A message of a stream that is none of its type.
    #[must_use]
    pub fn undecodable_message() -> Self {
        let what = "a message of the backend cannot be read";
        Self::told(Fate::Unknown, bad_gateway(Code::Internal), (Subject::Call, what))
    }

    /// A fault of ours.
    #[must_use]
    pub fn internal() -> Self {
        let kind = (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal);
        Self::told(Fate::Unknown, kind, (Subject::Call, "an internal error"))
    }

    /// The same of a call that had been opened. The backend may have acted on what it had of it, be that the head alone.
    #[must_use]
    pub fn of_open_call(self) -> Self {
        match self.fate {
            Fate::NotSent => Self { fate: Fate::Unknown, ..self },
            Fate::Unknown | Fate::Answered => self,
        }
    }

    /// The same as what is wrong with a message of a stream behind so many that were sent.
    #[must_use]
    pub fn behind(self, sent: usize) -> Self {
        let message = format!("in message {}: {}", sent + 1, self.message);
        let message = match sent {
            0 => message,
            _ => {
                let unknown = words(Fate::Unknown, Subject::It);
                format!("{message}; the call was given up after the messages before it, and {unknown}")
            }
        };
        Self { message, ..self.of_open_call() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::timer::Whose;
    use super::*;

    /// An error of each kind, what becomes of its call, and what the caller is told.
    fn errors() -> Vec<(CallError, Fate, &'static str)> {
        let cause = || "10.0.0.1:443: CANARY".to_owned();
        let head = StatusCode::SERVICE_UNAVAILABLE;
        vec![
            (
                CallError::Unreachable { cause: cause() },
                Fate::NotSent,
                "the backend cannot be reached; the call was not sent",
            ),
            (
                CallError::Untouched { cause: cause() },
                Fate::NotSent,
                "the backend did not take the call; nothing was done",
            ),
            (
                CallError::Full { most: 3 },
                Fate::NotSent,
                "3 calls of the backend are in flight, as many as may be; the call was not sent",
            ),
            (
                CallError::Taken { streams: 3 },
                Fate::NotSent,
                "the backend takes no more than the 3 streams that are in flight; the call was not sent",
            ),
            (
                CallError::Connection { most: 3 },
                Fate::NotSent,
                "3 calls of this connection are in flight at the backend, as many as it may have; the call was not sent",
            ),
            (
                CallError::Crowded { most: 3 },
                Fate::NotSent,
                "nearly all of the 3 calls that the backend may have in flight are under way, and this caller has its part of them; the call was not sent",
            ),
            (
                CallError::Queued,
                Fate::NotSent,
                "the call waited for others to end, for the gateway's deadline of 2s; it was not sent",
            ),
            (
                CallError::Unsent,
                Fate::NotSent,
                "there was no connection to the backend within the gateway's deadline of 2s; the call was not sent",
            ),
            (CallError::NoRoom, Fate::NotSent, "the gateway has no memory left for the request; the call was not sent"),
            (
                CallError::Lost { cause: cause() },
                Fate::Unknown,
                "the connection to the backend was lost during the call; its outcome is unknown",
            ),
            (
                CallError::Deadline,
                Fate::Unknown,
                "the backend did not answer within the gateway's deadline of 2s; the outcome of the call is unknown",
            ),
            (
                CallError::DeadlineAfter { messages: 1 },
                Fate::Unknown,
                "the stream did not end within the gateway's deadline of 2s; 1 message had come, and the outcome of the call is unknown",
            ),
            (
                CallError::Stopped,
                Fate::Unknown,
                "the gateway is shutting down and has ended the call; its outcome is unknown",
            ),
            (
                CallError::Protocol { cause: cause() },
                Fate::Unknown,
                "the backend's answer cannot be read; the outcome of the call is unknown",
            ),
            (
                CallError::NoStatus { http: head, cause: cause() },
                Fate::Unknown,
                "the backend, or a proxy before it, answered HTTP 503 without a gRPC status; the outcome of the call is unknown",
            ),
            (
                CallError::NoMemory { length: 3 },
                Fate::Unknown,
                "the gateway has no memory left for the backend's reply; the outcome of the call is unknown",
            ),
            (
                CallError::TooLarge { length: 4, limit: 3 },
                Fate::Answered,
                "the backend's reply is larger than the limit of 3 bytes",
            ),
        ]
    }

    #[test]
    fn the_caller_is_told_what_became_of_the_call_and_no_cause() {
        let timer = Timer { whose: Whose::Gateway, length: Duration::from_secs(2) };
        for (error, fate, message) in errors() {
            let refusal = Refusal::without_status(&error, &timer);
            assert_eq!((error.fate(), refusal.fate(), refusal.message.as_str()), (fate, fate, message), "{error:?}");
        }
    }

    #[test]
    fn only_a_call_that_was_not_sent_may_come_again() {
        let timer = Timer { whose: Whose::Gateway, length: Duration::from_secs(2) };
        for (error, ..) in errors() {
            let refusal = Refusal::without_status(&error, &timer);
            let comes_again =
                refusal.headers.contains_key(RETRY_AFTER) || refusal.http == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(
                comes_again,
                refusal.fate().is_safe_to_repeat() && refusal.http != StatusCode::GATEWAY_TIMEOUT,
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_request_that_is_wrong_once_its_call_is_open_has_an_unknown_outcome() {
        let wrong = || Refusal::bad_request("no");
        assert_eq!((wrong().fate(), wrong().of_open_call().fate()), (Fate::NotSent, Fate::Unknown));
        for (sent, message) in [
            (0, "in message 1: no"),
            (2, "in message 3: no; the call was given up after the messages before it, and its outcome is unknown"),
        ] {
            let refusal = wrong().behind(sent);
            assert_eq!((refusal.message.as_str(), refusal.fate()), (message, Fate::Unknown));
        }
        assert_eq!(Refusal::no_memory_for_reply().of_open_call().fate(), Fate::Answered);
    }
}
