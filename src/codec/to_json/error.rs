//! Why a response has no JSON form.

use crate::codec::depth::DEPTH_LIMIT;
use crate::format::wire::WireError;

pub(super) type Outcome<T> = Result<T, Box<DecodeProblem>>;

/// A response that is not a valid message of its type, or has no JSON form. The text is for the log: it names types and
/// fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reply is no {message}: {problem}")]
pub struct DecodeError {
    /// The message type of the response.
    pub message: String,
    /// Where in the response, named as in its JSON, such as `items[2].detail`; empty for the response as a whole.
    pub field: String,
    pub problem: DecodeProblem,
}

/// Why a message has no JSON form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeProblem {
    /// The bytes are not in wire format.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A string is not UTF-8.
    #[error("{field}: the string is not UTF-8")]
    Utf8 {
        /// The JSON name of the field.
        field: String,
    },
    /// Messages are nested too deeply.
    #[error("nested deeper than {DEPTH_LIMIT} levels")]
    Depth,
    /// The JSON exceeds [`Print::limit`](crate::codec::Print::limit).
    #[error("its JSON is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message with a special JSON form has a value that this form cannot express.
    #[error("{message} has a value without JSON form")]
    NoForm {
        /// The full name of the message type.
        message: String,
    },
    /// An Any holds a type that is not in the descriptors.
    #[error("an Any holds the type `{url}`, which the descriptors do not have (`json.show_unknown_any`)")]
    AnyType {
        /// The type URL of the Any.
        url: String,
    },
}

impl From<WireError> for Box<DecodeProblem> {
    fn from(error: WireError) -> Self {
        Self::new(DecodeProblem::Wire(error))
    }
}
