//! Why a rule cannot carry a message.

use super::error::EncodeError;
use crate::codec::{DecodeError, DecodeProblem, NoText};
use crate::route::found::Miss;
use crate::route::query::QueryError;

/// The longest path and query that `http::Uri` takes.
pub(super) const MOST_TARGET: usize = u16::MAX as usize - 1;

/// The longest JSON of a value in them: a character of a text has at most six there.
pub(super) const MOST_VALUE: usize = 6 * MOST_TARGET;

/// Why no request of a rule is a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReverseError {
    /// A field of the message; without a name the message itself.
    #[error("{} {problem}", if .field.is_empty() { "the message".to_owned() } else { format!("field \"{field}\"") })]
    Field { field: String, problem: ReverseProblem },
    /// The path and the query.
    #[error("path and query would be longer than {MOST_TARGET} bytes")]
    TooLong,
    /// The message itself.
    #[error("the message is not a valid {}: {}", .0.message, .0.problem)]
    Message(DecodeError),
    /// Another rule would get the request.
    #[error("the request would reach {rpc} ({method} {path})")]
    Elsewhere { rpc: String, method: String, path: String },
    /// No rule would get the request.
    #[error("no route would match the request: {0}")]
    Nobody(Miss),
    /// The request would be refused.
    #[error("the gateway would reject the request: {0}")]
    Refused(EncodeError),
    /// The same for its query alone.
    #[error("the gateway would reject the request: {0}")]
    Query(QueryError),
}

/// Why a rule cannot carry a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReverseProblem {
    /// It would have to be in the query.
    #[error("is a message with no field set, which a query parameter cannot carry")]
    EmptyMessage,
    /// Likewise.
    #[error("is a {message}, which a query parameter cannot carry")]
    Form { message: String },
    /// Likewise.
    #[error("is in a list or map of messages, which a query parameter cannot carry")]
    Listed,
    /// Likewise.
    #[error("is an extension or in one, which a query parameter cannot carry")]
    Extension,
    /// The path needs it.
    #[error("is not set, but the path needs it")]
    Unset,
    /// Path or body would set it.
    #[error("is not set, but the request would set it")]
    Added,
    /// The path has no empty segments.
    #[error("is empty, but a path segment cannot be empty")]
    Empty,
    /// An empty value of this key means that it did not come.
    #[error("is set and empty, but the query parameter \"{key}\" counts as absent when its value is empty")]
    EmptyKey { key: String },
    /// The pattern of a variable.
    #[error("does not match \"{pattern}\" in the path template")]
    Pattern { pattern: String },
    /// RFC 3986, section 6.2.2.3
    #[error("would be a dot segment of the path, which proxies on the way remove")]
    Dots,
    /// It is refused in path and query.
    #[error("contains a NUL character, which neither path nor query can carry")]
    Nul,
    /// It is the type of the body.
    #[error("is not a valid header value")]
    Header,
    /// Found when the request was read again.
    #[error("would be lost")]
    Lost,
}

impl ReverseError {
    /// Why a value that path or query should carry cannot be read.
    pub(super) fn of_value(error: DecodeError) -> Self {
        match error.problem {
            DecodeProblem::TooLarge { .. } => Self::TooLong,
            _ => Self::Message(error),
        }
    }
}

impl ReverseProblem {
    pub(super) fn at(self, field: &str) -> ReverseError {
        ReverseError::Field { field: field.to_owned(), problem: self }
    }
}

impl From<NoText<'_>> for ReverseProblem {
    fn from(reason: NoText<'_>) -> Self {
        match reason {
            NoText::Empty => Self::EmptyMessage,
            NoText::Form(message) => Self::Form { message: message.to_owned() },
            NoText::Listed => Self::Listed,
            NoText::Extension => Self::Extension,
        }
    }
}
