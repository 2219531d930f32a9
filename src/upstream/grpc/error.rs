//! Why a call gave no reply.

use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};

use super::status;
use crate::upstream::fate::Fate;

/// Why a call gave no message. The texts of causes are for the log: they may hold addresses.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection.
    #[error("the backend cannot be reached: {cause}")]
    Unreachable { cause: String },
    /// The connection broke after the request went out.
    #[error("the connection to the backend was lost during the call: {cause}")]
    Lost { cause: String },
    /// The backend says that it has not touched the call, each time it was sent.
    #[error("the backend refused the call before it looked at it: {cause}")]
    Untouched { cause: String },
    /// As many calls are in flight as may be, and as many wait, or this one has waited long enough.
    #[error("{most} calls of the backend are in flight, as many as may be")]
    Full { most: usize },
    /// The backend takes no more streams, on as many connections as may be, and this one has waited long enough.
    #[error("the backend takes no more than the {streams} streams that are in flight on its connections")]
    Taken { streams: usize },
    /// As many calls of the connection are in flight as it may have.
    #[error("{most} calls of this connection are in flight at the backend, as many as it may have")]
    Connection { most: usize },
    /// The last of so many places are for other callers.
    #[error(
        "nearly {most} calls of the backend are in flight, and the last places are not for the caller that has most of them"
    )]
    Crowded { most: usize },
    /// The deadline passed while as many others were in flight as may be, or as the backend takes.
    #[error("the deadline passed while the call waited for others to end")]
    Queued,
    /// The deadline passed before there was a connection.
    #[error("the deadline passed before the call could be sent")]
    Unsent,
    /// The deadline passed first.
    #[error("the deadline passed")]
    Deadline,
    /// The deadline passed after so many messages of a stream.
    #[error("the deadline passed after {messages} messages of the stream")]
    DeadlineAfter { messages: u64 },
    /// The gateway has stopped first.
    #[error("the gateway stopped before the call had ended")]
    Stopped,
    /// The answer is not gRPC, or not a single message.
    #[error("the backend's answer is no unary gRPC reply: {cause}")]
    Protocol { cause: String },
    /// The answer has no status of gRPC, as that of a proxy between may have none.
    #[error("the backend's answer has no gRPC status: {cause}")]
    NoStatus { http: StatusCode, cause: String },
    /// The reply message is over the limit.
    #[error("the reply has at least {length} bytes, more than the limit of {limit}")]
    TooLarge { length: usize, limit: usize },
    /// There is no memory for the reply.
    #[error("there is no memory left for a reply of {length} bytes (`memory`)")]
    NoMemory { length: usize },
    /// There is no memory for a call of several messages.
    #[error("there is no memory left for another stream (`memory`)")]
    NoRoom,
    /// The backend answered with a status.
    #[error("the backend answered {:?}", status.code())]
    Status { status: Box<Status>, metadata: HeaderMap },
}

impl CallError {
    /// An answer that breaks the rules of gRPC in this way.
    #[must_use]
    pub fn protocol(cause: &str) -> Self {
        Self::Protocol { cause: cause.to_owned() }
    }

    /// A reply of several messages to a call that has one.
    #[must_use]
    pub fn several_messages() -> Self {
        Self::protocol("it holds more than one message")
    }

    /// A call that has gone well, they say, and has no reply.
    #[must_use]
    pub fn no_message() -> Self {
        Self::protocol("it ended with status OK and without a message")
    }

    /// Whether the backend may have acted on the call.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::Unreachable { .. }
            | Self::Full { .. }
            | Self::Taken { .. }
            | Self::Connection { .. }
            | Self::Crowded { .. }
            | Self::Queued
            | Self::Unsent
            | Self::NoRoom => Fate::NotSent,
            // RFC 9113, section 8.7: no processing has occurred.
            Self::Untouched { .. } => Fate::NotSent,
            // Whatever the HTTP status of `NoStatus` says: a box between may have made it when the call was through.
            Self::Lost { .. }
            | Self::Deadline
            | Self::DeadlineAfter { .. }
            | Self::Stopped
            | Self::Protocol { .. }
            | Self::NoStatus { .. }
            | Self::NoMemory { .. } => Fate::Unknown,
            Self::TooLarge { .. } | Self::Status { .. } => Fate::Answered,
        }
    }

    /// Whether there were too many calls already.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Taken { .. } | Self::Connection { .. } | Self::Crowded { .. })
    }

    /// The code of an answer with this HTTP status and no status of gRPC.
    #[must_use]
    pub fn code_of_http(status: StatusCode) -> Code {
        status::code_of_http(status)
    }
}
