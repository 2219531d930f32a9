//! The runtime of what is not a call.

use crate::format::problem::Problem;

/// For what is not a call: calls have threads of their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Vec<Problem>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| vec![Problem::new(error)])
}
