//! Limits the memory of all connections and bodies together.
//!
//! Whatever a caller or a backend can make large is counted before it is kept, and given back when it is freed.
//! Requests that exceed the budget are rejected, so that the process survives. Each worker does most of the counting
//! for itself.

mod account;
mod budget;
mod process;
mod purpose;
#[cfg(test)]
mod tests;
mod waiting;

pub use account::{Account, CallerId, Tie};
pub use budget::{Budget, Charge, Queued, Share};
pub use process::{file_limit, limit};
pub use purpose::{CALL, SMALL, Use};
pub use waiting::Waiting;
