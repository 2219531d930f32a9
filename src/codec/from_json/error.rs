//! Why texts and a body cannot be combined into a message.

use crate::codec::problem::{BodyError, FieldProblem};

/// Where a bound text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The path; the body may repeat the value.
    Path,
    Query,
}

/// Why texts and a body cannot be combined into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The body is not a message of the expected type.
    Body(BodyError),
    /// The body has a different value for a field that a text is bound to.
    Conflict {
        /// The dotted path of the field.
        field: String,
        origin: Origin,
    },
    /// The body sets another field of a oneof that a text is bound to.
    Bound {
        /// The dotted path of the field.
        field: String,
        origin: Origin,
        /// Which field of the oneof is set as well.
        problem: FieldProblem,
    },
}
