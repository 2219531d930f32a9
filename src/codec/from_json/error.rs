//! Why texts and body do not make a message.

use crate::codec::problem::{BodyError, FieldProblem};

/// Where a text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The path: the body may repeat the value.
    Path,
    /// The query.
    Query,
}

/// Why texts and body do not make a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The body is no message.
    Body(BodyError),
    /// The body has another value for a field that a text is bound to.
    Conflict {
        /// The field, dotted.
        field: String,
        /// Where the text came from.
        origin: Origin,
    },
    /// The body has another member of a oneof that a text is bound to.
    Bound {
        /// The field, dotted.
        field: String,
        /// Where the text came from.
        origin: Origin,
        /// What is wrong.
        problem: FieldProblem,
    },
}
