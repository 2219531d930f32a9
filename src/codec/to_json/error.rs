//! Why a reply has no JSON form.

use crate::codec::depth::DEPTH_LIMIT;
use crate::format::wire::WireError;

pub(super) type Outcome<T> = Result<T, Box<DecodeProblem>>;

/// A reply that is no message of its type, or has no JSON form. The text is for the log: it names types and fields, never
/// values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reply is no {message}: {problem}")]
pub struct DecodeError {
    /// The type of the reply.
    pub message: String,
    /// Where in it, as its JSON would name that: `items[2].detail`; empty for the reply as a whole.
    pub field: String,
    /// What is wrong.
    pub problem: DecodeProblem,
}

/// Why bytes have no JSON form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeProblem {
    /// Not in wire format.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A string that is not UTF-8.
    #[error("{field}: the string is not UTF-8")]
    Utf8 {
        /// The field's key in JSON.
        field: String,
    },
    /// Messages in messages.
    #[error("nested deeper than {DEPTH_LIMIT} levels")]
    Depth,
    /// See [`Print::limit`](crate::codec::Print::limit).
    #[error("its JSON is larger than the limit of {limit} bytes")]
    TooLarge {
        /// That limit.
        limit: usize,
    },
    /// A value that the message's own form in JSON cannot say.
    #[error("{message} has a value without JSON form")]
    NoForm {
        /// The message type.
        message: String,
    },
    /// An Any whose type the descriptors have not.
    #[error("an Any holds the type `{url}`, which the descriptors do not have (`json.show_unknown_any`)")]
    AnyType {
        /// Its type URL.
        url: String,
    },
}

impl From<WireError> for Box<DecodeProblem> {
    fn from(error: WireError) -> Self {
        Self::new(DecodeProblem::Wire(error))
    }
}
