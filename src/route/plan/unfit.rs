//! Why a rule cannot carry a message.

use super::error::EncodeError;
use crate::codec::{DecodeError, DecodeProblem, NoText};
use crate::route::found::Miss;
use crate::route::query::QueryError;

/// The longest path and query that `http::Uri` takes, in bytes.
pub(super) const MOST_TARGET: usize = u16::MAX as usize - 1;

/// The longest JSON of a value in path or query, in bytes: JSON writes a character of a text with at most six bytes.
pub(super) const MOST_VALUE: usize = 6 * MOST_TARGET;

/// Why a rule has no request for a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReverseError {
    /// A field cannot be carried; an empty name stands for the message itself.
    #[error("{} {problem}", if .field.is_empty() { "the message".to_owned() } else { format!("field \"{field}\"") })]
    Field { field: String, problem: ReverseProblem },
    /// Path and query would be too long.
    #[error("path and query would be longer than {MOST_TARGET} bytes")]
    TooLong,
    /// The bytes are not a valid message.
    #[error("the message is not a valid {}: {}", .0.message, .0.problem)]
    Message(DecodeError),
    /// The request would reach another rule.
    #[error("the request would reach {rpc} ({method} {path})")]
    Elsewhere { rpc: String, method: String, path: String },
    /// No rule would match the request.
    #[error("no route would match the request: {0}")]
    Nobody(Miss),
    /// The gateway would reject the request.
    #[error("the gateway would reject the request: {0}")]
    Refused(EncodeError),
    /// The gateway would reject the query of the request.
    #[error("the gateway would reject the request: {0}")]
    Query(QueryError),
}

/// Why a rule cannot carry a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReverseProblem {
    /// A message with no field set, which a query parameter cannot carry.
    #[error("is a message with no field set, which a query parameter cannot carry")]
    EmptyMessage,
    /// A type without a text form, which a query parameter cannot carry.
    #[error("is a {message}, which a query parameter cannot carry")]
    Form { message: String },
    /// A value in a list or map of messages, which a query parameter cannot carry.
    #[error("is in a list or map of messages, which a query parameter cannot carry")]
    Listed,
    /// An extension, or a value in one, which a query parameter cannot carry.
    #[error("is an extension or in one, which a query parameter cannot carry")]
    Extension,
    /// The field is not set, but the path needs a value.
    #[error("is not set, but the path needs it")]
    Unset,
    /// The field is not set, but the path or the body would set it.
    #[error("is not set, but the request would set it")]
    Added,
    /// The field is empty, but a path segment cannot be.
    #[error("is empty, but a path segment cannot be empty")]
    Empty,
    /// An empty value of this query key counts as absent.
    #[error("is set and empty, but the query parameter \"{key}\" counts as absent when its value is empty")]
    EmptyKey { key: String },
    /// The value does not match the pattern of its path variable.
    #[error("does not match \"{pattern}\" in the path template")]
    Pattern { pattern: String },
    /// The value would be a dot segment of the path, which proxies remove (RFC 3986, section 6.2.2.3).
    #[error("would be a dot segment of the path, which proxies on the way remove")]
    Dots,
    /// The value contains a NUL character, which the gateway rejects in path and query.
    #[error("contains a NUL character, which neither path nor query can carry")]
    Nul,
    /// The field is the content type of the body, and its value is not a valid header.
    #[error("is not a valid header value")]
    Header,
    /// The value was missing when the request was read back.
    #[error("would be lost")]
    Lost,
}

impl ReverseError {
    /// The error for a value that belongs in the path or query and cannot be read.
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
