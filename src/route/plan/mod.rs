//! The plan of a rule: from a request to its message and back, and from a reply to its body.

pub(super) mod error;
mod forward;
mod reverse;

pub use error::{EncodeError, FormError, QueryProblem, ValueProblem};
pub use reverse::{FieldUnsayable, Inverse, Unsayable};
