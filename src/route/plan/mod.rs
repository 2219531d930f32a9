//! Applies a rule: from a request to its message and back, and from a reply to its response body.

mod characters;
pub(super) mod error;
mod forward;
mod path;
mod proof;
mod reverse;
mod unfit;

pub use error::{EncodeError, FormError, QueryProblem, ValueProblem};
pub use reverse::RestRequest;
pub use unfit::{ReverseError, ReverseProblem};
