//! Refusals of failed calls. Only this module turns a [`Fate`] into words.

use http::StatusCode;
use http::header::RETRY_AFTER;
use tonic::Code;

use super::context::CallContext;
use super::reason::Reason;
use super::refusal::Refusal;
use super::statuses::http_status;
use super::timer::Timer;
use crate::codec::{DecodeError, DecodeProblem};
use crate::limits::pace::Rate;
use crate::upstream::{CallError, Fate};

/// How a message refers to the call.
#[derive(Debug, Clone, Copy)]
enum Subject {
    /// "the call": the message has not mentioned it yet.
    Call,
    /// "it": the message has mentioned the call.
    It,
    /// The call was sent and the backend refused it, so the message speaks of what was done.
    Deed,
}

/// The words for what happened to the call.
fn words(fate: Fate, subject: Subject) -> &'static str {
    match (fate, subject) {
        (Fate::NotSent, Subject::Call) => "the call was not sent",
        (Fate::NotSent, Subject::It) => "it was not sent",
        (Fate::NotSent, Subject::Deed) => "nothing was done",
        (Fate::Unknown, Subject::Call | Subject::Deed) => "the outcome of the call is unknown",
        (Fate::Unknown, Subject::It) => "its outcome is unknown",
        (Fate::Answered, _) => "the call itself succeeded",
    }
}

impl Refusal {
    /// The refusal for a call without a reply. Anything else that the log needs is in the error itself.
    #[must_use]
    pub fn call(error: CallError, context: CallContext<'_>) -> Self {
        let refusal = match error {
            CallError::Status { status, metadata } => Self::status(&status, metadata, context),
            error => Self::without_status(&error, context.timer),
        };
        Self { is_of_call: true, ..refusal }
    }

    /// 504: the backend did not answer in time, and may have executed the call.
    #[must_use]
    pub fn unanswered(timer: &Timer) -> Self {
        Self::without_status(&CallError::Deadline, timer)
    }

    fn without_status(error: &CallError, timer: &Timer) -> Self {
        let fate = error.fate();
        let told = |reason, subject, what: &str| Self::told(fate, reason, (subject, what));
        let too_many = |reason, what: String| told(reason, Subject::Call, &what).with_retry_after();
        match *error {
            CallError::Status { ref status, .. } => {
                Self::of_backend(fate, (http_status(status.code()), status.code()), status.message().to_owned())
            }
            CallError::Deadline => {
                let what = format!("the backend did not answer within {timer}");
                told(Reason::DeadlineExceeded, Subject::Call, &what)
            }
            CallError::DeadlineAfter { messages } => {
                let came = if messages == 1 { "1 message".to_owned() } else { format!("{messages} messages") };
                let message = format!("the stream did not end within {timer}; {came} had arrived, and ");
                Self::of(fate, Reason::DeadlineExceeded, message + words(fate, Subject::Call))
            }
            CallError::Unsent => {
                let what = format!("there was no connection to the backend within {timer}");
                told(Reason::DeadlineExceededNotSent, Subject::Call, &what)
            }
            CallError::Queued => {
                let what = format!("the backend had no room for another call within {timer}");
                told(Reason::DeadlineExceededNotSent, Subject::Call, &what)
            }
            CallError::Stopped => {
                told(Reason::GatewayStopped, Subject::It, "the gateway is shutting down and has ended the call")
            }
            CallError::Full { most } => too_many(
                Reason::TooManyCalls,
                format!("the backend already has {most} calls in flight, the most that are allowed"),
            ),
            CallError::Overloaded { most } => too_many(
                Reason::BackendOverloaded,
                format!("the backend is slow and already has {most} calls in flight, as many as it answers in time"),
            ),
            CallError::Taken { streams } => too_many(
                Reason::TooManyCalls,
                format!("the backend allows at most {streams} concurrent streams, and all of them are in use"),
            ),
            CallError::Connection { most } => too_many(
                Reason::TooManyCallsOnConnection,
                format!("this connection already has {most} calls in flight at the backend, the most that are allowed"),
            ),
            CallError::Crowded { most } => too_many(
                Reason::TooManyCallsOfCaller,
                format!(
                    "nearly all of the {most} calls that the backend may have in flight are in use, and this caller already has its share"
                ),
            ),
            CallError::Unreachable { .. } => {
                told(Reason::BackendUnreachable, Subject::Call, "the backend cannot be reached")
            }
            CallError::Untouched { .. } => {
                told(Reason::CallNotAccepted, Subject::Deed, "the backend did not accept the call")
            }
            CallError::Lost { .. } => {
                told(Reason::ConnectionLost, Subject::It, "the connection to the backend was lost during the call")
            }
            CallError::Protocol { .. } => {
                told(Reason::InvalidBackendResponse, Subject::Call, "the backend's answer cannot be read")
            }
            CallError::NoStatus { http, .. } => Self::no_status(fate, http),
            CallError::NoMemory { .. } => told(
                Reason::OutOfMemoryOutcomeUnknown,
                Subject::Call,
                "the gateway has no memory left for the backend's reply",
            ),
            CallError::NoRoom => Self::no_memory(),
            CallError::TooLarge { limit, .. } => {
                let message = format!("the backend's reply is larger than the limit of {limit} bytes");
                Self::of(fate, Reason::ResponseTooLarge, message)
            }
        }
    }

    /// A response without a gRPC status. Its code follows gRPC's mapping from HTTP status codes. Its HTTP status is 502
    /// if 503 or 504 would claim more about the call than is known.
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
        Self { http, code, ..Self::told(fate, Reason::NoGrpcStatus, (Subject::Call, &what)) }
    }

    fn told(fate: Fate, reason: Reason, (subject, what): (Subject, &str)) -> Self {
        Self::of(fate, reason, format!("{what}; {}", words(fate, subject)))
    }

    fn with_retry_after(self) -> Self {
        self.with_header(RETRY_AFTER, "1".to_owned())
    }

    /// 503: no memory for a request.
    #[must_use]
    pub fn no_memory() -> Self {
        let what = "the gateway has no memory left for the request";
        Self::told(Fate::NotSent, Reason::OutOfMemory, (Subject::Call, what)).with_retry_after()
    }

    /// 503: the connection holds too many responses that its caller does not read.
    #[must_use]
    pub fn untaken_answers() -> Self {
        let what = "unread answers on this connection use all the memory that one connection may have; read them first";
        Self::told(Fate::NotSent, Reason::UnreadResponses, (Subject::Call, what)).with_retry_after()
    }

    /// 503: no memory for one of several messages of a request.
    #[must_use]
    pub fn no_memory_for_message() -> Self {
        let message = "the gateway has no memory left for this message";
        Self::of(Fate::Unknown, Reason::OutOfMemoryInStream, message)
    }

    /// 502: no memory for the JSON of a reply.
    #[must_use]
    pub fn no_memory_for_reply() -> Self {
        let what = "the gateway has no memory left for the reply's JSON";
        Self::told(Fate::Answered, Reason::OutOfMemoryCallSucceeded, (Subject::Call, what))
    }

    /// 408: the body did not arrive in time.
    #[must_use]
    pub fn body_late(timer: &Timer) -> Self {
        let message = format!("the body did not arrive within {timer}");
        Self::new(Reason::BodyTimeout, message)
    }

    /// 408: the body arrives too slowly.
    #[must_use]
    pub fn body_slow(rate: Rate) -> Self {
        let Rate { bytes, over } = rate;
        let message =
            format!("the body arrived too slowly: expected at least {bytes} bytes per second, got less for {over:?}");
        Self::new(Reason::BodyTooSlow, message)
    }

    /// 502: the reply is not a valid message of its type, or its JSON would be too large.
    #[must_use]
    pub fn undecodable(error: &DecodeError) -> Self {
        if let DecodeProblem::TooLarge { limit } = error.problem {
            let what = format!("the reply's JSON is larger than the limit of {limit} bytes");
            return Self::told(Fate::Answered, Reason::ResponseTooLarge, (Subject::Call, &what));
        }
        Self::unreadable_reply()
    }

    /// 502: the reply is not a valid message.
    #[must_use]
    pub fn unreadable_reply() -> Self {
        let what = "the backend's reply cannot be read";
        Self::told(Fate::Answered, Reason::InvalidResponseMessage, (Subject::Call, what))
    }

    /// 502: a message of a stream is not valid for its type.
    #[must_use]
    pub fn undecodable_message() -> Self {
        let what = "a message of the backend cannot be read";
        Self::told(Fate::Unknown, Reason::InvalidStreamMessage, (Subject::Call, what))
    }

    /// 500: an error in Towbar itself.
    #[must_use]
    pub fn internal() -> Self {
        Self::told(Fate::Unknown, Reason::InternalError, (Subject::Call, "an internal error"))
    }

    /// This refusal for a call that was already opened. The backend may have acted on what it received, even if that
    /// was only the head.
    #[must_use]
    pub fn of_open_call(self) -> Self {
        match self.fate {
            Fate::NotSent => Self { fate: Fate::Unknown, ..self },
            Fate::Unknown | Fate::Answered => self,
        }
    }

    /// This refusal for an invalid message of a stream, of which `sent` messages were sent before.
    #[must_use]
    pub fn behind(self, sent: usize) -> Self {
        let message = format!("message {}: {}", sent + 1, self.message);
        let message = match sent {
            0 => message,
            _ => {
                let (unknown, s) = (words(Fate::Unknown, Subject::It), if sent == 1 { "" } else { "s" });
                format!("{message}; the call was cancelled after {sent} message{s}, and {unknown}")
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

    /// An error of each kind, the fate of its call, and the message for the caller.
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
                "the backend did not accept the call; nothing was done",
            ),
            (
                CallError::Full { most: 3 },
                Fate::NotSent,
                "the backend already has 3 calls in flight, the most that are allowed; the call was not sent",
            ),
            (
                CallError::Overloaded { most: 3 },
                Fate::NotSent,
                "the backend is slow and already has 3 calls in flight, as many as it answers in time; the call was not sent",
            ),
            (
                CallError::Taken { streams: 3 },
                Fate::NotSent,
                "the backend allows at most 3 concurrent streams, and all of them are in use; the call was not sent",
            ),
            (
                CallError::Connection { most: 3 },
                Fate::NotSent,
                "this connection already has 3 calls in flight at the backend, the most that are allowed; the call was not sent",
            ),
            (
                CallError::Crowded { most: 3 },
                Fate::NotSent,
                "nearly all of the 3 calls that the backend may have in flight are in use, and this caller already has its share; the call was not sent",
            ),
            (
                CallError::Queued,
                Fate::NotSent,
                "the backend had no room for another call within the gateway's deadline of 2s; the call was not sent",
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
                "the stream did not end within the gateway's deadline of 2s; 1 message had arrived, and the outcome of the call is unknown",
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
    fn a_failed_call_is_reported_with_its_outcome_and_without_the_cause() {
        let timer = Timer { whose: Whose::Gateway, length: Duration::from_secs(2) };
        for (error, fate, message) in errors() {
            let refusal = Refusal::without_status(&error, &timer);
            assert_eq!((error.fate(), refusal.fate(), refusal.message.as_str()), (fate, fate, message), "{error:?}");
        }
    }

    #[test]
    fn a_refusal_for_lack_of_memory_says_for_what_there_was_none() {
        for (refusal, message) in [
            (
                Refusal::untaken_answers(),
                "unread answers on this connection use all the memory that one connection may have; read them first; the call was \
                 not sent",
            ),
            // Which message it was, and what became of the call, is said around it (`behind`).
            (Refusal::no_memory_for_message(), "the gateway has no memory left for this message"),
        ] {
            assert_eq!(refusal.message, message);
        }
    }

    #[test]
    fn only_a_call_that_was_not_sent_invites_a_retry() {
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
    fn an_invalid_message_on_an_open_call_leaves_the_outcome_unknown() {
        let wrong = || Refusal::new(Reason::InvalidBody, "no");
        assert_eq!((wrong().fate(), wrong().of_open_call().fate()), (Fate::NotSent, Fate::Unknown));
        for (sent, message) in [
            (0, "message 1: no"),
            (1, "message 2: no; the call was cancelled after 1 message, and its outcome is unknown"),
            (2, "message 3: no; the call was cancelled after 2 messages, and its outcome is unknown"),
        ] {
            let refusal = wrong().behind(sent);
            assert_eq!((refusal.message.as_str(), refusal.fate()), (message, Fate::Unknown));
        }
        assert_eq!(Refusal::no_memory_for_reply().of_open_call().fate(), Fate::Answered);
    }
}
