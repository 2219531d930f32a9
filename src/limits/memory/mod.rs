//! How much memory connections and bodies may have, all together.
//!
//! Whatever a caller or a backend can make large is counted before it is kept, and given back when it is gone. What there is no
//! memory for is refused, so the process lives. Most of it is counted by each worker for itself.

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
