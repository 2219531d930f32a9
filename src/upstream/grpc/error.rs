//! Why a call gave no reply.

use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};

use super::status;
use crate::upstream::fate::Fate;

/// Why a call gave no message. The texts of the causes are for the log only, because they may contain addresses.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be opened.
    #[error("the backend cannot be reached: {cause}")]
    Unreachable { cause: String },
    /// The connection broke after the request was sent.
    #[error("the connection to the backend was lost during the call: {cause}")]
    Lost { cause: String },
    /// The backend says, each time the call was sent, that it has not processed it.
    #[error("the backend refused the call before it looked at it: {cause}")]
    Untouched { cause: String },
    /// The limit of calls in flight is reached, and the queue is full or this call has waited too long.
    #[error("{most} calls of the backend are in flight, which is the limit")]
    Full { most: usize },
    /// The same for a limit that adapts to the backend, which is slow.
    #[error("{most} calls of the backend are in flight, as many as it answers in time")]
    Overloaded { most: usize },
    /// The backend takes no more streams, no more connections may be opened, and this stream has waited too long.
    #[error("the backend takes no more than the {streams} streams that are in flight on its connections")]
    Taken { streams: usize },
    /// The caller's connection has as many calls in flight as it may have.
    #[error("{most} calls of this connection are in flight at the backend, which is its limit")]
    Connection { most: usize },
    /// The last permits are reserved for other callers.
    #[error("nearly {most} calls of the backend are in flight, and the remaining ones are reserved for other callers")]
    Crowded { most: usize },
    /// The deadline passed while the call waited because of a limit of the gateway or the backend.
    #[error("the deadline passed while the call waited for others to end")]
    Queued,
    /// The deadline passed before the call was sent.
    #[error("the deadline passed before the call could be sent")]
    Unsent,
    /// The deadline passed after the call was sent.
    #[error("the deadline passed")]
    Deadline,
    /// The deadline passed after this many messages of a stream.
    #[error("the deadline passed after {messages} messages of the stream")]
    DeadlineAfter { messages: u64 },
    /// The gateway stopped before the call ended.
    #[error("the gateway stopped before the call had ended")]
    Stopped,
    /// The answer is not valid gRPC, or is not a single message.
    #[error("the backend's answer is no unary gRPC reply: {cause}")]
    Protocol { cause: String },
    /// The answer has no gRPC status, as an answer from a proxy on the way may have none.
    #[error("the backend's answer has no gRPC status: {cause}")]
    NoStatus { http: StatusCode, cause: String },
    /// The reply message is larger than the limit.
    #[error("the reply has at least {length} bytes, more than the limit of {limit}")]
    TooLarge { length: usize, limit: usize },
    /// The memory budget has no room for the reply.
    #[error("there is no memory left for a reply of {length} bytes (`memory`)")]
    NoMemory { length: usize },
    /// The memory budget has no room for another stream.
    #[error("there is no memory left for another stream (`memory`)")]
    NoRoom,
    /// The backend answered with an error status.
    #[error("the backend answered {:?}", status.code())]
    Status { status: Box<Status>, metadata: HeaderMap },
}

impl CallError {
    /// An answer that breaks the gRPC protocol in this way.
    #[must_use]
    pub fn protocol(cause: &str) -> Self {
        Self::Protocol { cause: cause.to_owned() }
    }

    /// A reply of several messages to a call that allows one.
    #[must_use]
    pub fn several_messages() -> Self {
        Self::protocol("it holds more than one message")
    }

    /// A unary call that ended with status OK but without a message.
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
            | Self::Overloaded { .. }
            | Self::Taken { .. }
            | Self::Connection { .. }
            | Self::Crowded { .. }
            | Self::Queued
            | Self::Unsent
            | Self::NoRoom => Fate::NotSent,
            // RFC 9113, section 8.7: no processing has occurred.
            Self::Untouched { .. } => Fate::NotSent,
            // The HTTP status of `NoStatus` proves nothing: an intermediary may have made it after the call got
            // through.
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

    /// Whether the call failed because there were too many calls.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::Overloaded { .. }
                | Self::Taken { .. }
                | Self::Connection { .. }
                | Self::Crowded { .. }
        )
    }

    /// The gRPC code for an answer with this HTTP status and without a gRPC status.
    #[must_use]
    pub fn code_of_http(status: StatusCode) -> Code {
        status::code_of_http(status)
    }
}
