//! The tokio runtime for everything but serving requests.

use crate::format::problem::Problem;

/// A single-threaded runtime. Requests are served by worker threads, which have their own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Vec<Problem>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| vec![Problem::new(error)])
}
